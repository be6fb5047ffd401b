package rules

import "github.com/lxtc/lxtc/ir"

// Taylor is the deep Taylor decomposition of softmax at x. AttnLRP, proposition
// 3.1. The sum runs over the softmax's own axis.
var Taylor = &Rule{
	Name: "taylor",
	Doc:  "deep Taylor decomposition of softmax at its input\n\nR_x = x (R - s ΣR), 0 where x is -∞. The bias term of the expansion is absorbed, so it does not conserve. Gradient form: the derivative of softmax, to which it is equal. AttnLRP prop. 3.1.",
	Relevance: func(c *Context) []*ir.Value {
		x := c.Node.In[0]
		s, r := c.Arriving()
		axis := c.Node.Attrs.Int("axis", -1)
		masked := c.OpA("IsInf", ir.Attrs{{Name: "detect_positive", Value: int64(0)}}, x)
		x = c.Op("Where", masked, c.Scalar(0, x), x) // a masked score is -∞, and -∞·0 is no relevance
		return c.Only(0, c.Mul(x, c.Sub(r, c.Mul(s, c.Sum(r, axis)))))
	},
	Gradient: func(c *Context) []*ir.Value { return c.VJP(c.Node, c.R...) },
}
