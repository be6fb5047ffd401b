package reference

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

func shapeOf(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	rank := int64(len(x.Shape))
	clamp := func(i int64) int64 {
		if i < 0 {
			i += rank
		}
		return min(max(i, 0), rank)
	}
	lo, hi := clamp(n.Attrs.Int("start", 0)), clamp(n.Attrs.Int("end", rank))
	out := NewArray(ir.Int64, int(max(hi-lo, 0)))
	for i := range out.I {
		out.I[i] = int64(x.Shape[int(lo)+i])
	}
	return []*Array{out}, nil
}

func sizeOf(n *ir.Node, in []*Array) ([]*Array, error) {
	out := NewArray(ir.Int64)
	out.I[0] = int64(in[0].Len())
	return []*Array{out}, nil
}

func constantOfShape(n *ir.Node, in []*Array) ([]*Array, error) {
	fill := NewArray(ir.Float, 1)
	if t := n.Attrs.Tensor("value"); t != nil {
		var err error
		if fill, err = FromTensor(t); err != nil {
			return nil, err
		}
	}
	shape := make([]int, len(in[0].I))
	for i, d := range in[0].I {
		shape[i] = int(d)
	}
	return one(pick(fill, shape, nil, func([]int) int { return 0 }))
}

func rangeOf(n *ir.Node, in []*Array) ([]*Array, error) {
	start, limit, delta := in[0], in[1], in[2]
	if start.F != nil {
		size := math.Ceil((limit.F[0] - start.F[0]) / delta.F[0])
		if !(size < maxElems) {
			return nil, fmt.Errorf("%g elements are too many", size)
		}
		out := NewArray(start.Elem, int(max(size, 0)))
		for i := range out.F {
			out.F[i] = start.F[0] + float64(i)*delta.F[0]
		}
		return []*Array{out}, nil
	}
	a, z, d := start.I[0], limit.I[0], delta.I[0]
	if d == 0 {
		return nil, fmt.Errorf("delta is 0")
	}
	size := math.Ceil((float64(z) - float64(a)) / float64(d))
	if size >= maxElems {
		return nil, fmt.Errorf("%g elements are too many", size)
	}
	out := NewArray(start.Elem, int(max(size, 0)))
	for i := range out.I {
		out.I[i] = a + int64(i)*d
	}
	return []*Array{out}, nil
}

func eyeLike(n *ir.Node, in []*Array) ([]*Array, error) {
	if len(in[0].Shape) != 2 {
		return nil, fmt.Errorf("shape %v, want two dimensions", in[0].Shape)
	}
	k := int(n.Attrs.Int("k", 0))
	out, err := alloc(ir.DType(n.Attrs.Int("dtype", int64(in[0].Elem))), in[0].Shape...)
	if err != nil {
		return nil, err
	}
	for i, at := range each(out.Shape) {
		if at[1]-at[0] != k {
			continue
		}
		if out.F != nil {
			out.F[i] = 1
		} else {
			out.I[i] = 1
		}
	}
	return []*Array{out}, nil
}

func oneHot(n *ir.Node, in []*Array) ([]*Array, error) {
	indices, values := asInts(in[0]), in[2]
	depth := asInts(in[1])[0]
	axis, err := axisOf(n.Attrs.Int("axis", -1), len(in[0].Shape)+1)
	if err != nil {
		return nil, err
	}
	if depth < 1 || depth > maxElems {
		return nil, fmt.Errorf("depth %d", depth)
	}
	old := in[0].Shape
	shape := append(append(append([]int{}, old[:axis]...), int(depth)), old[axis:]...)
	step := steps(old)
	return one(pick(values, shape, nil, func(at []int) int {
		i := indices[dot(at[:axis], step)+dot(at[axis+1:], step[axis:])]
		if i < 0 {
			i += depth
		}
		if i == int64(at[axis]) {
			return 1
		}
		return 0
	}))
}

// asInts returns the elements of a numeric array as integers.
func asInts(a *Array) []int64 {
	if a.F == nil {
		return a.I
	}
	out := make([]int64, len(a.F))
	for i, x := range a.F {
		out[i] = int64(x)
	}
	return out
}

func nonZero(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	if len(x.Shape) == 0 { // a scalar counts as a vector of one, as in ONNX Runtime
		x = &Array{Elem: x.Elem, Shape: []int{1}, F: x.F, I: x.I}
	}
	var found [][]int
	for i, at := range each(x.Shape) {
		if x.F != nil && x.F[i] != 0 || x.I != nil && x.I[i] != 0 {
			found = append(found, append([]int{}, at...))
		}
	}
	out := NewArray(ir.Int64, len(x.Shape), len(found))
	for j, at := range found {
		for k, i := range at {
			out.I[k*len(found)+j] = int64(i)
		}
	}
	return []*Array{out}, nil
}
