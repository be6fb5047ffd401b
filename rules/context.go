package rules

import (
	"slices"
	"strconv"

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

	// NonNegative says which inputs are known to hold nothing below zero. It may
	// be nil.
	NonNegative []bool

	// Inputs are parameters of the call that come from outside, by the name of the
	// rule's parameter: free ones, as scalars of type float or as lists. The others
	// are attributes of the function that holds the rule's formula.
	Inputs map[string]*ir.Value

	account *Account // what the rule keeps, if somebody asks
	border  bool     // whether the rule was converted at its border
	params  map[string]*ir.Value
	factors map[*ir.Value]*ir.Value // of what Times returned: v of x∘v
}

// Apply applies the node's operator to other inputs; nil omits one.
func (c *Context) Apply(in ...*ir.Value) *ir.Node {
	return c.Builder.Node(c.Node.Op, c.Node.Attrs, in...)
}

// VJP returns the derivative of <dy, n> with respect to each wanted input of
// n, which is the context's node or one that Apply made.
func (c *Context) VJP(n *ir.Node, dy ...*ir.Value) []*ir.Value {
	op := c.Ops().Lookup(n.Op)
	if c.Err() != nil || op == nil || op.VJP == nil { // of a node that could not be built there is none
		bad := c.Fail("operator %s has no derivative", n.Op)
		return slices.Repeat([]*ir.Value{bad}, len(n.In))
	}
	for len(dy) < len(n.Out) {
		dy = append(dy, nil)
	}
	return op.VJP(c.Builder, n, dy, c.Want)
}

// Param returns the named numeric parameter as a scalar of the element type of
// like. It becomes an attribute of the function that holds the rule's formula,
// or an input of it if it is free.
func (c *Context) Param(name string, like *ir.Value) *ir.Value {
	key := name + like.Type.Elem.String()
	if v := c.params[key]; v != nil {
		return v
	}
	v := c.Inputs[name]
	if v == nil {
		v = c.OpA("Constant", ir.Attrs{{Name: "value_float", Value: ir.Ref{Name: name, Kind: float32(0)}}})
	}
	v = c.as(v, like)
	if c.params == nil {
		c.params = map[string]*ir.Value{}
	}
	c.params[key] = v
	return v
}

// ParamAlong returns the named list parameter in a shape that broadcasts
// against x: one number for all of it, or one for each index of an axis. It fails
// the build if the axis is known to be of another length: broadcasting would
// otherwise repeat the only channel of a grey picture.
func (c *Context) ParamAlong(name string, x *ir.Value, axis int) *ir.Value {
	v, have, rank := c.Inputs[name], 0, x.Type.Rank()
	if f, free := c.Call.Free(name); free {
		have = f.Len
	} else {
		have = len(c.Call.Attr(name).([]float32))
		if v == nil {
			v = c.OpA("Constant", ir.Attrs{{Name: "value_floats", Value: ir.Ref{Name: name, Kind: []float32(nil)}}})
		}
	}
	if have > 1 && axis < rank {
		if want, ok := x.Type.Shape[axis].Num(); ok && int64(have) != want {
			return c.Fail("%d numbers for %s, where axis %d has %d: give one number, or one for each", have, name, axis, want)
		}
	}
	if v = c.as(v, x); have == 0 {
		return v
	}
	if rank <= 1 {
		return v
	}
	shape := slices.Repeat([]int64{1}, rank)
	shape[axis] = -1
	return c.OpA("Reshape", nil, v, c.Ints(shape...))
}

// as casts a float to the element type of like.
func (c *Context) as(v, like *ir.Value) *ir.Value {
	if like.Type.Elem == ir.Float {
		return v
	}
	return c.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(like.Type.Elem)}}, v)
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

// Times returns x∘v for input i, x. The gradient form, in which R_x = x∘G, is
// then v itself: nothing is divided by x.
func (c *Context) Times(i int, v *ir.Value) *ir.Value {
	return c.remember(c.Mul(c.Node.In[i], v), v)
}

// TimesInput multiplies each value with the input it belongs to.
func (c *Context) TimesInput(vs []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(vs))
	for i, v := range vs {
		if v != nil {
			out[i] = c.Times(i, v)
		}
	}
	return out
}

