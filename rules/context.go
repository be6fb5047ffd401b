package rules

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// A Context is one node that a rule is asked about, and a builder to answer
// with.
type Context struct {
	*ir.Builder
	Call Call        // the rule's arguments
	Node *ir.Node    // its inputs and outputs may be read
	R    []*ir.Value // what arrives at each output, nil if nothing: relevance, or gradient in the gradient form
	Want []bool      // which inputs depend on what is explained

	params map[string]*ir.Value
}

// Apply applies the node's operator to other inputs; nil omits one.
func (c *Context) Apply(in ...*ir.Value) *ir.Node {
	return c.Builder.Node(c.Node.Op, c.Node.Attrs, in...)
}

// VJP returns the derivative of <dy, n> with respect to each wanted input of
// n, which is the context's node or one that Apply made.
func (c *Context) VJP(n *ir.Node, dy ...*ir.Value) []*ir.Value {
	op := c.Ops().Lookup(n.Op)
	if op == nil || op.VJP == nil {
		c.Fail("operator %s has no derivative", n.Op)
		return make([]*ir.Value, len(n.In))
	}
	for len(dy) < len(n.Out) {
		dy = append(dy, nil)
	}
	return op.VJP(c.Builder, n, dy, c.Want)
}

// Param returns the named numeric parameter as a scalar of the element type of
// like. It becomes an attribute of the function that holds the rule's formula.
func (c *Context) Param(name string, like *ir.Value) *ir.Value {
	key := name + like.Type.Elem.String()
	if v := c.params[key]; v != nil {
		return v
	}
	v := c.OpA("Constant", ir.Attrs{{Name: "value_float", Value: ir.Ref{Name: name, Kind: float32(0)}}})
	if like.Type.Elem != ir.Float {
		v = c.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(like.Type.Elem)}}, v)
	}
	if c.params == nil {
		c.params = map[string]*ir.Value{}
	}
	c.params[key] = v
	return v
}

// ParamLike returns the named list parameter in the shape of x: one number for
// all of it, or one for each channel, which is axis 1.
func (c *Context) ParamLike(name string, x *ir.Value) *ir.Value {
	v := c.OpA("Constant", ir.Attrs{{Name: "value_floats", Value: ir.Ref{Name: name, Kind: []float32(nil)}}})
	if x.Type.Elem != ir.Float {
		v = c.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(x.Type.Elem)}}, v)
	}
	if rank := x.Type.Rank(); rank > 1 {
		shape := slices.Repeat([]int64{1}, rank)
		shape[1] = -1
		v = c.OpA("Reshape", nil, v, c.Ints(shape...))
	}
	return c.like(x, v)
}

// like broadcasts v to the shape of x.
func (c *Context) like(x, v *ir.Value) *ir.Value {
	filled := c.Op("Expand", v, c.Op("Shape", x))
	if c.Err() == nil {
		filled.Type = x.Type
	}
	return filled
}

// Only returns r at wanted input i and nil elsewhere.
func (c *Context) Only(i int, r *ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(c.Want))
	if c.Want[i] {
		out[i] = r
	}
	return out
}

// Arriving returns the node's first output and what arrives there. It fails the
// build if something arrives at another output, which the rule would lose.
func (c *Context) Arriving() (z, r *ir.Value) {
	for i, r := range c.R {
		if (r != nil) != (i == 0) {
			return c.Node.Out[0], c.Fail("rule %s takes what arrives at the first output of %s, and something arrives elsewhere", c.Call.Rule.Name, c.Node)
		}
	}
	return c.Node.Out[0], c.R[0]
}

// Wanted returns the number of inputs that depend on what is explained.
func (c *Context) Wanted() int {
	k := 0
	for _, w := range c.Want {
		if w {
			k++
		}
	}
	return k
}

// OnlyWanted returns the index of the one wanted input, and fails the build if
// there are more.
func (c *Context) OnlyWanted() int {
	k := -1
	for i, w := range c.Want {
		switch {
		case w && k >= 0:
			c.Fail("rule %s takes one input that depends on what is explained; inputs %d and %d of %s do", c.Call.Rule.Name, k, i, c.Node)
			return k
		case w:
			k = i
		}
	}
	return max(k, 0)
}

// Each returns f(i) for every wanted input i, nil elsewhere.
func (c *Context) Each(f func(i int) *ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(c.Want))
	for i, w := range c.Want {
		if w {
			out[i] = f(i)
		}
	}
	return out
}

// TimesInput multiplies each value with the input it belongs to.
func (c *Context) TimesInput(vs []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(vs))
	for i, v := range vs {
		if v != nil {
			out[i] = c.Mul(c.Node.In[i], v)
		}
	}
	return out
}

// ScaleAll multiplies each value with a number.
func (c *Context) ScaleAll(vs []*ir.Value, f float64) []*ir.Value {
	out := make([]*ir.Value, len(vs))
	for i, v := range vs {
		if v != nil {
			out[i] = c.Scale(v, f)
		}
	}
	return out
}

// Ratio returns r / stabilized z, with the rule's parameters eps and
// stabilizer.
func (c *Context) Ratio(r, z *ir.Value) *ir.Value { return c.Div(r, c.Stabilize(z)) }

// Stabilize moves z away from zero as the rule's parameters say: by eps with
// z's own sign, counting zero as positive ("sign"); by eps whatever the sign
// is, which has a pole at -eps ("plus", as LXT does); or not at all ("none").
func (c *Context) Stabilize(z *ir.Value) *ir.Value { return c.stabilizeBy("eps", z) }

func (c *Context) stabilizeBy(param string, z *ir.Value) *ir.Value {
	switch c.Call.Word("stabilizer") {
	case "plus":
		return c.Add(z, c.Param(param, z))
	case "none":
		return z
	}
	return c.awayFromZero(z, c.Param(param, z))
}

func (c *Context) awayFromZero(z, eps *ir.Value) *ir.Value {
	negative := c.Op("Less", z, c.Scalar(0, z))
	return c.Op("Where", negative, c.Sub(z, eps), c.Add(z, eps))
}

// Pos returns max(v, 0).
func (c *Context) Pos(v *ir.Value) *ir.Value { return c.Op("Relu", v) }

// NegPart returns min(v, 0).
func (c *Context) NegPart(v *ir.Value) *ir.Value { return c.Op("Min", v, c.Scalar(0, v)) }

// Relevance asks the rule for its explicit form.
func (c *Context) Relevance() []*ir.Value { return c.Call.Rule.Relevance(c) }

// Gradient asks the rule for its gradient form, and converts the explicit form
// at its border if there is none.
func (c *Context) Gradient() []*ir.Value {
	rule := c.Call.Rule
	if rule.Gradient != nil {
		return rule.Gradient(c)
	}
	g := c.R
	c.R = make([]*ir.Value, len(g))
	for i, v := range g {
		if v != nil {
			c.R[i] = c.Mul(c.Node.Out[i], v)
		}
	}
	rs := rule.Relevance(c)
	out := make([]*ir.Value, len(rs))
	for i, r := range rs {
		if r != nil {
			x := c.Node.In[i]
			out[i] = c.Div(r, c.awayFromZero(x, c.Scalar(borderEps, x)))
		}
	}
	return out
}

// borderEps keeps G = R/x finite at x = 0, where R is 0 as well unless the rule
// is AtZero. It is zennit's and LXT's value for the same conversion.
const borderEps = 1e-10
