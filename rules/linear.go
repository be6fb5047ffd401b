package rules

import "github.com/lxtc/lxtc/ir"

// biasInput is the input that holds the bias of a linear operator.
var biasInput = map[ir.OpName]int{
	{Name: "Conv"}:                  2,
	{Name: "ConvTranspose"}:         2,
	{Name: "Gemm"}:                  2,
	{Domain: "lxt", Name: "Linear"}: 2,
}

// biasParam is the parameter of rules that know of a bias, with these choices.
func biasParam(words ...string) Param {
	means := map[string]string{
		"keep": "as the weights do",
		"full": "as it is, whatever becomes of the weights",
		"zero": "not at all",
	}
	p := Param{Name: "bias", Default: words[0], Choices: words, Doc: "how the bias takes part"}
	for i, w := range words {
		p.Doc += []string{": ", "; "}[min(i, 1)] + w + ", " + means[w]
	}
	return p
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
	for i, v := range c.Node.In {
		if i != l.x && i != l.bias && v != nil && v.Type.Elem.IsFloat() && !hasWeights(c.Node.Op) {
			c.Fail("rule %s changes weights, and input %d of %s is none", c.Call.Rule.Name, i, c.Node)
		}
	}
	return l
}

// hasWeights reports whether the inputs of an operator that are neither x nor
// bias are factors of x. It trusts operators of someone's own.
func hasWeights(op ir.OpName) bool {
	switch op.String() {
	case "Conv", "ConvTranspose", "Gemm", "MatMul", "Mul", "Einsum", "lxt.Linear":
		return true
	}
	return op.Domain != ""
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

func same(v *ir.Value) *ir.Value { return v }

// changed is what becomes of the bias where weights are changed by f, as the
// parameter bias says.
func (l linear) changed(f change) change {
	switch l.Call.Word("bias") {
	case "full":
		return same
	case "zero":
		return nil
	}
	return f
}

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
		case b != nil:
			in[i] = b(l.Scale(v, beta))
		}
	}
	return l.Builder.Node(l.Node.Op, attrs, in...)
}

// back returns the derivative of <s, n> with respect to x.
func (l linear) back(n *ir.Node, s *ir.Value) *ir.Value { return l.VJP(n, s)[l.x] }

// connected is the operator with ones for weights and input: it counts the
// inputs in reach of each output.
func (l linear) connected() *ir.Node {
	one := func(v *ir.Value) *ir.Value { return l.like(v, l.Scalar(1, v)) }
	return l.at(one(l.input()), one, nil)
}

// answer returns r for x, of which each output hands on handed, and the bias takes
// constants; nil is nothing.
func (l linear) answer(r, handed, constants *ir.Value) []*ir.Value {
	return l.settle(l.Only(l.x, r), handed, constants)
}

// withoutBias returns z less the bias changed by f, as it was added to z.
func (l linear) withoutBias(z *ir.Value, f change) *ir.Value {
	if b := l.changedBias(f); b != nil {
		return l.Sub(z, b)
	}
	return z
}

// changedBias returns the bias changed by f, as it is added to the output; nil if
// there is none.
func (l linear) changedBias(f change) *ir.Value {
	if b := l.addedBias(); b != nil && f != nil {
		return f(b)
	}
	return nil
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
		return c.Scale(b, c.Node.Attrs.Decimal("beta", 1))
	case "Conv", "ConvTranspose":
		return c.alongChannels(b)
	}
	return b
}

// alongChannels returns b, which has one number for each channel, so that it
// broadcasts against the first output, whose axis 1 they are.
func (c *Context) alongChannels(b *ir.Value) *ir.Value {
	shape := []int64{-1}
	for range c.Node.Out[0].Type.Rank() - 2 {
		shape = append(shape, 1)
	}
	return c.Op("Reshape", b, c.Ints(shape...))
}

// channels returns the axis of z that numbers the outputs of a linear operator.
func (l linear) channels(z *ir.Value) int {
	switch l.Node.Op.Name {
	case "Conv", "ConvTranspose":
		return 1
	}
	return z.Type.Rank() - 1
}

// features returns the axis of x that numbers its features, or channels: the one
// that the operator sums over.
func (l linear) features() int {
	last := l.input().Type.Rank() - 1
	switch l.Node.Op.Name {
	case "Conv", "ConvTranspose":
		return 1
	case "Gemm":
		if transposed := l.Node.Attrs.Int([]string{"transA", "transB"}[l.x], 0) != 0; transposed == (l.x == 0) {
			return 0
		}
	case "MatMul":
		if l.x == 1 && last > 0 {
			return last - 1
		}
	}
	return last
}
