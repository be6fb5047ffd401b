package rules

import "github.com/lxtc/lxtc/ir"

// StraightThrough hands relevance through a rounding as if it were not there.
var StraightThrough = &Rule{
	Name: "straight-through",
	Doc: "hand everything through a quantization\n\n" +
		"R_x = R. Gradient form: G f'(x) with the straight-through estimate of f' (Bengio et al., 2013), which is that of a line without steps, and G f(x)/x beyond its ends, as for any other limit. " +
		"The two differ by what rounding moves.",
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		throughZero(c)
		return handOn(c)
	},
	Gradient: func(c *Context) []*ir.Value {
		op := throughZero(c)
		if op == nil {
			return c.Only(0, nil)
		}
		_, g := c.Arriving()
		line := c.VJP(c.Node, c.R...)[0]
		ends := c.Mul(g, op.Secant(c.Builder, c.Node))
		return c.Only(0, c.Op("Where", c.Op("Equal", line, c.Scalar(0, line)), ends, line))
	},
}

// throughZero returns the operator of the node, a function of its first input that is
// 0 at 0; otherwise it fails the build.
func throughZero(c *Context) *ir.Op {
	op := c.Ops().Lookup(c.Node.Op)
	if op == nil || op.Secant == nil || c.OnlyWanted() != 0 {
		c.Fail("%s is no function of its first input that passes through 0", c.Node)
		return nil
	}
	return op
}
