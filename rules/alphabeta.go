package rules

import "github.com/lxtc/lxtc/ir"

// ZPlus keeps positive contributions only: zennit's ZPlus, the αβ rule with
// α = 1 and β = 0.
var ZPlus = &Rule{
	Name:      "zplus",
	Doc:       "keep positive contributions only\n\nz⁺ = x⁺w⁺ + x⁻w⁻ + b⁺, R_x = x⁺ (s w⁺) + x⁻ (s w⁻), s = R / (z⁺ + ε). zennit's ZPlus, αβ with α = 1, β = 0; Bach et al. 2015.",
	Params:    withBias(),
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		l := linearOf(c)
		return c.Only(l.x, positive(l, c.Pos(l.input()), c.NegPart(l.input())))
	},
}

// AlphaBeta weighs positive against negative contributions.
var AlphaBeta = &Rule{
	Name: "alphabeta",
	Doc: "weigh positive against negative contributions\n\n" +
		"z⁺ = x⁺w⁺ + x⁻w⁻ + b⁺, z⁻ = x⁺w⁻ + x⁻w⁺ + b⁻, R_x = α (x⁺ (s⁺w⁺) + x⁻ (s⁺w⁻)) - β (x⁺ (s⁻w⁻) + x⁻ (s⁻w⁺)), s± = R / (z± + ε), β = α - 1. zennit's AlphaBeta; Bach et al. 2015.",
	Params:    withBias(Param{Name: "alpha", Default: "2", Doc: "the weight of positive contributions; β is α - 1"}),
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		l := linearOf(c)
		if c.Call.Float("alpha") < 1 {
			c.Fail("rule alphabeta: alpha is %s, want at least 1", c.Call.Word("alpha"))
		}
		xp, xn := c.Pos(l.input()), c.NegPart(l.input())
		r := positive(l, xp, xn)
		if c.Call.Float("alpha") == 1 {
			return c.Only(l.x, r)
		}
		alpha := c.Param("alpha", r)
		beta := c.Sub(alpha, c.Scalar(1, r))
		return c.Only(l.x, c.Sub(c.Mul(alpha, r), c.Mul(beta, negative(l, xp, xn))))
	},
}

// positive shares relevance over the contributions above zero.
func positive(l linear, xp, xn *ir.Value) *ir.Value {
	_, r := l.Arriving()
	s := l.parts(xp, xn, l.Pos, l.NegPart, l.Pos)
	return s.share(l.Ratio(r, s.sumOfParts))
}

// negative shares relevance over the contributions below zero.
func negative(l linear, xp, xn *ir.Value) *ir.Value {
	_, r := l.Arriving()
	s := l.parts(xp, xn, l.NegPart, l.Pos, l.NegPart)
	return s.share(l.Ratio(r, s.sumOfParts))
}
