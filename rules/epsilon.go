package rules

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// The parameters of every rule that divides by z.
func stabilized(eps string) []Param {
	return []Param{
		{Name: "eps", Default: eps, Doc: "how far z is kept from zero", Refuse: atLeast(0)},
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
		z, s := slices.Clone(c.Node.Out), make([]*ir.Value, len(c.R))
		for i, r := range c.R {
			if r == nil {
				continue
			}
			if b := c.addedBias(); b != nil && c.Call.Word("bias") == "zero" {
				z[i] = c.Sub(z[i], b)
			}
			s[i] = c.Ratio(r, z[i])
		}
		return c.settled(z, s)
	},
	Gradient: func(c *Context) []*ir.Value { return c.VJP(c.Node, c.R...) },
}

// settled is x_i (∂z/∂x_i)ᵀ s for s = R/z, one of each for every output, and what the
// node would keep of R beside it if the rule is asked to hand that on.
func (c *Context) settled(z, s []*ir.Value) []*ir.Value {
	rs := c.TimesInput(c.VJP(c.Node, s...))
	switch {
	case c.Call.Redistributes():
		c.Arriving()
	case c.account == nil:
		return rs
	case c.arrivesElsewhere():
		c.noteAll(z, s)
		return rs
	}
	made := c.made()
	return c.settle(rs, c.Mul(s[0], made), c.ofConstants(s[0], z[0], made))
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
		return c.settled([]*ir.Value{z}, []*ir.Value{c.Ratio(r, z)})
	},
	Gradient: func(c *Context) []*ir.Value { return c.VJP(c.Node, c.R...) },
}

// EpsilonBias is the epsilon rule in two steps: the bias takes its share of
// the output, then the inputs share the rest. LXT treats GPT-2's Conv1D so.
var EpsilonBias = &Rule{
	Name: "epsilon-bias",
	Doc: "epsilon in two steps, the bias first\n\n" +
		"With u = z - b: R_u = u R / (z + ε_b), R_x = x (∂u/∂x)ᵀ (R_u / (u + ε)). Differs from epsilon by ε only. Gradient form: the derivative. LXT's add2 after linear_epsilon.",
	Params:     append(stabilized("1e-6"), Param{Name: "eps_bias", Default: "1e-8", Doc: "ε of the step that the bias takes part in", Refuse: atLeast(0)}, absorbing()),
	Dialects:   []Dialect{{"lxt", []string{"eps=1e-6", "stabilizer=plus", "eps_bias=1e-8"}}},
	Conserves:  true,
	OnlyLinear: true,
	Relevance: func(c *Context) []*ir.Value {
		z, r := c.Arriving()
		u := z
		var taken *ir.Value // by the bias
		if b := c.addedBias(); b != nil {
			u = c.Sub(z, b)
			s := c.Div(r, c.stabilizeBy("eps_bias", z))
			r, taken = c.Mul(u, s), c.Mul(b, s)
		}
		s := c.Ratio(r, u)
		return c.settle(c.TimesInput(c.VJP(c.Node, s)), c.Mul(s, u), taken)
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
	Gradient: func(c *Context) []*ir.Value {
		ofFactors(c)
		return fairShareOfScores(c)
	},
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
	Gradient: func(c *Context) []*ir.Value {
		ofFactors(c)
		return fairShare(c)
	},
}

// ofProduct is settled for a product of operands, to each of which z goes. What is
// left goes to elements that contribute, if there are any: attention does not look at
// what it gives no weight.
func (c *Context) ofProduct(s *ir.Value) []*ir.Value {
	ofFactors(c)
	rs := c.TimesInput(c.VJP(c.Node, s))
	if !c.Call.Redistributes() {
		if c.account != nil {
			k, made := float64(c.Wanted()), c.made()
			c.Note(c.Scale(c.Mul(s, made), k), c.ofConstants(c.Scale(s, k), c.Node.Out[0], made))
		}
		return rs
	}
	if c.addedBias() != nil || !hasWeights(c.Node.Op) {
		c.Fail("rule %s: absorbed=%s is for products of operands, and %s is none", c.Call.Rule.Name, c.Call.Word("absorbed"), c.Node.Op)
	}
	_, r := c.Arriving()
	rs, rest := c.give(rs, c.Node, c.Sub(r, c.Scale(c.Mul(s, c.Node.Out[0]), float64(c.Wanted()))), true)
	if !c.byContribution() {
		rs, rest = c.give(rs, c.Node, rest, false)
	}
	c.keep(rest)
	return rs
}

// ofFactors fails the build if the node adds up several inputs that depend on what is
// explained: of a sum, x_i ∂z/∂x_i are shares already, and a k-th of each loses the
// rest.
func ofFactors(c *Context) {
	switch c.Node.Op.String() {
	case "Add", "Sub", "Sum", "Mean", "Concat", "Where", "Max", "Min":
		if c.Wanted() > 1 {
			c.Fail("rule %s divides between the factors of a product, and %s is none: epsilon shares a sum", c.Call.Rule.Name, c.Node.Op)
		}
	}
}

// Uniform splits relevance equally over the inputs that depend on what is
// explained. AttnLRP, proposition 3.2.
var Uniform = &Rule{
	Name:      "uniform",
	Doc:       "split equally over the inputs that depend on what is explained\n\nR_i = R / k. Gradient form of a product: the derivative over k. AttnLRP prop. 3.2.",
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		r = c.Scale(r, 1/float64(c.Wanted()))
		return c.Each(func(i int) *ir.Value { return c.inPlace(r, i) })
	},
	Gradient: func(c *Context) []*ir.Value {
		if c.Node.Op.String() != "Mul" {
			return c.converted() // x∘G of a product only is that of each factor
		}
		return fairShare(c)
	},
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
