package rules

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// absorbing is the parameter of every rule under which an operator may keep
// relevance: for a bias, a constant operand, the stabilizer, or the term of order
// zero of an expansion.
func absorbing() Param {
	return Param{
		Name: "absorbed", Default: "kept", Choices: []string{"kept", "shared", "active"}, Quiet: true,
		Doc: "where relevance goes that the operator would keep, for a bias, a constant operand, ε or an expansion: kept, nowhere; shared, to the inputs in equal parts; active, to them by the size of what they contribute",
	}
}

// Redistributes reports whether the call hands on what the operator would keep, to
// inputs that can take it.
func (c Call) Redistributes() bool { return c.optional("absorbed", "kept") != "kept" }

// KeepsNothing reports whether the call hands on all relevance, whatever a constant
// or the stabilizer takes.
func (c Call) KeepsNothing() bool { return c.optional("absorbed", "kept") == "shared" }

// Shares reports whether the rule can hand on what an operator would keep, which takes
// knowing which inputs an output is made of.
func (r *Rule) Shares(op ir.OpName) bool {
	return makingOf(op) != unknown && (r.Linear || r.OnlyLinear || hasWeights(op) || makingOf(op) == elementwise && r == LayerNormEpsilon)
}

// optional returns the argument for a parameter that the rule may not have.
func (c Call) optional(name, otherwise string) string {
	if i := slices.IndexFunc(c.Rule.Params, func(p Param) bool { return p.Name == name }); i >= 0 {
		return c.Args[i]
	}
	return otherwise
}

// settle adds to rs, what the rule gives to the inputs, what the node would keep
// if the parameter absorbed says so. Each output receives R and hands on handed:
//
//	D_j = R_j - handed_j,  R_i += Σ_j c_ij D_j / Σ_k c_kj
//
// If it is shared, c_ij is 1 for the inputs i that output j is made of; if it is
// for active ones, |x_i ∂z_j/∂x_i|. Of what is not handed on, constants take a
// share; nil is nothing.
func (c *Context) settle(rs []*ir.Value, handed, constants *ir.Value) []*ir.Value {
	if !c.Call.Redistributes() {
		c.Note(handed, constants)
		return rs
	}
	_, r := c.Arriving()
	rs, rest := c.give(rs, c.Node, c.Sub(r, handed), c.byContribution())
	c.keep(rest)
	return rs
}

// byContribution reports whether inputs take parts by the size of what they
// contribute, not equal ones.
func (c *Context) byContribution() bool { return c.Call.Word("absorbed") == "active" }

// A making says of which elements of its inputs an operator makes an element of
// its output.
type making int

const (
	unknown     making = iota
	elementwise        // of those at its own place
	window             // of a window or an axis, as a sum or mean of them
	product            // of rows or patches, each element times others
)

// makings are the operators that are linear, or may be, in some of their inputs, and
// norms, which grow with them.
var makings = map[string]making{
	"Add": elementwise, "Sub": elementwise, "Sum": elementwise, "Mean": elementwise, "Mul": elementwise, "Div": elementwise, "Neg": elementwise,
	"BatchNormalization": elementwise, "LayerNormalization": elementwise, "GroupNormalization": elementwise, "InstanceNormalization": elementwise,
	"ReduceSum": window, "ReduceMean": window, "AveragePool": window, "GlobalAveragePool": window, "CumSum": window, "Resize": window, "RoiAlign": window,
	"ScatterElements": window, "ScatterND": window, "ReduceL1": window, "ReduceL2": window, "LpPool": window, "GlobalLpPool": window,
	"MatMul": product, "Gemm": product, "Conv": product, "ConvTranspose": product, "Einsum": product, "lxt.Linear": product,
}

// makingOf trusts operators of someone's own, as hasWeights does.
func makingOf(op ir.OpName) making {
	if m, ok := makings[op.String()]; ok || op.Domain == "" {
		return m
	}
	return product
}

