package reference

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var gatherKernels = map[string]kernel{
	"Gather":          gather,
	"GatherElements":  gatherElements,
	"GatherND":        gatherND,
	"ScatterElements": orderedIfChosen(scatterElements),
	"ScatterND":       orderedIfChosen(scatterND),
}

func gather(n *ir.Node, in []*Array) ([]*Array, error) {
	x, indices := in[0], in[1]
	axis, err := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
	if err != nil {
		return nil, err
	}
	at1, err := indexAll(indices.I, x.Shape[axis])
	if err != nil {
		return nil, err
	}
	q := len(indices.Shape)
	shape := slices.Concat(x.Shape[:axis], indices.Shape, x.Shape[axis+1:])
	step, istep := steps(x.Shape), steps(indices.Shape)
	return one(pick(x, shape, nil, func(at []int) int {
		i := at1[dot(at[axis:axis+q], istep)]
		return dot(at[:axis], step) + i*step[axis] + dot(at[axis+q:], step[axis+1:])
	}))
}

// indexAll returns indices into an axis of dim elements, counted from the
// front.
func indexAll(indices []int64, dim int) ([]int, error) {
	out := make([]int, len(indices))
	for i, v := range indices {
		k, err := indexOf(v, dim)
		if err != nil {
			return nil, err
		}
		out[i] = k
	}
	return out, nil
}

func indexOf(i int64, dim int) (int, error) {
	if i < -int64(dim) || i >= int64(dim) {
		return 0, fmt.Errorf("index %d is out of range for dimension %d", i, dim)
	}
	if i < 0 {
		i += int64(dim)
	}
	return int(i), nil
}

func gatherElements(n *ir.Node, in []*Array) ([]*Array, error) {
	x, indices := in[0], in[1]
	place, err := elementPlaces(n, x, indices)
	if err != nil {
		return nil, err
	}
	out, err := alloc(x.Elem, indices.Shape...)
	if err != nil {
		return nil, err
	}
	for i, j := range place {
		put(out, i, x, j)
	}
	return []*Array{out}, nil
}

// elementPlaces returns, for each element of indices, which element of x
// GatherElements and ScatterElements mean by it.
func elementPlaces(n *ir.Node, x, indices *Array) ([]int, error) {
	axis, err := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
	if err != nil {
		return nil, err
	}
	if len(indices.Shape) != len(x.Shape) {
		return nil, fmt.Errorf("indices of shape %v for data of shape %v: ranks differ", indices.Shape, x.Shape)
	}
	for k, d := range indices.Shape {
		if k != axis && d > x.Shape[k] {
			return nil, fmt.Errorf("indices of shape %v exceed data of shape %v", indices.Shape, x.Shape)
		}
	}
	index, err := indexAll(indices.I, x.Shape[axis])
	if err != nil {
		return nil, err
	}
	step, place := steps(x.Shape), make([]int, len(index))
	for i, at := range each(indices.Shape) {
		place[i] = dot(at, step) + (index[i]-at[axis])*step[axis]
	}
	return place, nil
}

func gatherND(n *ir.Node, in []*Array) ([]*Array, error) {
	x, indices := in[0], in[1]
	first, inner, err := slicePlaces(x, indices, int(n.Attrs.Int("batch_dims", 0)))
	if err != nil {
		return nil, err
	}
	lead := indices.Shape[:len(indices.Shape)-1]
	out, err := alloc(x.Elem, slices.Concat(lead, inner)...)
	if err != nil {
		return nil, err
	}
	size := count(inner)
	for i, start := range first {
		for k := range size {
			put(out, i*size+k, x, start+k)
		}
	}
	return []*Array{out}, nil
}

// slicePlaces returns, for each index vector of GatherND and ScatterND, the
// first element of the slice of x that it means, and the shape of a slice.
func slicePlaces(x, indices *Array, batch int) (first, inner []int, err error) {
	q := len(indices.Shape)
	if q < 1 || batch < 0 || batch >= q || batch+indices.Shape[q-1] > len(x.Shape) {
		return nil, nil, fmt.Errorf("indices of shape %v with %d batch dimensions do not fit data of shape %v", indices.Shape, batch, x.Shape)
	}
	if !slices.Equal(indices.Shape[:batch], x.Shape[:batch]) {
		return nil, nil, fmt.Errorf("indices of shape %v and data of shape %v differ in their %d batch dimensions", indices.Shape, x.Shape, batch)
	}
	k, step := indices.Shape[q-1], steps(x.Shape)
	inner = x.Shape[batch+k:]
	for i, at := range each(indices.Shape[:q-1]) {
		start := dot(at[:batch], step)
		for j, v := range indices.I[i*k : (i+1)*k] {
			index, err := indexOf(v, x.Shape[batch+j])
			if err != nil {
				return nil, nil, err
			}
			start += index * step[batch+j]
		}
		first = append(first, start)
	}
	return first, inner, nil
}

func scatterElements(n *ir.Node, in []*Array) ([]*Array, error) {
	x, indices, updates := in[0], in[1], in[2]
	place, err := elementPlaces(n, x, indices)
	if err != nil {
		return nil, err
	}
	if len(place) != updates.Len() {
		return nil, fmt.Errorf("updates of shape %v for indices of shape %v", updates.Shape, indices.Shape)
	}
	return scatter(n, x, updates, place)
}

func scatterND(n *ir.Node, in []*Array) ([]*Array, error) {
	x, indices, updates := in[0], in[1], in[2]
	first, inner, err := slicePlaces(x, indices, 0)
	if err != nil {
		return nil, err
	}
	var place []int
	for _, start := range first {
		for k := range count(inner) {
			place = append(place, start+k)
		}
	}
	if len(place) != updates.Len() {
		return nil, fmt.Errorf("updates of shape %v for indices of shape %v", updates.Shape, indices.Shape)
	}
	return scatter(n, x, updates, place)
}

// scatter combines update i with element place[i] of a copy of x.
func scatter(n *ir.Node, x, updates *Array, place []int) ([]*Array, error) {
	out := &Array{Elem: x.Elem, Shape: x.Shape, F: slices.Clone(x.F), I: slices.Clone(x.I), S: slices.Clone(x.S)}
	reduction := n.Attrs.String("reduction", "none")
	if reduction == "none" {
		for i, j := range place {
			put(out, j, updates, i)
		}
		return []*Array{out}, nil
	}
	if x.S != nil {
		return nil, fmt.Errorf("no reduction %q of strings", reduction)
	}
	f, err := reducer[float64](reduction)
	if err != nil {
		return nil, err
	}
	g, _ := reducer[int64](reduction)
	for i, j := range place {
		if x.F != nil {
			out.F[j] = f(out.F[j], updates.F[i])
		} else {
			out.I[j] = fit(x.Elem, g(out.I[j], updates.I[i]))
		}
	}
	return []*Array{out}, nil
}

func reducer[T float64 | int64](name string) (func(x, y T) T, error) {
	switch name {
	case "add":
		return func(x, y T) T { return x + y }, nil
	case "mul":
		return func(x, y T) T { return x * y }, nil
	case "max":
		return func(x, y T) T { return max(x, y) }, nil
	case "min":
		return func(x, y T) T { return min(x, y) }, nil
	}
	return nil, fmt.Errorf("unknown reduction %q", name)
}
