package rules

import "github.com/lxtc/lxtc/ir"

// Mean is the epsilon rule for a mean, with ε added to the sum.
var Mean = &Rule{
	Name:      "mean",
	Doc:       "share a mean in proportion, stabilized as a sum\n\nR_x = x R / (Σx + ε). Differs from epsilon, which adds ε to the mean, by the scale of ε. Gradient form: the derivative. LXT's mean.",
	Params:    append(stabilized("1e-6"), absorbing()),
	Dialects:  []Dialect{{"lxt", []string{"eps=1e-6", "stabilizer=plus"}}},
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		ofWholeAxes(c)
		z, r := c.Arriving()
		n := c.Div(c.size(c.Node.In[0], z), c.size(z, z)) // of numbers that one mean is of
		return c.settled([]*ir.Value{z}, []*ir.Value{c.Mul(n, c.Ratio(r, c.Mul(n, z)))})
	},
	Gradient: func(c *Context) []*ir.Value {
		ofWholeAxes(c)
		return c.VJP(c.Node, c.R...)
	},
}

// ofWholeAxes fails the build if the node is no mean of numbers that its output's size
// tells.
func ofWholeAxes(c *Context) {
	switch c.Node.Op.Name {
	case "ReduceMean", "GlobalAveragePool":
	default:
		c.Fail("rule mean takes a mean over whole axes, and %s is none", c.Node.Op)
	}
}

// size returns the number of elements of v, in the element type of like.
func (c *Context) size(v, like *ir.Value) *ir.Value {
	return c.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(like.Type.Elem)}}, c.Op("Size", v))
}
