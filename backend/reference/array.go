package reference

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// Array is a tensor of the interpreter, in row-major order: floating point
// elements in F, integers and booleans in I, strings in S.
type Array struct {
	Elem  ir.DType
	Shape []int
	F     []float64
	I     []int64
	S     []string
}

// NewArray returns a zero array.
func NewArray(elem ir.DType, shape ...int) *Array {
	a := &Array{Elem: elem, Shape: shape}
	switch n := a.Len(); {
	case inFloats(elem):
		a.F = make([]float64, n)
	case elem == ir.String:
		a.S = make([]string, n)
	default:
		a.I = make([]int64, n)
	}
	return a
}

// inFloats reports whether elements of a type lie in F.
func inFloats(elem ir.DType) bool { return elem.IsFloat() || elem.IsSmallFloat() }

// Len returns the number of elements.
func (a *Array) Len() int { return count(a.Shape) }

// FromTensor returns a copy of t. Floats become float64 without rounding.
func FromTensor(t *ir.Tensor) (*Array, error) {
	a := &Array{Elem: t.Elem, Shape: t.Shape}
	var err error
	switch {
	case inFloats(t.Elem):
		a.F, err = t.Float64s()
	case t.Elem == ir.String:
		a.S = t.Strs
	default:
		a.I, err = t.Int64s()
	}
	return a, err
}

// Tensor returns a as a tensor of its own element type, rounding floats to it.
func (a *Array) Tensor() (*ir.Tensor, error) { return a.as(a.Elem) }

// Double returns a floating point array as a float64 tensor, other arrays as
// Tensor does.
func (a *Array) Double() (*ir.Tensor, error) {
	if a.Elem.IsFloat() {
		return a.as(ir.Double)
	}
	return a.as(a.Elem)
}

func (a *Array) as(elem ir.DType) (*ir.Tensor, error) {
	if elem == ir.String {
		return &ir.Tensor{Elem: elem, Shape: a.Shape, Strs: a.S}, nil
	}
	size, err := ir.ByteSize(elem, a.Shape)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, size)
	if err := encode(raw, elem, a); err != nil {
		return nil, err
	}
	return &ir.Tensor{Elem: elem, Shape: a.Shape, Raw: raw}, nil
}

func encode(raw []byte, elem ir.DType, a *Array) error {
	put := func(size int, bits func(i int) uint64) {
		for i := range a.Len() {
			b := bits(i)
			for k := range size {
				raw[i*size+k] = byte(b >> (8 * k))
			}
		}
	}
	switch elem {
	case ir.Float:
		put(4, func(i int) uint64 { return uint64(math.Float32bits(float32(a.F[i]))) })
	case ir.Double:
		put(8, func(i int) uint64 { return math.Float64bits(a.F[i]) })
	case ir.Float16:
		put(2, func(i int) uint64 { return uint64(ir.F16(float32(a.F[i]))) })
	case ir.BFloat16:
		put(2, func(i int) uint64 { return uint64(ir.BF16(float32(a.F[i]))) })
	case ir.Int64, ir.Uint64, ir.Int32, ir.Uint32, ir.Int16, ir.Uint16, ir.Int8, ir.Uint8, ir.Bool:
		put(elem.Bits()/8, func(i int) uint64 { return uint64(a.I[i]) })
	case ir.Int4, ir.Uint4:
		for i, v := range a.I {
			raw[i/2] |= byte(v&15) << (4 * (i % 2))
		}
	case ir.Int2, ir.Uint2:
		for i, v := range a.I {
			raw[i/4] |= byte(v&3) << (2 * (i % 4))
		}
	case ir.Float4:
		for i, x := range a.F {
			raw[i/2] |= ir.ToSmall(elem, x, ir.Rounding{Saturate: true}) << (4 * (i % 2))
		}
	case ir.Float8E4M3, ir.Float8E4B, ir.Float8E5M2, ir.Float8E5B, ir.Float8E8M0:
		// Elements are numbers of the type already, ∞ among them.
		put(1, func(i int) uint64 { return uint64(ir.ToSmall(elem, a.F[i], ir.Rounding{})) })
	default:
		return fmt.Errorf("cannot store elements of type %s", elem)
	}
	return nil
}

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
