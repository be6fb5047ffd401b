package rules

import "github.com/lxtc/lxtc/ir"

// Identity hands all relevance to the one input that depends on what is
// explained. AttnLRP, eq. 9.
var Identity = &Rule{
	Name: "identity",
	Doc: "hand everything to the input\n\n" +
		"R_x = R. Gradient form: G f(x)/x, in closed form where the operator has one: at 0 that is the limit, f'(0). With a border, G f(x)/(x + border), which is 0 there. AttnLRP eq. 9.",
	Params: []Param{
		{Name: "border", Default: "0", Quiet: true, Refuse: atLeast(0), Doc: "gradient form: how far x is kept from zero where f(x) is divided by it; 0 is the closed form"},
		{Name: "bordered", Default: "sign", Choices: []string{"sign", "plus"}, Quiet: true, Doc: "how: sign, x + border·sign x; plus, x + border"},
	},
	Dialects:  []Dialect{{"lxt", []string{"border=1e-10", "bordered=plus"}}},
	Conserves: true,
	Relevance: handOn,
	Gradient: func(c *Context) []*ir.Value {
		i := c.OnlyWanted()
		x := c.Node.In[i]
		y, g := c.Arriving()
		op := c.Ops().Lookup(c.Node.Op)
		switch {
		case op != nil && op.Secant != nil && i == 0 && !c.Call.divides():
			return c.Only(i, c.Mul(g, op.Secant(c.Builder, c.Node)))
		case op != nil && op.Moves:
			return c.VJP(c.Node, c.R...)
		}
		// G y is the relevance of y; the input gets it, divided by x. A broadcast
		// input gets the sum.
		r := c.inPlace(c.Mul(g, y), i)
		return c.Only(i, c.over(r, x))
	},
}

// Move carries relevance back along data that only moves: reshaped,
// transposed, cut, joined, repeated, or selected.
var Move = &Rule{
	Name:      "move",
	Doc:       "carry relevance back where data only moves\n\nR_i = (∂z/∂x_i)ᵀ R, where every derivative is 0 or 1. Both forms.",
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		c.noteMoved()
		return c.VJP(c.Node, c.R...)
	},
	Gradient: func(c *Context) []*ir.Value { return c.VJP(c.Node, c.R...) },
}

// Gradient treats relevance itself as a gradient, as zennit does with operators
// that no rule is hooked to: a residual addition copies it to both branches.
var Gradient = &Rule{
	Name:      "gradient",
	Doc:       "propagate relevance as if it were a gradient\n\nR_i = (∂z/∂x_i)ᵀ R: what zennit does where no rule is hooked. Does not conserve: an addition copies R to every operand.",
	Copies:    true,
	Relevance: func(c *Context) []*ir.Value { return c.VJP(c.Node, c.R...) },
}

// Pass hands relevance on unchanged to every input that depends on what is
// explained.
var Pass = &Rule{
	Name:   "pass",
	Doc:    "hand relevance on unchanged\n\nR_i = R for every input. zennit's Pass; equal to identity where there is one input.",
	Copies: true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		return c.Each(func(i int) *ir.Value { return c.inPlace(r, i) })
	},
}

// Stop lets nothing through: what lies behind it counts as constant.
var Stop = &Rule{
	Name:      "stop",
	Doc:       "let nothing through\n\nR_i = 0. What lies behind counts as constant, so that a product gives its relevance to the other operand: how CP-LRP treats softmax.",
	Stops:     true,
	Relevance: func(c *Context) []*ir.Value { return make([]*ir.Value, len(c.Want)) },
	Gradient:  func(c *Context) []*ir.Value { return make([]*ir.Value, len(c.Want)) },
}

// handOn gives the one input all that arrives.
func handOn(c *Context) []*ir.Value {
	i := c.OnlyWanted()
	_, r := c.Arriving()
	return c.Only(i, c.inPlace(r, i))
}
