package rules

import "github.com/lxtc/lxtc/ir"

// biasInput is the input that holds the bias of a linear operator.
var biasInput = map[ir.OpName]int{
	{Name: "Conv"}:                  2,
	{Name: "ConvTranspose"}:         2,
	{Name: "Gemm"}:                  2,
	{Domain: "lxt", Name: "Linear"}: 2,
}

// A linear is a node z = F(x, w) + b seen by a rule that changes its input and
// parameters: x is the one input that depends on what is explained.
type linear struct {
	*Context
	x    int // index of x
	bias int // index of b, -1 if there is none
}

func linearOf(c *Context) linear {
	l := linear{Context: c, x: c.OnlyWanted(), bias: biasOf(c.Node)}
	if l.x == l.bias {
		c.Fail("rule %s: the bias of %s depends on what is explained", c.Call.Rule.Name, c.Node)
	}
	return l
}

// biasOf returns the input that is the bias of n, -1 if there is none.
func biasOf(n *ir.Node) int {
	if i, ok := biasInput[n.Op]; ok && n.Input(i) != nil {
		return i
	}
	return -1
}

// input returns x.
func (l linear) input() *ir.Value { return l.Node.In[l.x] }

// A change makes another parameter of one; nil leaves it out.
type change func(*ir.Value) *ir.Value

// at applies the operator to x, with every weight and the bias changed. The
// factors of a Gemm become part of its parameters first, because the sign of a
// weight is that of its product with them.
func (l linear) at(x *ir.Value, w, b change) *ir.Node {
	attrs, alpha, beta := l.Node.Attrs, 1.0, 1.0
	if l.Node.Op.Name == "Gemm" {
		alpha, beta = float64(attrs.Float("alpha", 1)), float64(attrs.Float("beta", 1))
		attrs = attrs.Without("alpha", "beta")
	}
	in := make([]*ir.Value, len(l.Node.In))
	for i, v := range l.Node.In {
		switch {
		case v == nil:
		case i == l.x:
			in[i] = x
		case !v.Type.Elem.IsFloat(): // axes, a shape
			in[i] = v
		case i != l.bias:
			in[i] = w(l.Scale(v, alpha))
		case b != nil && l.Call.Word("bias") == "keep":
			in[i] = b(l.Scale(v, beta))
		}
	}
	return l.Builder.Node(l.Node.Op, attrs, in...)
}

// back returns the derivative of <s, n> with respect to x.
func (l linear) back(n *ir.Node, s *ir.Value) *ir.Value { return l.VJP(n, s)[l.x] }

// A signed is a linear operator applied to the positive and the negative part
// of its input, each with weights of its own.
type signed struct {
	linear
	xp, xn     *ir.Value
	pos, neg   *ir.Node
	sumOfParts *ir.Value
}

// parts applies l to x⁺ with weights wp and the bias b, and to x⁻ with wn.
func (l linear) parts(xp, xn *ir.Value, wp, wn, b change) signed {
	s := signed{linear: l, xp: xp, xn: xn, pos: l.at(xp, wp, b), neg: l.at(xn, wn, nil)}
	s.sumOfParts = l.Add(s.pos.Out[0], s.neg.Out[0])
	return s
}

// share returns what x gets of s, which is relevance over z.
func (s signed) share(r *ir.Value) *ir.Value {
	return s.Add(s.Mul(s.xp, s.back(s.pos, r)), s.Mul(s.xn, s.back(s.neg, r)))
}

// addedBias returns the bias as it is added to the output; nil if there is
// none.
func (c *Context) addedBias() *ir.Value {
	i := biasOf(c.Node)
	if i < 0 {
		return nil
	}
	b := c.Node.In[i]
	switch c.Node.Op.Name {
	case "Gemm":
		return c.Scale(b, float64(c.Node.Attrs.Float("beta", 1)))
	case "Conv", "ConvTranspose": // one for each channel, which is axis 1
		shape := []int64{-1}
		for range c.Node.Out[0].Type.Rank() - 2 {
			shape = append(shape, 1)
		}
		return c.Op("Reshape", b, c.Ints(shape...))
	}
	return b
}

var biasParam = Param{Name: "bias", Default: "keep", Choices: []string{"keep", "zero"}, Doc: "whether the bias takes part"}

// withBias are the parameters of a rule that changes weights.
func withBias(ps ...Param) []Param {
	return append(append(ps, stabilized("1e-6")...), biasParam)
}
