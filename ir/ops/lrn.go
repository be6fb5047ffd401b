package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

var lrn = &ir.Op{
	Name: ir.OpName{Name: "LRN"}, Since: 1,
	Doc: "x / (bias + alpha / size · sum of x² over size channels around)^beta",
	In:  ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if size := n.Attrs.Int("size", 0); size <= 0 {
			return nil, fmt.Errorf("attribute size is %d, want 1 or more", size)
		}
		if r := n.In[0].Type.Rank(); r >= 0 && r < 2 {
			return nil, fmt.Errorf("input X is %s, want rank 2 or more", n.In[0].Type)
		}
		return same(n)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		x, y, g := n.In[0], n.Out[0], dy[0]
		return lazily(want, func() *ir.Value {
			base := lrnBase(b, n)
			beta, size := written(n, "beta", 0.75), float64(n.Attrs.Int("size", 1))
			direct := b.Mul(g, b.Op("Pow", base, b.Scalar(-beta, x)))
			around := windowSum(b, n, b.Div(b.Mul(g, y), base), true)
			return b.Sub(direct, b.Mul(b.Scale(x, 2*beta*written(n, "alpha", 1e-4)/size), around))
		})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		power := b.Op("Pow", lrnBase(b, n), b.Scalar(written(n, "beta", 0.75), n.In[0]))
		return []*ir.Value{b.Div(n.In[0], power)}
	},
}

// lrnBase is bias + alpha / size · windowSum(x²).
func lrnBase(b *ir.Builder, n *ir.Node) *ir.Value {
	x := n.In[0]
	factor := written(n, "alpha", 1e-4) / float64(n.Attrs.Int("size", 1))
	return b.Add(b.Scale(windowSum(b, n, b.Mul(x, x), false), factor), b.Scalar(written(n, "bias", 1), x))
}

// windowSum sums size channels around each: more of the later ones if size is
// even, more of the earlier ones for the transpose.
func windowSum(b *ir.Builder, n *ir.Node, v *ir.Value, transpose bool) *ir.Value {
	size, rank := n.Attrs.Int("size", 1), v.Type.Rank()
	if rank < 2 {
		return b.Fail("%v: input of type %s, want a known rank of 2 or more", n, v.Type)
	}
	before, after := (size-1)/2, size/2
	if transpose {
		before, after = after, before
	}
	pads := make([]int64, 2*rank)
	pads[1], pads[rank+1] = before, after
	padded := b.Op("Pad", v, b.Ints(pads...), b.Scalar(0, v))
	var parts []*ir.Value
	for k := range size {
		end := k - (size - 1) // from the end; the last slice runs up to it
		if end == 0 {
			end = 1 << 62
		}
		parts = append(parts, b.Op("Slice", padded, b.Ints(k), b.Ints(end), b.Ints(1)))
	}
	return addAllNoCopy(b, parts)
}
