package rules

import "github.com/lxtc/lxtc/ir"

// Gamma favours contributions of the output's sign, in the form for inputs of
// either sign: zennit's Gamma, which generalizes Montavon et al. 2019 as
// Andéol et al. 2021 do.
var Gamma = &Rule{
	Name: "gamma",
	Doc: "favour contributions of the output's sign\n\n" +
		"With x± and w± the positive and negative parts, W± = w + γ w±, z₊ = x⁺W₊ + x⁻W₋ + b₊ and z₋ = x⁺W₋ + x⁻W₊ + b₋: " +
		"R_x = x⁺(s₊W₊ + s₋W₋) + x⁻(s₊W₋ + s₋W₊), s± = [±z > 0] R / (z± + ε). Where z is 0, R is lost. zennit's Gamma; γ = 0 is epsilon.",
	Params:    withBias(Param{Name: "gamma", Default: "0.25", Doc: "how much the parts of one sign are favoured"}),
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		l := linearOf(c)
		x, z, r := l.input(), c.Node.Out[0], c.R[0]
		up := func(v *ir.Value) *ir.Value { return c.Add(v, c.Mul(c.Param("gamma", v), c.Pos(v))) }
		down := func(v *ir.Value) *ir.Value { return c.Add(v, c.Mul(c.Param("gamma", v), c.NegPart(v))) }
		xp, xn := c.Pos(x), c.NegPart(x)
		zero := c.Scalar(0, z)
		// half is the part that outputs of one sign send back, their inputs of
		// the same sign meeting the weights wp and the others wn.
		half := func(sign string, wp, wn func(*ir.Value) *ir.Value) *ir.Value {
			a, b := l.at(xp, wp, wp), l.at(xn, wn, nil)
			s := c.Op("Where", c.Op(sign, z, zero), c.Ratio(r, c.Add(a.Out[0], b.Out[0])), zero)
			return c.Add(c.Mul(xp, l.back(a, s)), c.Mul(xn, l.back(b, s)))
		}
		return c.Only(l.x, c.Add(half("Greater", up, down), half("Less", down, up)))
	},
}

// ZPlus keeps positive contributions only: zennit's ZPlus, the αβ rule with
// α = 1 and β = 0.
var ZPlus = &Rule{
	Name:      "zplus",
	Doc:       "keep positive contributions only\n\nz⁺ = x⁺w⁺ + x⁻w⁻ + b⁺, R_x = x⁺ (s w⁺) + x⁻ (s w⁻), s = R / (z⁺ + ε). zennit's ZPlus, αβ with α = 1, β = 0; Bach et al. 2015.",
	Params:    withBias(),
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		l := linearOf(c)
		xp, xn := c.Pos(l.input()), c.NegPart(l.input())
		a, b := l.at(xp, c.Pos, c.Pos), l.at(xn, c.NegPart, nil)
		s := c.Ratio(c.R[0], c.Add(a.Out[0], b.Out[0]))
		return c.Only(l.x, c.Add(c.Mul(xp, l.back(a, s)), c.Mul(xn, l.back(b, s))))
	},
}
