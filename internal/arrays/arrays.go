// Package arrays turns NumPy arrays into tensors of the IR and back.
package arrays

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
)

var dtypes = []struct {
	name string
	elem ir.DType
}{
	{"f4", ir.Float},
	{"f8", ir.Double},
	{"f2", ir.Float16},
	{"i8", ir.Int64},
	{"i4", ir.Int32},
	{"i2", ir.Int16},
	{"i1", ir.Int8},
	{"u8", ir.Uint64},
	{"u4", ir.Uint32},
	{"u2", ir.Uint16},
	{"u1", ir.Uint8},
	{"b1", ir.Bool},
}

// Tensor returns an array as a tensor that shares its bytes.
func Tensor(a npy.Array) (*ir.Tensor, error) {
	for _, d := range dtypes {
		if d.name == a.DType {
			return ir.NewTensor(d.elem, a.Shape, a.Data)
		}
	}
	return nil, fmt.Errorf("arrays of type %s have no tensor", a.DType)
}

// Array returns a tensor as an array that shares its bytes; bfloat16, which
// NumPy lacks, is widened to float32.
func Array(t *ir.Tensor) (npy.Array, error) {
	for _, d := range dtypes {
		if d.elem == t.Elem {
			return npy.Array{DType: d.name, Shape: slices.Clone(t.Shape), Data: t.Raw}, nil
		}
	}
	if t.Elem.IsFloat() {
		f, err := t.Float32s()
		if err != nil {
			return npy.Array{}, err
		}
		return npy.New(slices.Clone(t.Shape), f)
	}
	return npy.Array{}, fmt.Errorf("NumPy has no elements of type %s", t.Elem)
}

// Convert returns t with elements of another type, for inputs given as float64
// or int32 where the model wants float32 or int64. Floating point numbers are
// rounded; integers must fit; booleans are integers of 0 and 1, and integers
// other than 0 are true. Nothing becomes an integer that is none.
func Convert(t *ir.Tensor, elem ir.DType) (*ir.Tensor, error) {
	switch {
	case t.Elem == elem:
		return t, nil
	case t.Elem.IsFloat() && elem.IsFloat():
		return float(t, elem)
	case t.Elem == ir.Bool && elem.IsInt():
		return integer(&ir.Tensor{Elem: ir.Uint8, Shape: t.Shape, Raw: t.Raw}, elem)
	case t.Elem.IsInt() && elem.IsInt():
		return integer(t, elem)
	case t.Elem.IsInt() && elem == ir.Bool:
		x, err := t.Int64s()
		if err != nil {
			return nil, err
		}
		b := make([]bool, len(x))
		for i, v := range x {
			b[i] = v != 0
		}
		return ir.Of(b, t.Shape...), nil
	}
	return nil, fmt.Errorf("%s cannot be given as %s", elem, t.Elem)
}

// float rounds to another floating point type.
func float(t *ir.Tensor, elem ir.DType) (*ir.Tensor, error) {
	x, err := t.Float64s()
	if err != nil {
		return nil, err
	}
	switch elem {
	case ir.Double:
		return ir.Of(x, t.Shape...), nil
	case ir.Float:
		return ir.Of(narrowed[float32](x), t.Shape...), nil
	case ir.Float16:
		return halves(x, t.Shape, elem, ir.F16)
	case ir.BFloat16:
		return halves(x, t.Shape, elem, ir.BF16)
	}
	return nil, fmt.Errorf("%s cannot be given as %s", elem, t.Elem)
}

func halves(x []float64, shape []int, elem ir.DType, round func(float32) uint16) (*ir.Tensor, error) {
	raw := make([]byte, 0, 2*len(x))
	for _, v := range x {
		h := round(float32(v))
		raw = append(raw, byte(h), byte(h>>8))
	}
	return ir.NewTensor(elem, shape, raw)
}

// integer makes other integers of the same values.
func integer(t *ir.Tensor, elem ir.DType) (*ir.Tensor, error) {
	x, err := t.Int64s()
	if err != nil {
		return nil, err
	}
	switch elem {
	case ir.Int64:
		return ir.Of(x, t.Shape...), nil
	case ir.Int32:
		return fitted[int32](x, t.Shape, elem)
	case ir.Int8:
		return fitted[int8](x, t.Shape, elem)
	case ir.Uint8:
		return fitted[uint8](x, t.Shape, elem)
	}
	return nil, fmt.Errorf("%s cannot be given as %s", elem, t.Elem)
}

func fitted[T int32 | int8 | uint8](x []int64, shape []int, elem ir.DType) (*ir.Tensor, error) {
	for _, v := range x {
		if int64(T(v)) != v {
			return nil, fmt.Errorf("%d does not fit into %s", v, elem)
		}
	}
	return ir.Of(narrowed[T](x), shape...), nil
}

func narrowed[To float32 | int32 | int8 | uint8, From float64 | int64](x []From) []To {
	out := make([]To, len(x))
	for i, v := range x {
		out[i] = To(v)
	}
	return out
}
