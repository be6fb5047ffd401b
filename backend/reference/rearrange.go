package reference

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

func depthToSpace(n *ir.Node, in []*Array) ([]*Array, error) {
	x, b := in[0], int(n.Attrs.Int("blocksize", 0))
	if len(x.Shape) != 4 || b < 1 || x.Shape[1]%(b*b) != 0 {
		return nil, fmt.Errorf("shape %v does not have blocks of %d", x.Shape, b)
	}
	crd := n.Attrs.String("mode", "DCR") == "CRD"
	depth, step := x.Shape[1]/(b*b), steps(x.Shape)
	shape := []int{x.Shape[0], depth, x.Shape[2] * b, x.Shape[3] * b}
	return one(pick(x, shape, nil, func(at []int) int {
		block := at[2]%b*b + at[3]%b
		c := block*depth + at[1]
		if crd {
			c = at[1]*b*b + block
		}
		return dot([]int{at[0], c, at[2] / b, at[3] / b}, step)
	}))
}

func spaceToDepth(n *ir.Node, in []*Array) ([]*Array, error) {
	x, b := in[0], int(n.Attrs.Int("blocksize", 0))
	if len(x.Shape) != 4 || b < 1 || x.Shape[2]%b != 0 || x.Shape[3]%b != 0 {
		return nil, fmt.Errorf("shape %v does not have blocks of %d", x.Shape, b)
	}
	crd := n.Attrs.String("mode", "DCR") == "CRD"
	depth, step := x.Shape[1], steps(x.Shape)
	shape := []int{x.Shape[0], depth * b * b, x.Shape[2] / b, x.Shape[3] / b}
	return one(pick(x, shape, nil, func(at []int) int {
		block, c := at[1]/depth, at[1]%depth
		if crd {
			block, c = at[1]%(b*b), at[1]/(b*b)
		}
		return dot([]int{at[0], c, at[2]*b + block/b, at[3]*b + block%b}, step)
	}))
}

func trilu(n *ir.Node, in []*Array) ([]*Array, error) {
	x, k := in[0], 0
	if v := ints(in, 1); v != nil {
		k = int(v[0])
	}
	r := len(x.Shape)
	if r < 2 {
		return nil, fmt.Errorf("shape %v, want two dimensions or more", x.Shape)
	}
	upper, step := n.Attrs.Int("upper", 1) != 0, steps(x.Shape)
	return one(pick(x, x.Shape, nil, func(at []int) int {
		if d := at[r-1] - at[r-2]; upper && d < k || !upper && d > k {
			return -1
		}
		return dot(at, step)
	}))
}

func reverseSequence(n *ir.Node, in []*Array) ([]*Array, error) {
	x, lens := in[0], in[1].I
	batch, time := int(n.Attrs.Int("batch_axis", 1)), int(n.Attrs.Int("time_axis", 0))
	step := steps(x.Shape)
	for _, l := range lens {
		if l < 0 || l > int64(x.Shape[time]) {
			return nil, fmt.Errorf("length %d of a sequence of %d", l, x.Shape[time])
		}
	}
	return one(pick(x, x.Shape, nil, func(at []int) int {
		j := dot(at, step)
		if l := int(lens[at[batch]]); at[time] < l {
			j += (l - 1 - 2*at[time]) * step[time]
		}
		return j
	}))
}

func compress(n *ir.Node, in []*Array) ([]*Array, error) {
	x, keep := in[0], in[1].I
	var axis int
	var err error
	if a, ok := n.Attrs.Get("axis").(int64); ok {
		axis, err = axisOf(a, len(x.Shape))
	} else {
		x, err = view(x, x.Len())
	}
	if err != nil {
		return nil, err
	}
	var kept []int
	for i, k := range keep {
		if k != 0 && i < x.Shape[axis] {
			kept = append(kept, i)
		}
	}
	shape, step := slices.Clone(x.Shape), steps(x.Shape)
	shape[axis] = len(kept)
	return one(pick(x, shape, nil, func(at []int) int {
		return dot(at, step) + (kept[at[axis]]-at[axis])*step[axis]
	}))
}
