package reference

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// broadcastShape returns the shape that arrays have together by NumPy's rules.
// Omitted arrays do not count.
func broadcastShape(as ...*Array) ([]int, error) {
	out := []int{}
	for _, a := range as {
		if a == nil {
			continue
		}
		if more := len(a.Shape) - len(out); more > 0 {
			out = append(slices.Repeat([]int{1}, more), out...)
		}
		lead := len(out) - len(a.Shape)
		for k, d := range a.Shape {
			switch {
			case out[lead+k] == d || d == 1:
			case out[lead+k] == 1:
				out[lead+k] = d
			default:
				return nil, fmt.Errorf("shapes %v and %v do not broadcast", out, a.Shape)
			}
		}
	}
	return out, checkShape(out)
}

// stretched returns the steps of a when it is broadcast to shape: 0 along the
// axes in which its only element is repeated.
func stretched(a *Array, shape []int) []int {
	out := make([]int, len(shape))
	lead := len(shape) - len(a.Shape)
	for k, step := range steps(a.Shape) {
		if a.Shape[k] != 1 {
			out[lead+k] = step
		}
	}
	return out
}

// grouped returns the elements of x in groups that differ only along the given
// axes, and the shape of one element for each group, the axes kept as ones.
func grouped[T any](xs []T, shape []int, axes []int) (groups [][]T, keep []int) {
	keep = slices.Clone(shape)
	for _, k := range axes {
		keep[k] = 1
	}
	step := stretched(&Array{Shape: keep}, shape)
	groups = make([][]T, count(keep))
	for i, at := range each(shape) {
		g := dot(at, step)
		groups[g] = append(groups[g], xs[i])
	}
	return groups, keep
}

// alongAxis applies f to every line of floating point x along an axis; f
// returns as many elements as it is given.
func alongAxis(x *Array, axis int64, f func(line []float64) []float64) ([]*Array, error) {
	k, err := axisOf(axis, len(x.Shape))
	if err != nil {
		return nil, err
	}
	lines, keep := grouped(x.F, x.Shape, []int{k})
	for i := range lines {
		lines[i] = f(lines[i])
	}
	out := NewArray(x.Elem, x.Shape...)
	step := stretched(&Array{Shape: keep}, x.Shape)
	for i, at := range each(x.Shape) {
		out.F[i] = lines[dot(at, step)][at[k]]
	}
	return []*Array{out}, nil
}

// fit brings an integer into the range of a type as a computer does: by
// dropping the bits that are too many.
func fit(elem ir.DType, v int64) int64 {
	switch elem {
	case ir.Int8:
		return int64(int8(v))
	case ir.Int16:
		return int64(int16(v))
	case ir.Int32:
		return int64(int32(v))
	case ir.Uint8:
		return int64(uint8(v))
	case ir.Uint16:
		return int64(uint16(v))
	case ir.Uint32:
		return int64(uint32(v))
	case ir.Int4:
		return v << 60 >> 60
	case ir.Uint4:
		return v & 15
	case ir.Int2:
		return v << 62 >> 62
	case ir.Uint2:
		return v & 3
	}
	return v
}
