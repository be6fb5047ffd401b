package rules

import "github.com/lxtc/lxtc/ir"

// biasInput is the input that holds the bias of a linear operator.
var biasInput = map[ir.OpName]int{
	{Name: "Conv"}:                  2,
	{Name: "ConvTranspose"}:         2,
	{Name: "Gemm"}:                  2,
	{Domain: "lxt", Name: "Linear"}: 2,
}

// A linear is a node z = F(x, w, b) seen by a rule that changes its input and
// parameters: x is the one input that depends on what is explained.
type linear struct {
	*Context
	x    int // index of x
	bias int // index of b, -1 if there is none
}

func linearOf(c *Context) linear {
	l := linear{Context: c, x: c.OnlyWanted(), bias: -1}
	if i, ok := biasInput[c.Node.Op]; ok && c.Node.Input(i) != nil {
		l.bias = i
	}
	if l.x == l.bias {
		c.Fail("rule %s: the bias of %s depends on what is explained", c.Call.Rule.Name, c.Node)
	}
	return l
}

// input returns x.
func (l linear) input() *ir.Value { return l.Node.In[l.x] }

// at applies the operator to x, with every weight mapped by w and the bias by
// b. A nil b leaves the bias out.
func (l linear) at(x *ir.Value, w, b func(*ir.Value) *ir.Value) *ir.Node {
	in := make([]*ir.Value, len(l.Node.In))
	for i, v := range l.Node.In {
		switch {
		case v == nil:
		case i == l.x:
			in[i] = x
		case i != l.bias:
			in[i] = w(v)
		case b != nil && l.Call.Word("bias") == "keep":
			in[i] = b(v)
		}
	}
	return l.Apply(in...)
}

// back returns the derivative of <s, n> with respect to x.
func (l linear) back(n *ir.Node, s *ir.Value) *ir.Value { return l.VJP(n, s)[l.x] }

// withBias are the parameters of a rule that changes weights.
func withBias(ps ...Param) []Param {
	ps = append(ps, stabilized("1e-6")...)
	return append(ps, Param{Name: "bias", Default: "keep", Choices: []string{"keep", "zero"}, Doc: "whether the bias takes part"})
}
