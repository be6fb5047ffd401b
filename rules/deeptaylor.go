package rules

import "github.com/lxtc/lxtc/ir"

// DeepTaylor expands the operator at a point between 0 and its input, and
// leaves the term of order zero out.
var DeepTaylor = &Rule{
	Name: "deep-taylor",
	Doc: "first order Taylor expansion at a part of the input\n\n" +
		"With x̃ = t x: R_i = (x_i - x̃_i) (∂f/∂x_i at x̃)ᵀ (R / (f(x) - f(x̃) + ε)). A bias cancels; of Relu and of linear operators nothing else is left out. Montavon et al. 2017, eq. 5, with the root on the way from 0 to x.",
	Params: append([]Param{{Name: "at", Default: "0.5", Doc: "t, where to expand: 0 is at zero, and 1 would be at x", Refuse: belowOne}}, stabilized("1e-6")...),
	Relevance: func(c *Context) []*ir.Value {
		z, r := c.Arriving()
		in := append([]*ir.Value(nil), c.Node.In...)
		for i, x := range in {
			if c.Want[i] {
				in[i] = c.Mul(c.Param("at", x), x)
			}
		}
		root := c.Apply(in...)
		vs := c.VJP(root, c.Ratio(r, c.Sub(z, root.Out[0])))
		return c.Each(func(i int) *ir.Value {
			x := c.Node.In[i]
			return c.Times(i, c.Mul(c.Sub(c.Scalar(1, x), c.Param("at", x)), vs[i]))
		})
	},
}

func belowOne(t float32) string {
	if t < 0 || t >= 1 {
		return "want at least 0 and less than 1"
	}
	return ""
}
