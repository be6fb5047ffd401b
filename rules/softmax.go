package rules

import "github.com/lxtc/lxtc/ir"

// Taylor is the deep Taylor decomposition of softmax at x. AttnLRP, proposition
// 3.1. The sum runs over the softmax's own axis.
var Taylor = &Rule{
	Name:   "taylor",
	Params: []Param{absorbing()},
	Doc:    "deep Taylor decomposition of softmax at its input\n\nR_x = x (R - s ΣR), 0 where x is -∞. The bias term of the expansion is absorbed, so it does not conserve. Gradient form: the derivative of softmax, to which it is equal. AttnLRP prop. 3.1.",
	Relevance: func(c *Context) []*ir.Value {
		ofSoftmax(c)
		x := c.Node.In[0]
		s, r := c.Arriving()
		axis := c.Node.Attrs.Int("axis", -1)
		masked := c.OpA("IsInf", ir.Attrs{{Name: "detect_positive", Value: int64(0)}}, x)
		x = c.Op("Where", masked, c.Scalar(0, x), x) // a masked score is -∞, and -∞·0 is no relevance
		sum := c.Sum(r, axis)
		v := c.Sub(r, c.Mul(s, sum))
		rx := c.remember(c.Mul(x, v), v)
		if !c.Call.Redistributes() {
			return c.Only(0, rx)
		}
		// What a row keeps goes to its inputs by their weights s, which leaves masked
		// ones out; or by s|x|.
		left := c.Sub(sum, c.Sum(rx, axis))
		if !c.byContribution() {
			part := c.Mul(s, left)
			return c.Only(0, c.more(0, rx, part, c.over(part, x)))
		}
		size := c.Op("Abs", x)
		part := c.Mul(s, c.Div(left, c.orOne(c.Sum(c.Mul(s, size), axis))))
		return c.Only(0, c.more(0, rx, c.Mul(size, part), c.Mul(c.Op("Sign", x), part)))
	},
	Gradient: func(c *Context) []*ir.Value {
		ofSoftmax(c)
		return c.VJP(c.Node, c.R...)
	},
}

func ofSoftmax(c *Context) {
	if c.Node.Op.Name != "Softmax" {
		c.Fail("rule taylor takes a softmax, and %s is none", c.Node.Op)
	}
}
