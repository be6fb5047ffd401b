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
		x := l.input()
		z, r := c.Arriving()
		up := func(v *ir.Value) *ir.Value { return c.Add(v, c.Mul(c.Param("gamma", v), c.Pos(v))) }
		down := func(v *ir.Value) *ir.Value { return c.Add(v, c.Mul(c.Param("gamma", v), c.NegPart(v))) }
		xp, xn, zero := c.Pos(x), c.NegPart(x), c.Scalar(0, z)
		// half is what outputs of one sign send back.
		half := func(sign string, w, other change) *ir.Value {
			s := l.parts(xp, xn, w, other, w)
			return s.share(c.Op("Where", c.Op(sign, z, zero), c.Ratio(r, s.sumOfParts), zero))
		}
		return c.Only(l.x, c.Add(half("Greater", up, down), half("Less", down, up)))
	},
}
