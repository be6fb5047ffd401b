package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// one returns the type of an operator's only output.
func one(t ir.Type) ([]ir.Type, error) { return []ir.Type{t}, nil }

// same says that the output has the type of the first input.
func same(n *ir.Node) ([]ir.Type, error) { return one(n.In[0].Type) }

// lazily calls the function of every wanted input. Inputs beyond the functions
// get nothing: they are parameters, such as axes, that have no derivative.
func lazily(want []bool, fs ...func() *ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(want))
	for i, f := range fs {
		if i < len(want) && want[i] {
			out[i] = f()
		}
	}
	return out
}

// unknownDims returns a shape of the given rank of which nothing else is known.
func unknownDims(rank int) []ir.Dim {
	return slices.Repeat([]ir.Dim{ir.Unknown}, rank)
}

// mergeElem returns the element type that all given inputs share. Omitted
// inputs and undefined types do not count.
func mergeElem(vs ...*ir.Value) (ir.DType, error) {
	elem := ir.Undefined
	for _, v := range vs {
		switch {
		case v == nil || v.Type.Elem == ir.Undefined:
		case elem == ir.Undefined:
			elem = v.Type.Elem
		case elem != v.Type.Elem:
			return elem, fmt.Errorf("operands are of types %s and %s, want one type", elem, v.Type.Elem)
		}
	}
	return elem, nil
}

// broadcast returns the shape that shapes have together by NumPy's rules; nil
// if a rank is unknown. Where neither dimension is a number and they differ,
// either may be 1, and the result is unknown.
func broadcast(shapes ...[]ir.Dim) ([]ir.Dim, error) {
	out := []ir.Dim{}
	for _, s := range shapes {
		if s == nil {
			return nil, nil
		}
		if len(s) > len(out) {
			out = append(slices.Repeat([]ir.Dim{ir.N(1)}, len(s)-len(out)), out...)
		}
		lead := len(out) - len(s)
		for i, e := range s {
			d := out[lead+i]
			_, known := d.Num()
			_, eKnown := e.Num()
			switch {
			case d.Same(e) || e.Is(1):
			case d.Is(1):
				out[lead+i] = e
			case known && eKnown:
				return nil, fmt.Errorf("dimensions %s and %s do not broadcast", d, e)
			case known:
			case eKnown:
				out[lead+i] = e
			default:
				out[lead+i] = ir.Unknown
			}
		}
	}
	return out, nil
}

// broadcastType returns the type of an elementwise operator over inputs of one
// element type. Omitted inputs do not count.
func broadcastType(vs ...*ir.Value) (ir.Type, error) {
	elem, err := mergeElem(vs...)
	if err != nil {
		return ir.Type{}, err
	}
	var shapes [][]ir.Dim
	for _, v := range vs {
		if v != nil {
			shapes = append(shapes, v.Type.Shape)
		}
	}
	s, err := broadcast(shapes...)
	return ir.Type{Elem: elem, Shape: s}, err
}

// normAxis returns axis as a number in [0, rank).
func normAxis(axis int64, rank int) (int, error) {
	if axis < -int64(rank) || axis >= int64(rank) {
		return 0, fmt.Errorf("axis %d is out of range for rank %d", axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}

// normAxes returns axes as sorted numbers in [0, rank). A repeated axis is an
// error.
func normAxes(axes []int64, rank int) ([]int, error) {
	out := make([]int, len(axes))
	for i, a := range axes {
		k, err := normAxis(a, rank)
		if err != nil {
			return nil, err
		}
		out[i] = k
	}
	slices.Sort(out)
	for i := range out {
		if i > 0 && out[i] == out[i-1] {
			return nil, fmt.Errorf("axis %d is given twice", out[i])
		}
	}
	return out, nil
}

// constTensor returns the tensor behind a constant or the output of a Constant
// node, or nil if v is not one.
func constTensor(v *ir.Value) *ir.Tensor {
	switch {
	case v == nil:
		return nil
	case v.Data != nil:
		return v.Data
	case v.Def != nil && v.Def.Op == (ir.OpName{Name: "Constant"}):
		t, err := ConstantOf(v.Def.Attrs)
		if err != nil {
			return nil
		}
		return t
	case v.Def != nil && v.Def.Op == (ir.OpName{Name: "Identity"}) && len(v.Def.In) == 1:
		return constTensor(v.Def.In[0])
	}
	return nil
}

// constInts returns the elements of an integer tensor if all of them are known,
// negative ones included; ok says whether they are.
func constInts(v *ir.Value) (ints []int64, ok bool) {
	if v == nil {
		return nil, false
	}
	if t := constTensor(v); t != nil {
		ints, err := t.Int64s()
		return ints, err == nil
	}
	if v.Known == nil {
		return nil, false
	}
	ints = make([]int64, len(v.Known))
	for i, d := range v.Known {
		if ints[i], ok = d.Num(); !ok {
			return nil, false
		}
	}
	return ints, true
}

// knownElems returns the elements of a small integer tensor as dimensions, as
// far as they are known: numbers, symbols, or unknown. A negative number is
// unknown here; constInts finds it. Nil means not even their count is known.
func knownElems(v *ir.Value) []ir.Dim {
	if v == nil {
		return nil
	}
	if v.Known != nil {
		return v.Known
	}
	if ints, ok := constInts(v); ok {
		out := make([]ir.Dim, len(ints))
		for i, x := range ints {
			out[i] = ir.N(x)
		}
		return out
	}
	if s, ok := v.Type.Static(); ok && len(s) <= 1 {
		n := 1
		if len(s) == 1 {
			n = s[0]
		}
		if n >= 0 && n <= 64 { // as many as ir keeps
			return unknownDims(n)
		}
	}
	return nil
}

// knownCount returns the number of elements of a vector, -1 if unknown: the
// number of axes, say, where the axes themselves are not known.
func knownCount(v *ir.Value) int {
	if v == nil || len(v.Type.Shape) > 1 || v.Type.Shape == nil {
		return -1
	}
	if len(v.Type.Shape) == 0 {
		return 1
	}
	if n, ok := v.Type.Shape[0].Num(); ok {
		return int(n)
	}
	return -1
}

// optionalOutputs trims the types of trailing optional outputs that a node does
// not have, so that a builder makes only the first.
func optionalOutputs(n *ir.Node, types ...ir.Type) ([]ir.Type, error) {
	return types[:min(len(types), max(1, len(n.Out)))], nil
}

// like returns the shape of x at run time, as an input for Expand or Reshape.
func like(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op("Shape", x) }

// withDims returns t with another shape.
func withDims(t ir.Type, dims []ir.Dim) ir.Type { return ir.Type{Elem: t.Elem, Shape: dims} }
