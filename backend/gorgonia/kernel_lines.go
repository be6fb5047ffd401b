package gorgonia

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// lines is a value seen along one axis: contiguous lines of n elements, that
// axis moved to the end.
type lines struct {
	shape []int // of the moved value, without the last axis
	n     int
	back  []int // the permutation that moves the axis back
}

// along returns the lines of v along an axis, and v with that axis last.
func along(v *Value, axis int64) (lines, *Value, error) {
	r := len(v.shape)
	a := axisOf(axis, r)
	if a < 0 || a >= r {
		return lines{}, nil, fmt.Errorf("axis %d of %d axes", axis, r)
	}
	var perm []int
	for i := range r {
		if i != a {
			perm = append(perm, i)
		}
	}
	perm = append(perm, a)
	l := lines{n: v.shape[a], back: make([]int, r)}
	for i, p := range perm {
		l.back[p] = i
	}
	moved := permuted(v, perm)
	l.shape = moved.shape[:r-1]
	return l, moved, nil
}

// argMax is ArgMax and ArgMin. Of equal elements the first counts, or the last
// if asked.
func argMax(c *call) ([]*Value, error) {
	l, x, err := along(c.in[0], c.n.Attrs.Int("axis", 0))
	if err != nil {
		return nil, err
	}
	if l.n == 0 {
		return interpret(c)
	}
	src := c.floats(x)
	out := c.new(ir.Int64, append(slices.Clone(l.shape), 1)...)
	dst := flat[int64](out)
	direction, last := 1, c.n.Attrs.Int("select_last_index", 0) != 0
	if c.n.Op.Name == "ArgMin" {
		direction = -1
	}
	c.engine.Run(len(dst), func(row int) {
		line := src[row*l.n : (row+1)*l.n]
		best := 0
		for i, v := range line {
			if d := direction * cmp.Compare(v, line[best]); d > 0 || d == 0 && last {
				best = i
			}
		}
		dst[row] = int64(best)
	})
	y := permuted(out, l.back)
	if c.n.Attrs.Int("keepdims", 1) == 0 {
		y = out.view(l.shape, nil, 0)
	}
	return one(y)
}

// topK sorts lines and keeps the first k elements.
func topK(c *call) ([]*Value, error) {
	l, x, err := along(c.in[0], c.n.Attrs.Int("axis", -1))
	if err != nil {
		return nil, err
	}
	ks := c.ints(c.in[1])
	if len(ks) != 1 || ks[0] < 0 || ks[0] > int64(l.n) {
		return nil, fmt.Errorf("the first %v of %d elements", ks, l.n)
	}
	k := int(ks[0])
	shape := append(slices.Clone(l.shape), k)
	values, indices := c.new(ir.Float, shape...), c.new(ir.Int64, shape...)
	src, dst, at := c.floats(x), flat[float32](values), flat[int64](indices)
	direction := -1
	if c.n.Attrs.Int("largest", 1) == 0 {
		direction = 1
	}
	c.engine.Run(count(l.shape), func(row int) {
		line := src[row*l.n : (row+1)*l.n]
		order := firstOf(line, k, direction)
		for i, j := range order {
			dst[row*k+i], at[row*k+i] = line[j], int64(j)
		}
	})
	return []*Value{permuted(values, l.back), permuted(indices, l.back)}, nil
}

// firstOf returns the numbers of the first k elements of a line in order; of
// equal elements the lower number comes first.
func firstOf(line []float32, k, direction int) []int {
	order := func(i, j int) int { return cmp.Or(direction*cmp.Compare(line[i], line[j]), cmp.Compare(i, j)) }
	if k*8 > len(line) {
		all := make([]int, len(line))
		for i := range all {
			all[i] = i
		}
		slices.SortFunc(all, order)
		return all[:k]
	}
	first := make([]int, 0, k+1) // in order; most elements come after the last of them
	for i := range line {
		if k == 0 || len(first) == k && order(first[k-1], i) < 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(first, i, order)
		first = slices.Insert(first, at, i)
		first = first[:min(len(first), k)]
	}
	return first
}

func cumSum(c *call) ([]*Value, error) {
	switch c.in[0].elem {
	case ir.Float:
		return runningSum[float32](c)
	case ir.Double:
		return runningSum[float64](c)
	case ir.Int64:
		return runningSum[int64](c)
	case ir.Int32:
		return runningSum[int32](c)
	}
	return interpret(c)
}

func runningSum[T number](c *call) ([]*Value, error) {
	axes := c.ints(c.in[1])
	if len(axes) != 1 {
		return nil, fmt.Errorf("axes %v, want one", axes)
	}
	l, x, err := along(c.in[0], axes[0])
	if err != nil {
		return nil, err
	}
	src := flat[T](c.dense(x))
	out := c.new(x.elem, x.shape...)
	dst := flat[T](out)
	exclusive, reverse := c.n.Attrs.Int("exclusive", 0) != 0, c.n.Attrs.Int("reverse", 0) != 0
	c.engine.Run(count(l.shape), func(row int) {
		line, sums := src[row*l.n:(row+1)*l.n], dst[row*l.n:(row+1)*l.n]
		s := T(0)
		for i := range line {
			if reverse {
				i = l.n - 1 - i
			}
			if exclusive {
				sums[i] = s
			}
			s += line[i]
			if !exclusive {
				sums[i] = s
			}
		}
	})
	return one(permuted(out, l.back))
}