// give adds to rs what is left of each output of n, in parts for the inputs that it
// is made of. N is the context's node or one that stands for it. It also returns what
// is left then, of outputs that are made of nothing that takes.
func (c *Context) give(rs []*ir.Value, n *ir.Node, left *ir.Value, byContribution bool) (more []*ir.Value, rest *ir.Value) {
	how := makingOf(n.Op)
	if how == unknown {
		c.Fail("rule %s: absorbed=%s is for sums, products with weights and normalizations, and %s is none: it does not say which inputs an output is made of", c.Call.Rule.Name, c.Call.Word("absorbed"), n.Op)
		return rs, left
	}
	size := func(v *ir.Value) *ir.Value { return c.like(v, c.Scalar(1, v)) }
	if byContribution {
		size = func(v *ir.Value) *ir.Value { return c.Op("Abs", v) }
	}
	var all *ir.Value                                        // Σ_k c_kj
	back := make([]func(s *ir.Value) *ir.Value, len(c.Want)) // Σ_j c_ij s_j, without the size of x_i
	for i, wanted := range c.Want {
		if !wanted {
			continue
		}
		if i == biasOf(n) {
			c.Fail("rule %s: the bias of %s depends on what is explained", c.Call.Rule.Name, c.Node)
		}
		x := n.In[i]
		part := size(x)
		back[i] = func(s *ir.Value) *ir.Value { return c.SumTo(s, x) }
		if how != elementwise {
			twin := c.sized(n, how, i, size)
			part = twin.Out[0]
			back[i] = func(s *ir.Value) *ir.Value { return c.VJP(twin, s)[i] }
		}
		all = c.plus(all, part)
	}
	if all == nil || c.Err() != nil {
		return rs, left
	}
	none := c.Op("Equal", all, c.Scalar(0, all))
	rest = c.Op("Where", none, left, c.Scalar(0, left))
	s := c.Div(left, c.Op("Where", none, c.Scalar(1, all), all))
	return c.Each(func(i int) *ir.Value {
		x, v := n.In[i], back[i](s)
		r := c.Mul(size(x), v)
		if byContribution {
			return c.more(i, rs[i], r, c.Mul(c.Op("Sign", x), v))
		}
		return c.more(i, rs[i], r, c.over(r, x))
	}), rest
}

// sized applies n to the sizes of input i and of what it is multiplied with, without
// what is added.
func (c *Context) sized(n *ir.Node, how making, i int, size func(*ir.Value) *ir.Value) *ir.Node {
	in, attrs := slices.Clone(n.In), n.Attrs
	for k, v := range in {
		switch {
		case v == nil || !v.Type.Elem.IsFloat():
		case k == i:
			in[k] = size(v)
		case how == product && k == biasOf(n):
			in[k] = nil
		case how == product:
			in[k] = size(v)
		case n.Op.Name == "ScatterElements" || n.Op.Name == "ScatterND": // what is added to
			in[k] = c.like(v, c.Scalar(0, v))
		}
	}
	if n.Op.Name == "Gemm" {
		attrs = attrs.Without("alpha", "beta")
	}
	return c.Builder.Node(n.Op, attrs, in...)
}

// more is the sum of r and part, both relevance of input i. The gradient form of
// part is g.
func (c *Context) more(i int, r, part, g *ir.Value) *ir.Value {
	v := c.factors[r]
	if v == nil {
		v = c.over(r, c.Node.In[i])
	}
	return c.remember(c.Add(r, part), c.Add(v, g))
}

// orOne is v, and 1 where it is 0.
func (c *Context) orOne(v *ir.Value) *ir.Value {
	return c.Op("Where", c.Op("Equal", v, c.Scalar(0, v)), c.Scalar(1, v), v)
}

// made returns what those inputs that depend on what is explained make of z, the
// first output: z less what constants add. The operator is linear in them.
func (c *Context) made() *ir.Value {
	z := c.Node.Out[0]
	if b := c.addedBias(); b != nil {
		switch {
		case !c.Want[biasOf(c.Node)]:
			return c.Sub(z, b)
		case c.Wanted() == 1: // of a product of constants
			return c.like(z, b)
		}
		return z
	}
	in := slices.Clone(c.Node.In)
	switch c.Node.Op.Name {
	case "Add", "Sub", "Sum", "Mean", "Concat", "Where", "ScatterElements", "ScatterND":
		// Not z less the constants, for a mask of -∞.
		constant := false
		for i, v := range in {
			if v != nil && v.Type.Elem.IsFloat() && !c.Want[i] {
				in[i], constant = c.like(v, c.Scalar(0, v)), true
			}
		}
		if constant {
			return c.Apply(in...).Out[0]
		}
	case "BatchNormalization":
		in[0] = c.like(in[0], c.Scalar(0, in[0]))
		return c.Sub(z, c.Apply(in...).Out[0])
	}
	return z
}
