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
	{"f4", ir.Float}, {"f8", ir.Double}, {"f2", ir.Float16}, {"i8", ir.Int64}, {"i4", ir.Int32}, {"i2", ir.Int16}, {"i1", ir.Int8},
	{"u8", ir.Uint64}, {"u4", ir.Uint32}, {"u2", ir.Uint16}, {"u1", ir.Uint8}, {"b1", ir.Bool},
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
// or int32 where the model wants float32 or int64. Only conversions that lose
// no more than float rounding are made.
func Convert(t *ir.Tensor, elem ir.DType) (*ir.Tensor, error) {
	switch {
	case t.Elem == elem:
		return t, nil
	case t.Elem.IsFloat() && elem == ir.Float:
		f, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		return ir.Of(f, t.Shape...), nil
	case t.Elem.IsInt() && elem == ir.Int64:
		i, err := t.Int64s()
		if err != nil {
			return nil, err
		}
		return ir.Of(i, t.Shape...), nil
	case t.Elem.IsInt() && elem == ir.Int32:
		i, err := t.Int64s()
		if err != nil {
			return nil, err
		}
		small := make([]int32, len(i))
		for k, x := range i {
			if int64(int32(x)) != x {
				return nil, fmt.Errorf("%d does not fit into int32", x)
			}
			small[k] = int32(x)
		}
		return ir.Of(small, t.Shape...), nil
	}
	return nil, fmt.Errorf("%s cannot be given as %s", elem, t.Elem)
}
