package ops

import (
	"github.com/lxtc/lxtc/ir"
)

// softmaxOps normalise along one axis, the last by default.
func softmaxOps() []*ir.Op { return []*ir.Op{softmax, logSoftmax, hardmax, lpNormalization} }

// inferAxis is Infer of operators that keep the type and work along one axis.
func inferAxis(n *ir.Node) ([]ir.Type, error) {
	if t := n.In[0].Type; t.Shape != nil {
		if _, err := normAxis(n.Attrs.Int("axis", -1), t.Rank()); err != nil {
			return nil, err
		}
	}
	return same(n)
}

var softmax = &ir.Op{
	Name: ir.OpName{Name: "Softmax"}, Since: 13, Doc: "exp(x) / sum(exp(x)) along an axis",
	In: ir.P("input"), Out: ir.P("output"),
	Infer: inferAxis,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		y := n.Out[0]
		return lazily(want, func() *ir.Value {
			return b.Mul(y, b.Sub(dy[0], b.Sum(b.Mul(dy[0], y), n.Attrs.Int("axis", -1))))
		})
	},
}

var logSoftmax = &ir.Op{
	Name: ir.OpName{Name: "LogSoftmax"}, Since: 13, Doc: "the logarithm of the softmax along an axis",
	In: ir.P("input"), Out: ir.P("output"),
	Infer: inferAxis,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			total := b.Sum(dy[0], n.Attrs.Int("axis", -1))
			return b.Sub(dy[0], b.Mul(b.Op("Exp", n.Out[0]), total))
		})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x, axis := n.In[0], n.Attrs.Int("axis", -1)
		shifted := b.Sub(x, b.OpA("ReduceMax", ir.Attrs{{Name: "keepdims", Value: int64(1)}}, x, b.Ints(axis)))
		return []*ir.Value{b.Sub(shifted, b.Op("Log", b.Sum(b.Op("Exp", shifted), axis)))}
	},
}

var hardmax = &ir.Op{
	Name: ir.OpName{Name: "Hardmax"}, Since: 13, Doc: "1 at the first largest element along an axis, else 0",
	In: ir.P("input"), Out: ir.P("output"),
	Infer: inferAxis,
}

// lpNormalization divides by a norm; where that is 0, by 1.
var lpNormalization = &ir.Op{
	Name: ir.OpName{Name: "LpNormalization"}, Since: 1, Freeze: freezeLp, Doc: "x divided by its norm of order p = 1 or 2 along an axis",
	In: ir.P("input"), Out: ir.P("output"),
	Infer: inferAxis,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		x, y := n.In[0], n.Out[0]
		return lazily(want, func() *ir.Value {
			along := b.Sum(b.Mul(dy[0], y), n.Attrs.Int("axis", -1))
			slope := y // of the norm
			if n.Attrs.Int("p", 2) == 1 {
				slope = b.Op("Sign", x)
			}
			return b.Div(b.Sub(dy[0], b.Mul(slope, along)), lpNorm(b, n))
		})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		return []*ir.Value{b.Div(n.In[0], lpNorm(b, n))}
	},
}

func lpNorm(b *ir.Builder, n *ir.Node) *ir.Value {
	op := "ReduceL2"
	if n.Attrs.Int("p", 2) == 1 {
		op = "ReduceL1"
	}
	keep := ir.Attrs{{Name: "keepdims", Value: int64(1)}}
	norm := b.OpA(op, keep, n.In[0], b.Ints(n.Attrs.Int("axis", -1)))
	return b.Op("Where", b.Op("Equal", norm, b.Scalar(0, norm)), b.Scalar(1, norm), norm)
}
