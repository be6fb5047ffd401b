package ops

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// gatherOps are the operators that read and write at indices.
func gatherOps() []*ir.Op {
	return []*ir.Op{
		gather, gatherElements, gatherND, // here
		scatterElements, scatterND, // scatter.go
	}
}

var gather = &ir.Op{
	Name: ir.OpName{Name: "Gather"}, Since: 11, Doc: "slices of an axis, by index",
	In: ir.P("data", "indices"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, indices := n.In[0].Type, n.In[1].Type
		out := ir.Type{Elem: t.Elem}
		if t.Shape == nil {
			return one(out)
		}
		k, err := normAxis(n.Attrs.Int("axis", 0), len(t.Shape))
		if err != nil || indices.Shape == nil {
			return []ir.Type{out}, err
		}
		out.Shape = join(t.Shape[:k], indices.Shape, t.Shape[k+1:])
		return one(out)
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		ds := shortElems(n, 0)
		if len(ds) == 0 || len(n.In[0].Type.Shape) != 1 || len(n.In[1].Type.Shape) > 1 {
			return nil
		}
		at, ok := smallInts(n.In[1])
		if !ok {
			return nil
		}
		out := make([]ir.Dim, len(at))
		for j, i := range at {
			k, err := normAxis(i, len(ds))
			if err != nil {
				return nil
			}
			out[j] = ds[k]
		}
		return [][]ir.Dim{out}
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			x, indices := n.In[0], n.In[1]
			r, q := x.Type.Rank(), indices.Type.Rank()
			if r < 1 || q < 0 {
				return scatterBack(b, n, dy[0])
			}
			k, err := normAxis(n.Attrs.Int("axis", 0), r)
			if err != nil {
				return b.Fail("%w", err)
			}
			if at, ok := smallInts(indices); ok && len(at) == 1 {
				return placeOne(b, x, dy[0], k, q, at[0])
			}
			return gatherBack(b, x, indices, dy[0], k)
		})
	},
}

// join is one shape after the other; a scalar's, which is not nil, if all are
// empty.
func join(shapes ...[]ir.Dim) []ir.Dim {
	out := []ir.Dim{}
	for _, s := range shapes {
		out = append(out, s...)
	}
	return out
}

// smallInts is constInts for a vector that is as short as shapes are.
func smallInts(v *ir.Value) ([]int64, bool) {
	if n, ok := ir.Numel(v.Type.Shape).Num(); !ok || n > maxRank || v.Type.Shape == nil {
		return nil, false
	}
	return constInts(v)
}

// placeOne puts dy at one index of axis k of a tensor like x that is zero
// elsewhere. The index had q dimensions, each of 1.
func placeOne(b *ir.Builder, x, dy *ir.Value, k, q int, at int64) *ir.Value {
	switch {
	case q == 0:
		dy = b.Op("Unsqueeze", dy, b.Ints(int64(k)))
	case q > 1:
		axes := make([]int64, q-1)
		for i := range axes {
			axes[i] = int64(k + i)
		}
		dy = b.Op("Squeeze", dy, b.Ints(axes...))
	}
	var pads *ir.Value
	if d, ok := x.Type.Shape[k].Num(); ok {
		if at < 0 {
			at += d
		}
		pads = b.Ints(at, d-1-at)
	} else {
		last := b.Sub(dimAt(b, x, int64(k)), b.Ints(1))
		if at < 0 {
			pads = b.OpA("Concat", axis(0), b.Add(last, b.Ints(at+1)), b.Ints(-1-at))
		} else {
			pads = b.OpA("Concat", axis(0), b.Ints(at), b.Sub(last, b.Ints(at)))
		}
	}
	return withShape(b, padAlong(b, dy, pads, int64(k)), x.Type.Shape)
}

