package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// selectOps find the largest or smallest elements along an axis.
func selectOps() []*ir.Op {
	return []*ir.Op{
		argExtremum("ArgMax", "where the largest element is along an axis"),
		argExtremum("ArgMin", "where the smallest element is along an axis"),
		topK,
	}
}

func argExtremum(name, doc string) *ir.Op {
	return &ir.Op{
		Name: ir.OpName{Name: name}, Since: 12, Doc: doc,
		In: ir.P("data"), Out: ir.P("reduced"),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			t := n.In[0].Type.WithElem(ir.Int64)
			if t.Shape == nil {
				return one(t)
			}
			axis, err := normAxis(n.Attrs.Int("axis", 0), t.Rank())
			if err != nil {
				return nil, err
			}
			t.Shape = slices.Clone(t.Shape)
			t.Shape[axis] = ir.N(1)
			if n.Attrs.Int("keepdims", 1) == 0 {
				t.Shape = slices.Delete(t.Shape, axis, axis+1)
			}
			return one(t)
		},
	}
}

// topK moves the k best elements; its derivative moves them back.
var topK = &ir.Op{
	Name: ir.OpName{Name: "TopK"}, Since: 11, Doc: "the K largest or smallest elements along an axis, and where they are",
	In: ir.P("X", "K"), Out: ir.P("Values", "Indices"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape != nil {
			axis, err := normAxis(n.Attrs.Int("axis", -1), t.Rank())
			if err != nil {
				return nil, err
			}
			k := ir.Unknown
			if ks := knownElems(n.In[1]); len(ks) == 1 {
				k = ks[0]
			}
			if all, ok := t.Shape[axis].Num(); ok {
				if num, ok := k.Num(); ok && num > all {
					return nil, fmt.Errorf("input K is %d for axis %d of %s", num, axis, t)
				}
			}
			t.Shape = slices.Clone(t.Shape)
			t.Shape[axis] = k
		}
		return []ir.Type{t, t.WithElem(ir.Int64)}, nil
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			if dy[0] == nil {
				return nil
			}
			var indices *ir.Value
			if len(n.Out) > 1 {
				indices = n.Out[1]
			}
			if indices == nil {
				indices = b.Node(n.Op, n.Attrs, n.In...).Out[1]
			}
			zeros := b.Op("Expand", b.Scalar(0, dy[0]), like(b, n.In[0]))
			axis := ir.Attr{Name: "axis", Value: n.Attrs.Int("axis", -1)}
			return b.OpA("ScatterElements", ir.Attrs{axis}, zeros, indices, dy[0])
		})
	},
}
