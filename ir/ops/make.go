package ops

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var shapeOf = &ir.Op{
	Name: ir.OpName{Name: "Shape"}, Since: 15, Doc: "the dimensions of a tensor, or some of them",
	In: ir.P("data"), Out: ir.P("shape"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		s := n.In[0].Type.Shape
		if s == nil {
			return one(ir.TypeOf(ir.Int64, -1))
		}
		lo, hi := shapeRange(n, len(s))
		return one(ir.TypeOf(ir.Int64, int64(hi-lo)))
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		s := n.In[0].Type.Shape
		if s == nil {
			return nil
		}
		lo, hi := shapeRange(n, len(s))
		return [][]ir.Dim{slices.Clone(s[lo:hi])}
	},
}

// shapeRange returns the range of dimensions that Shape reads.
func shapeRange(n *ir.Node, rank int) (lo, hi int) {
	r := int64(rank)
	clamp := func(i int64) int {
		if i < 0 {
			i += r
		}
		return int(min(max(i, 0), r))
	}
	lo, hi = clamp(n.Attrs.Int("start", 0)), clamp(n.Attrs.Int("end", r))
	return lo, max(lo, hi)
}

var sizeOf = &ir.Op{
	Name: ir.OpName{Name: "Size"}, Since: 1, Doc: "the number of elements",
	In: ir.P("data"), Out: ir.P("size"),
	Infer: func(n *ir.Node) ([]ir.Type, error) { return one(ir.TypeOf(ir.Int64)) },
	Known: func(n *ir.Node) [][]ir.Dim {
		if s := n.In[0].Type.Shape; s != nil {
			return [][]ir.Dim{{ir.Numel(s)}}
		}
		return nil
	},
}

var constantOfShape = &ir.Op{
	Name: ir.OpName{Name: "ConstantOfShape"}, Since: 9, Doc: "a tensor of one value, float 0 unless said",
	In: ir.P("input"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := ir.Type{Elem: ir.Float}
		if v := n.Attrs.Tensor("value"); v != nil {
			if v.Len() != 1 {
				return nil, fmt.Errorf("attribute value has %d elements, want one", v.Len())
			}
			t.Elem = v.Elem
		}
		t.Shape = knownElems(n.In[0])
		if t.Shape == nil {
			if k := knownCount(n.In[0]); k >= 0 && k <= maxRank {
				t.Shape = unknownDims(k)
			}
		}
		return one(t)
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		v, out := n.Attrs.Tensor("value"), n.Out[0].Type.Shape
		if v == nil || !v.Elem.IsInt() || len(out) != 1 {
			return nil
		}
		ints, err := v.Int64s()
		k, ok := out[0].Num()
		if err != nil || len(ints) != 1 || !ok || k > maxRank || ints[0] < 0 {
			return nil
		}
		return [][]ir.Dim{slices.Repeat([]ir.Dim{ir.N(ints[0])}, int(k))}
	},
}

var rangeOf = &ir.Op{
	Name: ir.OpName{Name: "Range"}, Since: 11, Doc: "numbers from start up to limit, delta apart",
	In: ir.P("start", "limit", "delta"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		elem, err := mergeElem(n.In...)
		if err != nil {
			return nil, err
		}
		return one(ir.Type{Elem: elem, Shape: []ir.Dim{rangeSize(n)}})
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		start, ok := constInts(n.In[0])
		delta, ok2 := constInts(n.In[2])
		k, ok3 := n.Out[0].Type.Shape[0].Num()
		if !ok || !ok2 || !ok3 || k > maxRank || len(start) != 1 || len(delta) != 1 {
			return nil
		}
		out := make([]ir.Dim, k)
		for i := range out {
			x := start[0] + int64(i)*delta[0]
			if x < 0 {
				return nil
			}
			out[i] = ir.N(x)
		}
		return [][]ir.Dim{out}
	},
}

// rangeSize returns the number of elements of a Range of integers.
func rangeSize(n *ir.Node) ir.Dim {
	start, limit := intElems(n, 0), intElems(n, 1)
	delta, ok := constInts(n.In[2])
	if !ok || len(delta) != 1 || delta[0] == 0 || len(start) != 1 || len(limit) != 1 {
		return ir.Unknown
	}
	a, aOK := constInts(n.In[0])
	z, zOK := constInts(n.In[1])
	if aOK && zOK {
		size := math.Ceil((float64(z[0]) - float64(a[0])) / float64(delta[0]))
		if size >= 1<<53 {
			return ir.Unknown
		}
		return ir.N(int64(max(size, 0)))
	}
	if delta[0] == 1 {
		return limit[0].Sub(start[0])
	}
	return ir.Unknown
}

var eyeLike = &ir.Op{
	Name: ir.OpName{Name: "EyeLike"}, Since: 9, Doc: "a matrix with ones on diagonal k",
	In: ir.P("input"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape != nil && len(t.Shape) != 2 {
			return nil, fmt.Errorf("%s is no matrix", t)
		}
		if d, ok := n.Attrs.Get("dtype").(int64); ok {
			t.Elem = ir.DType(d)
		}
		return one(t)
	},
}

var oneHot = &ir.Op{
	Name: ir.OpName{Name: "OneHot"}, Since: 11, Doc: "the on value where an index is the position along axis, the off value elsewhere",
	In: ir.P("indices", "depth", "values"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		s := n.In[0].Type.Shape
		out := ir.Type{Elem: n.In[2].Type.Elem}
		if s == nil {
			return one(out)
		}
		k, err := normAxis(n.Attrs.Int("axis", -1), len(s)+1)
		if err != nil {
			return nil, err
		}
		depth := ir.Unknown
		if f, ok := constTensor(n.In[1]).Item(); ok && f >= 0 && f < 1<<53 {
			depth = ir.N(int64(f))
		} else if ds := knownElems(n.In[1]); len(ds) == 1 {
			depth = ds[0]
		}
		out.Shape = slices.Insert(slices.Clone(s), k, depth)
		return one(out)
	},
}

var nonZero = &ir.Op{
	Name: ir.OpName{Name: "NonZero"}, Since: 9, Doc: "the indices of the elements that are not zero, one a column",
	In: ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		rank := int64(n.In[0].Type.Rank())
		if rank == 0 {
			rank = 1 // a scalar counts as a vector of one
		}
		return one(ir.TypeOf(ir.Int64, rank, -1))
	},
}
