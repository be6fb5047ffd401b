package ops

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// flexAttention is attention whose scores and weights graphs change.
var flexAttention = &ir.Op{
	Name: ir.OpName{Domain: "ai.onnx.preview", Name: "FlexAttention"}, Since: 1, Fused: true,
	Doc: "attention whose scores and weights graphs change",
	In:  ir.P("Q", "K", "V"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		for i, name := range []string{"Q", "K", "V"} {
			if t := n.In[i].Type; t.Shape != nil && len(t.Shape) != 4 {
				return nil, fmt.Errorf("%s is %s, want rank 4", name, t)
			}
		}
		q := n.In[0]
		return one(ir.Type{Elem: q.Type.Elem, Shape: []ir.Dim{dimOf(q, 0), dimOf(q, 1), dimOf(q, 2), dimOf(n.In[2], 3)}})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		q, k, v := n.In[0], n.In[1], n.In[2]
		k, v = repeatHeads(b, k, q), repeatHeads(b, v, q)
		precision := ir.DType(n.Attrs.Int("softmax_precision", 0))
		if precision == ir.Undefined {
			precision = ir.Float
			if q.Type.Elem == ir.Double {
				precision = ir.Double
			}
		}
		x := role(b.MatMul(q, b.Transpose(k, 0, 1, 3, 2)), "attention.scores")
		if precision != x.Type.Elem {
			x = b.OpA("Cast", toType(precision), x)
		}
		x = role(b.Scale(x, flexScale(b, n)), "attention.scale")
		x = modified(b, n, "score_mod", x)
		x = role(b.OpA("Softmax", axis(-1), x), "attention.softmax")
		x = modified(b, n, "prob_mod", x)
		return []*ir.Value{role(b.MatMul(castTo(b, x, v), v), "attention.context")}
	},
}

func flexScale(b *ir.Builder, n *ir.Node) float64 {
	if s, ok := n.Attrs.Get("scale").(float32); ok {
		return float64(s)
	}
	size, known := dimOf(n.In[0], 3).Num()
	if !known || size < 1 {
		b.Fail("no scale is given, and the size of a head is not known")
		return 1
	}
	return 1 / math.Sqrt(float64(size))
}

// modified applies the graph of an attribute, if there is one.
func modified(b *ir.Builder, n *ir.Node, attr string, x *ir.Value) *ir.Value {
	g := n.Attrs.Graph(attr)
	if g == nil {
		return x
	}
	if len(g.Outputs) != 1 {
		return b.Fail("graph %s has %d outputs, want one", attr, len(g.Outputs))
	}
	return b.Splice(g, x)[0]
}