// remember notes that r is an input times v.
func (c *Context) remember(r, v *ir.Value) *ir.Value {
	if c.factors == nil {
		c.factors = map[*ir.Value]*ir.Value{}
	}
	c.factors[r] = v
	return r
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

// Stabilize moves z away from zero as the rule's parameter stabilizer says:
//
//	sign    z + eps·sign z, zero counting as positive
//	plus    z + eps, which has a pole at -eps: LXT's
//	zeros   eps where z is 0, and z elsewhere: iNNvestigate's
//	clip    sign z · max(|z|, eps): zennit's with clip
//	scaled  z + eps·sqrt(mean z²)·sign z, the mean over all axes but the first: zennit's with norm_scale
//	none    z
func (c *Context) Stabilize(z *ir.Value) *ir.Value { return c.stabilizeBy("eps", z) }

func (c *Context) stabilizeBy(param string, z *ir.Value) *ir.Value {
	how := c.Call.Word("stabilizer")
	if how == "none" {
		return z
	}
	eps := c.Param(param, z)
	switch how {
	case "plus":
		return c.Add(z, eps)
	case "zeros":
		return c.Op("Where", c.Op("Equal", z, c.Scalar(0, z)), eps, z)
	case "clip":
		size := c.Op("Max", c.Op("Abs", z), eps)
		return c.Op("Where", c.Op("Less", z, c.Scalar(0, z)), c.Op("Neg", size), size)
	case "scaled":
		axes := make([]int64, max(z.Type.Rank()-1, 0))
		for i := range axes {
			axes[i] = int64(i + 1)
		}
		square := c.OpA("ReduceMean", ir.Attrs{{Name: "keepdims", Value: int64(1)}}, c.Mul(z, z), c.Ints(axes...))
		eps = c.Mul(eps, c.Op("Sqrt", square))
	}
	return c.awayFromZero(z, eps)
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
// at its border if there is none, or if it has to hand on what was absorbed.
func (c *Context) Gradient() []*ir.Value {
	if c.Call.Rule.Gradient != nil && !c.Call.Redistributes() {
		return c.Call.Rule.Gradient(c)
	}
	return c.converted()
}

// Converted reports whether Gradient had to convert the explicit form.
func (c *Context) Converted() bool { return c.border }

// converted is the explicit form in terms of gradients: R = z∘G goes in, and
// G = R/x comes out.
func (c *Context) converted() []*ir.Value {
	c.border = true
	for i, g := range c.R {
		if g != nil {
			c.R[i] = c.Mul(c.finite(c.Node.Out[i]), g)
		}
	}
	rs := c.Call.Rule.Relevance(c)
	out := make([]*ir.Value, len(rs))
	for i, r := range rs {
		switch x := c.Node.In[i]; {
		case r == nil:
		case c.factors[r] != nil && !c.Call.divides():
			out[i] = c.factors[r]
		default:
			out[i] = c.over(r, x)
		}
	}
	return out
}

// finite is z, but 0 where it is infinite if the node may add a mask: G is 0 there,
// behind a softmax, and -∞·0 is no number.
func (c *Context) finite(z *ir.Value) *ir.Value {
	masks := false
	for i, v := range c.Node.In {
		masks = masks || v != nil && i < len(c.Want) && !c.Want[i]
	}
	if name := c.Node.Op.Name; !masks || name != "Add" && name != "Sub" && name != "Where" {
		return z
	}
	return c.Op("Where", c.Op("IsInf", z), c.Scalar(0, z), z)
}

// over is G = R/x, and 0 where x is 0: there R = x∘G carries nothing, and a G
// without bounds would be nonsense before a quantization that made the zero.
func (c *Context) over(r, x *ir.Value) *ir.Value {
	g := c.Div(r, c.pastBorder(x))
	return c.Op("Where", c.Op("Equal", x, c.Scalar(0, x)), c.Scalar(0, g), g)
}

// pastBorder is x, kept from zero.
func (c *Context) pastBorder(x *ir.Value) *ir.Value {
	if !c.Call.divides() {
		return c.awayFromZero(x, c.Scalar(borderEps, x))
	}
	border := c.Param("border", x)
	if c.Call.optional("bordered", "sign") == "plus" {
		return c.Add(x, border)
	}
	return c.awayFromZero(x, border)
}

// borderEps keeps G = R/x finite near x = 0, where R is small as well unless the
// rule is AtZero. It is zennit's and LXT's value for the same conversion.
const borderEps = 1e-10

// border is a parameter of rules whose relevance is x∘v.
func border() Param {
	return Param{
		Name: "border", Default: "0", Quiet: true, Refuse: atLeast(0),
		Doc: "gradient form: how far x is kept from zero where relevance is divided by it; 0 divides by nothing, for R is x∘v",
	}
}

// divides reports whether the gradient form divides by x though it need not.
func (c Call) divides() bool {
	word := c.optional("border", "0")
	f, err := strconv.ParseFloat(word, 64)
	return err != nil || f != 0 // a free parameter is no number
}
