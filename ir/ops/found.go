package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// foundOps find things of which only a run knows how many there are, or measure
// a whole: each is one of its kind.
func foundOps() []*ir.Op { return []*ir.Op{nonMaxSuppression, unique, tfIdf, det} }

var nonMaxSuppression = &ir.Op{
	Name: ir.OpName{Name: "NonMaxSuppression"}, Since: 11, Doc: "the boxes that score highest and do not overlap: batch, class, box",
	In:  ir.P("boxes", "scores", "max_output_boxes_per_class?", "iou_threshold?", "score_threshold?"),
	Out: ir.P("selected_indices"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		for i, name := range []string{"boxes", "scores"} {
			if t := n.In[i].Type; t.Shape != nil && len(t.Shape) != 3 {
				return nil, fmt.Errorf("%s is %s, want rank 3", name, t)
			}
		}
		return one(ir.TypeOf(ir.Int64, -1, 3))
	},
}

var unique = &ir.Op{
	Name: ir.OpName{Name: "Unique"}, Since: 11, Doc: "each element, or slice of an axis, once; where it is first, which one each is, how many there are",
	In: ir.P("X"), Out: ir.P("Y", "indices?", "inverse_indices?", "counts?"), VJP: uniqueVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		y := ir.TypeOf(t.Elem, -1)
		if n.Attrs.Has("axis") {
			y.Shape = nil
			if t.Shape != nil {
				k, err := normAxis(n.Attrs.Int("axis", 0), len(t.Shape))
				if err != nil {
					return nil, err
				}
				y.Shape = slices.Clone(t.Shape)
				y.Shape[k] = ir.Unknown
			}
		}
		index := ir.TypeOf(ir.Int64, -1)
		return []ir.Type{y, index, index, index}, nil
	},
}

// uniqueVJP brings what arrives to where each element, or slice, is first. Which
// elements are alike does not change.
func uniqueVJP(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
	return lazily(want, func() *ir.Value {
		if dy[0] == nil {
			return nil
		}
		x := n.In[0]
		first := b.Node(n.Op, n.Attrs, x).Out[1]
		if n.Attrs.Has("axis") {
			k, err := normAxis(n.Attrs.Int("axis", 0), x.Type.Rank())
			if err != nil {
				return b.Fail("%v: %w", n, err)
			}
			return gatherBack(b, x, first, dy[0], k)
		}
		flat := b.Op("Reshape", x, b.Ints(-1))
		return reshapeLike(b, gatherBack(b, flat, first, dy[0], 0), x)
	})
}

var tfIdf = &ir.Op{
	Name: ir.OpName{Name: "TfIdfVectorizer"}, Since: 9, Doc: "how often each n-gram of a pool is in a sequence, weighted",
	In: ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		size := int64(0)
		for _, i := range n.Attrs.Ints("ngram_indexes") {
			if i < 0 || i >= maxExtent {
				return nil, fmt.Errorf("ngram_indexes holds %d", i)
			}
			size = max(size, i+1)
		}
		out := ir.Type{Elem: ir.Float}
		switch t.Rank() {
		case -1:
		case 0, 1:
			out.Shape = []ir.Dim{ir.N(size)}
		case 2:
			out.Shape = []ir.Dim{t.Shape[0], ir.N(size)}
		default:
			return nil, fmt.Errorf("%s, want rank 1 or 2", t)
		}
		return one(out)
	},
}

var det = &ir.Op{
	Name: ir.OpName{Name: "Det"}, Since: 11, Doc: "the determinant of the matrices in the last two axes",
	In: ir.P("X"), Out: ir.P("Y"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape == nil {
			return one(t)
		}
		r := len(t.Shape)
		if r < 2 || t.Shape[r-1].Differ(t.Shape[r-2]) {
			return nil, fmt.Errorf("%s, want square matrices", t)
		}
		return one(withDims(t, t.Shape[:r-2]))
	},
}
