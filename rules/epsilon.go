package rules

import "github.com/lxtc/lxtc/ir"

// The parameters of every rule that divides by z.
func stabilized(eps string) []Param {
	return []Param{
		{Name: "eps", Default: eps, Doc: "how far z is kept from zero"},
		{
			Name: "stabilizer", Default: "sign", Choices: []string{"sign", "plus", "none", "zeros", "clip", "scaled"},
			Doc: "how: sign, z + eps·sign z; plus, z + eps, as LXT writes it; none, z; zeros, eps where z is 0; clip, z, but at least eps in size; scaled, like sign in units of the root mean square of z",
		},
	}
}

// Epsilon shares relevance in proportion to contribution. AttnLRP, eq. 8.
var Epsilon = &Rule{
	Name:   "epsilon",
	Doc:    "share in proportion to contribution\n\nR_i = x_i (∂z/∂x_i)ᵀ (R / (z + ε)). Gradient form: the derivative, in which a bias that is left out leaves no trace. AttnLRP eq. 8; Bach et al. 2015.",
	Params: append(stabilized("1e-6"), biasParam("keep", "zero"), absorbing()),
	Dialects: []Dialect{
		{"zennit", []string{"eps=1e-6", "stabilizer=sign"}},
		{"lxt", []string{"eps=1e-8", "stabilizer=plus"}},
		{"captum", []string{"eps=1e-9", "stabilizer=sign"}},
		{"innvestigate", []string{"eps=1e-7", "stabilizer=sign"}},
		{"julia", []string{"eps=1e-6", "stabilizer=sign"}},
	},
	Conserves: true,
	Linear:    true,
	Relevance: func(c *Context) []*ir.Value {
		s := make([]*ir.Value, len(c.R))
		for i, r := range c.R {
			if r == nil {
				continue
			}
			z := c.Node.Out[i]
			if b := c.addedBias(); b != nil && c.Call.Word("bias") == "zero" {
				z = c.Sub(z, b)
			}
			s[i] = c.Ratio(r, z)
		}
		return c.settled(s...)
	},
	Gradient: func(c *Context) []*ir.Value { return c.VJP(c.Node, c.R...) },
}

// settled is x_i (∂z/∂x_i)ᵀ s, and what the node would keep of R beside it if the
// rule is asked to hand that on.
func (c *Context) settled(s ...*ir.Value) []*ir.Value {
	rs := c.TimesInput(c.VJP(c.Node, s...))
	if !c.Call.Redistributes() {
		return rs
	}
	c.Arriving()
	return c.settle(rs, c.Mul(s[0], c.made()))
}

// Norm is the epsilon rule for operators without parameters: a sum, a mean.
var Norm = &Rule{
	Name:      "norm",
	Doc:       "share in proportion to contribution, where there are no weights\n\nR_i = x_i (∂f/∂x_i)ᵀ (R / (f(x) + ε)): epsilon for sums and averages, under the name that zennit gives it. Gradient form: the derivative. zennit's Norm.",
	Params:    append(stabilized("1e-6"), absorbing()),
	Conserves: true,
	Linear:    true,
	Relevance: func(c *Context) []*ir.Value {
		z, r := c.Arriving()
		return c.settled(c.Ratio(r, z))
	},
	Gradient: func(c *Context) []*ir.Value { return c.VJP(c.Node, c.R...) },
}

// EpsilonBias is the epsilon rule in two steps: the bias takes its share of
// the output, then the inputs share the rest. LXT treats GPT-2's Conv1D so.
var EpsilonBias = &Rule{
	Name: "epsilon-bias",
	Doc: "epsilon in two steps, the bias first\n\n" +
		"With u = z - b: R_u = u R / (z + ε_b), R_x = x (∂u/∂x)ᵀ (R_u / (u + ε)). Differs from epsilon by ε only. Gradient form: the derivative. LXT's add2 after linear_epsilon.",
	Params:     append(stabilized("1e-6"), Param{Name: "eps_bias", Default: "1e-8", Doc: "ε of the step that the bias takes part in"}, absorbing()),
	Dialects:   []Dialect{{"lxt", []string{"eps=1e-6", "stabilizer=plus", "eps_bias=1e-8"}}},
	Conserves:  true,
	OnlyLinear: true,
	Relevance: func(c *Context) []*ir.Value {
		z, r := c.Arriving()
		u := z
		if b := c.addedBias(); b != nil {
			u = c.Sub(z, b)
			r = c.Mul(u, c.Div(r, c.stabilizeBy("eps_bias", z)))
		}
		return c.settled(c.Ratio(r, u))
	},
	Gradient: func(c *Context) []*ir.Value { return c.VJP(c.Node, c.R...) },
}

