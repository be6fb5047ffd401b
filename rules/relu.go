package rules

import "github.com/lxtc/lxtc/ir"

// The rules of this file are for Relu in maps where relevance is a gradient,
// that is, where the other operators have the rule gradient.

// DeconvNet lets positive relevance pass a Relu, whatever its input is.
var DeconvNet = &Rule{
	Name:   "deconvnet",
	Doc:    "positive relevance passes a Relu, whatever its input is\n\nR_x = max(R, 0). zennit's ReLUDeconvNet; Zeiler and Fergus 2014.",
	AtZero: true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		i := c.OnlyWanted()
		return c.Only(i, c.unary(c.Pos(r), i))
	},
}

// GuidedBackprop lets positive relevance pass a Relu where the input is
// positive.
var GuidedBackprop = &Rule{
	Name:    "guided-backprop",
	Aliases: []string{"guided"},
	Doc:     "positive relevance passes a Relu where its input is positive\n\nR_x = [x > 0] max(R, 0). zennit's ReLUGuidedBackprop; Springenberg et al. 2015.",
	Relevance: func(c *Context) []*ir.Value {
		i := c.OnlyWanted()
		_, r := c.Arriving()
		x, zero := c.Node.In[i], c.Scalar(0, r)
		return c.Only(i, c.Op("Where", c.Op("Greater", x, zero), c.Pos(c.unary(r, i)), zero))
	},
}

// BetaSmooth is the derivative of a Relu that is smoothed.
var BetaSmooth = &Rule{
	Name:   "beta-smooth",
	Doc:    "the derivative of a smoothed Relu\n\nR_x = σ(βx) R. zennit's ReLUBetaSmooth; Dombrowski et al. 2019.",
	Params: []Param{{Name: "beta", Default: "10", Doc: "how sharp the step is", Refuse: atLeast(0)}},
	AtZero: true,
	Relevance: func(c *Context) []*ir.Value {
		i := c.OnlyWanted()
		_, r := c.Arriving()
		x := c.Node.In[i]
		return c.Only(i, c.Mul(c.Op("Sigmoid", c.Mul(c.Param("beta", x), x)), c.unary(r, i)))
	},
}