// gatherBack adds the slices of dy along axis k of a tensor like x, at indices.
func gatherBack(b *ir.Builder, x, indices, dy *ir.Value, k int) *ir.Value {
	r, q := x.Type.Rank(), indices.Type.Rank()
	if k == 0 {
		return addSlices(b, x, indices, dy)
	}
	// Bring the axis, and those of the indices, to the front and back again.
	there, back := make([]int64, 0, r-1+q), make([]int64, 0, r)
	for i := range q {
		there = append(there, int64(k+i))
	}
	for i := range r - 1 + q {
		if i < k || i >= k+q {
			there = append(there, int64(i))
		}
	}
	front := []int64{int64(k)}
	for i := range r {
		if i != k {
			front = append(front, int64(i))
		}
		switch {
		case i < k:
			back = append(back, int64(i+1))
		case i == k:
			back = append(back, 0)
		default:
			back = append(back, int64(i))
		}
	}
	shape := b.OpA("Gather", axis(0), b.Op("Shape", x), b.Ints(front...))
	zeros := zerosOf(b, x.Type.Elem, shape)
	sum := b.OpA("ScatterND", combining("add"), zeros,
		b.Op("Unsqueeze", asInt64(b, indices), b.Ints(-1)), b.Transpose(dy, there...))
	return withShape(b, b.Transpose(sum, back...), x.Type.Shape)
}

// addSlices is gatherBack along axis 0.
func addSlices(b *ir.Builder, x, indices, dy *ir.Value) *ir.Value {
	return b.OpA("ScatterND", combining("add"), zerosLike(b, x), b.Op("Unsqueeze", asInt64(b, indices), b.Ints(-1)), dy)
}

func combining(name string) ir.Attrs { return ir.Attrs{{Name: "reduction", Value: name}} }

var gatherElements = &ir.Op{
	Name: ir.OpName{Name: "GatherElements"}, Since: 13, Doc: "an element of an axis for every index, at the index's own place otherwise",
	In: ir.P("data", "indices"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, indices := n.In[0].Type, n.In[1].Type
		if err := checkElements(n, t, indices); err != nil {
			return nil, err
		}
		return one(ir.Type{Elem: t.Elem, Shape: indices.Shape})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			x := n.In[0]
			attrs := n.Attrs.Without("reduction").With("reduction", "add")
			return b.OpA("ScatterElements", attrs, zerosLike(b, x), n.In[1], dy[0])
		})
	},
}

// checkElements reports an axis or a rank that does not fit.
func checkElements(n *ir.Node, t, indices ir.Type) error {
	if t.Shape == nil {
		return nil
	}
	if _, err := normAxis(n.Attrs.Int("axis", 0), len(t.Shape)); err != nil {
		return err
	}
	if indices.Shape != nil && len(indices.Shape) != len(t.Shape) {
		return fmt.Errorf("data %s and indices %s differ in rank", t, indices)
	}
	return nil
}

var gatherND = &ir.Op{
	Name: ir.OpName{Name: "GatherND"}, Since: 12, Doc: "slices of the leading axes, by vectors of indices",
	In: ir.P("data", "indices"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, indices, batch := n.In[0].Type, n.In[1].Type, n.Attrs.Int("batch_dims", 0)
		out := ir.Type{Elem: t.Elem}
		if t.Shape == nil || indices.Shape == nil {
			return one(out)
		}
		q := len(indices.Shape)
		if q < 1 || batch < 0 || batch >= int64(min(q, math.MaxInt16)) || batch > int64(len(t.Shape)) {
			return nil, fmt.Errorf("%d batch dimensions for data %s and indices %s", batch, t, indices)
		}
		k, ok := indices.Shape[q-1].Num()
		if !ok {
			return one(out)
		}
		if k > int64(len(t.Shape))-batch {
			return nil, fmt.Errorf("vectors of %d indices for data %s", k, t)
		}
		out.Shape = join(indices.Shape[:q-1], t.Shape[batch+k:])
		return one(out)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			if n.Attrs.Int("batch_dims", 0) > 0 {
				return scatterBack(b, n, dy[0])
			}
			return b.OpA("ScatterND", combining("add"), zerosLike(b, n.In[0]), n.In[1], dy[0])
		})
	},
}