// Bilinear is the epsilon rule for a product of k operands that all depend on
// what is explained, each getting 1/k. AttnLRP, proposition 3.3.
var Bilinear = &Rule{
	Name:      "bilinear",
	Doc:       "share in proportion, in equal parts between the operands of a product\n\nR_i = x_i (∂z/∂x_i)ᵀ (R / (k z + ε)) for k operands that depend on what is explained. Gradient form: the derivative over k. AttnLRP prop. 3.3.",
	Params:    append(stabilized("1e-8"), absorbing()),
	Dialects:  []Dialect{{"lxt", []string{"eps=1e-8", "stabilizer=plus"}}},
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		z, r := c.Arriving()
		return c.ofProduct(c.Ratio(r, c.Scale(z, float64(c.Wanted()))))
	},
	Gradient: fairShareOfScores,
}

// UniformEpsilon is the epsilon rule followed by an equal split: Bilinear with
// the stabilizer inside the split. LXT uses it for attention times values.
var UniformEpsilon = &Rule{
	Name:      "uniform-epsilon",
	Doc:       "epsilon, then in equal parts to the operands\n\nR_i = x_i (∂z/∂x_i)ᵀ (R / (z + ε)) / k. Differs from bilinear by where ε stands. Gradient form: the derivative over k. AttnLRP eq. 8 and prop. 3.2.",
	Params:    append(stabilized("1e-6"), absorbing()),
	Dialects:  []Dialect{{"lxt", []string{"eps=1e-6", "stabilizer=plus"}}},
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		z, r := c.Arriving()
		s := c.Scale(c.Ratio(r, z), 1/float64(c.Wanted()))
		return c.ofProduct(s)
	},
	Gradient: fairShare,
}

// ofProduct is settled for a product of operands, to each of which z goes. What is
// left goes to elements that contribute, if there are any: attention does not look at
// what it gives no weight.
func (c *Context) ofProduct(s *ir.Value) []*ir.Value {
	rs := c.TimesInput(c.VJP(c.Node, s))
	if !c.Call.Redistributes() {
		return rs
	}
	if c.addedBias() != nil || !hasWeights(c.Node.Op) {
		c.Fail("rule %s: absorbed=%s is for products of operands, and %s is none", c.Call.Rule.Name, c.Call.Word("absorbed"), c.Node.Op)
	}
	_, r := c.Arriving()
	rs, rest := c.give(rs, c.Node, c.Sub(r, c.Scale(c.Mul(s, c.Node.Out[0]), float64(c.Wanted()))), true)
	if !c.byContribution() {
		rs, _ = c.give(rs, c.Node, rest, false)
	}
	return rs
}

// Uniform splits relevance equally over the inputs that depend on what is
// explained. AttnLRP, proposition 3.2.
var Uniform = &Rule{
	Name:      "uniform",
	Doc:       "split equally over the inputs that depend on what is explained\n\nR_i = R / k. Gradient form: the derivative over k. AttnLRP prop. 3.2.",
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		r = c.Scale(r, 1/float64(c.Wanted()))
		return c.Each(func(i int) *ir.Value { return c.SumTo(r, c.Node.In[i]) })
	},
	Gradient: fairShare,
}

// fairShare is the derivative over k. What arrives is divided: one tensor, where
// the results are k.
func fairShare(c *Context) []*ir.Value {
	return c.VJP(c.Node, c.ScaleAll(c.R, 1/float64(c.Wanted()))...)
}

// fairShareOfScores does the same to the results, which are smaller where rows
// are multiplied with rows: attention's scores.
func fairShareOfScores(c *Context) []*ir.Value {
	return c.ScaleAll(c.VJP(c.Node, c.R...), 1/float64(c.Wanted()))
}
