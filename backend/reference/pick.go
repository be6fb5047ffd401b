package reference

import (
	"fmt"
	"iter"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// maxElems bounds an array that a kernel makes: 4 GiB of float64. Shapes come
// from models, and a model may ask for any number.
const maxElems = 1 << 29

// alloc returns a zero array, or an error for a shape that is negative or too
// large to hold.
func alloc(elem ir.DType, shape ...int) (*Array, error) {
	if err := checkShape(shape); err != nil {
		return nil, err
	}
	return NewArray(elem, shape...), nil
}

func checkShape(shape []int) error {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return fmt.Errorf("shape %v has a negative dimension", shape)
		}
		if d > 0 && n > maxElems/d {
			return fmt.Errorf("shape %v has more than %d elements, the most this backend holds", shape, maxElems)
		}
		n *= d
	}
	return nil
}

// view returns a with another shape of as many elements.
func view(a *Array, shape ...int) (*Array, error) {
	if err := checkShape(shape); err != nil {
		return nil, err
	}
	if count(shape) != a.Len() {
		return nil, fmt.Errorf("%d elements do not have shape %v", a.Len(), shape)
	}
	return &Array{Elem: a.Elem, Shape: shape, F: a.F, I: a.I, S: a.S}, nil
}

// put copies element j of src to element i of dst, which has the same type.
func put(dst *Array, i int, src *Array, j int) {
	switch {
	case dst.F != nil:
		dst.F[i] = src.F[j]
	case dst.S != nil:
		dst.S[i] = src.S[j]
	default:
		dst.I[i] = src.I[j]
	}
}

// pick returns an array of the given shape. Its element at index at is element
// from(at) of a, counted in row-major order, or fill (zero if nil) where from
// is negative. at is only valid during the call.
func pick(a *Array, shape []int, fill *Array, from func(at []int) int) (*Array, error) {
	out, err := alloc(a.Elem, shape...)
	if err != nil {
		return nil, err
	}
	for i, at := range each(shape) {
		if j := from(at); j >= 0 {
			put(out, i, a, j)
		} else if fill != nil {
			put(out, i, fill, 0)
		}
	}
	return out, nil
}

// each yields every index of a shape in row-major order, with its number. The
// index must not be kept or written to.
func each(shape []int) iter.Seq2[int, []int] {
	return func(yield func(int, []int) bool) {
		at := make([]int, len(shape))
		for i := range count(shape) {
			if !yield(i, at) {
				return
			}
			for k := len(at) - 1; k >= 0; k-- {
				if at[k]++; at[k] < shape[k] {
					break
				}
				at[k] = 0
			}
		}
	}
}

// steps returns how far apart, in elements, neighbours along each axis are.
func steps(shape []int) []int {
	out := make([]int, len(shape))
	n := 1
	for k := len(shape) - 1; k >= 0; k-- {
		out[k] = n
		n *= shape[k]
	}
	return out
}

// dot returns the number of the element at an index, from steps.
func dot(at, step []int) int {
	n := 0
	for k, i := range at {
		n += i * step[k]
	}
	return n
}

// ints returns the elements of an integer input, or nil if it is omitted.
func ints(in []*Array, i int) []int64 {
	if i < len(in) && in[i] != nil {
		return in[i].I
	}
	return nil
}

// arg returns an input, or nil if it is omitted.
func arg(in []*Array, i int) *Array {
	if i < len(in) {
		return in[i]
	}
	return nil
}

// axisOf returns an axis as a number in [0, rank).
func axisOf(axis int64, rank int) (int, error) {
	if axis < -int64(rank) || axis >= int64(rank) {
		return 0, fmt.Errorf("axis %d is out of range for rank %d", axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}

// axesOf returns axes as numbers in [0, rank), all of them if axes is nil.
func axesOf(axes []int64, rank int) ([]int, error) {
	if axes == nil {
		all := make([]int, rank)
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	out := make([]int, len(axes))
	for i, a := range axes {
		k, err := axisOf(a, rank)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out[:i], k) {
			return nil, fmt.Errorf("axis %d is given twice", k)
		}
		out[i] = k
	}
	return out, nil
}

// one returns a kernel's only output.
func one(a *Array, err error) ([]*Array, error) {
	if err != nil {
		return nil, err
	}
	return []*Array{a}, nil
}
