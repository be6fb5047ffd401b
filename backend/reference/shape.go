package reference

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var shapeKernels = map[string]kernel{
	"Reshape":         reshape,
	"Squeeze":         squeeze,
	"Unsqueeze":       unsqueeze,
	"Flatten":         flatten,
	"Transpose":       transpose,
	"Expand":          expand,
	"Tile":            tile,
	"Concat":          concat,
	"Split":           split,
	"Slice":           slice,
	"Pad":             pad,
	"CenterCropPad":   centerCropPad,
	"Shape":           shapeOf,
	"Size":            sizeOf,
	"ConstantOfShape": constantOfShape,
	"Range":           rangeOf,
	"EyeLike":         eyeLike,
	"DepthToSpace":    depthToSpace,
	"SpaceToDepth":    spaceToDepth,
	"Trilu":           trilu,
	"ReverseSequence": reverseSequence,
	"OneHot":          oneHot,
	"NonZero":         nonZero,
	"Compress":        compress,
}

func reshape(n *ir.Node, in []*Array) ([]*Array, error) {
	x, target := in[0], in[1].I
	shape := make([]int, len(target))
	free, rest := -1, 1
	for i, d := range target {
		switch {
		case d == -1 && free < 0:
			free = i
			continue
		case d == 0 && n.Attrs.Int("allowzero", 0) == 0 && i < len(x.Shape):
			d = int64(x.Shape[i])
		case d < 0 || d > maxElems:
			return nil, fmt.Errorf("no shape %v", target)
		}
		shape[i] = int(d)
		rest *= int(d)
	}
	if free >= 0 {
		if rest == 0 || x.Len()%rest != 0 {
			return nil, fmt.Errorf("%d elements do not have shape %v", x.Len(), target)
		}
		shape[free] = x.Len() / rest
	}
	return one(view(x, shape...))
}

func squeeze(n *ir.Node, in []*Array) ([]*Array, error) {
	x, shape := in[0], []int{}
	axes, err := axesOf(ints(in, 1), len(x.Shape))
	if err != nil {
		return nil, err
	}
	for k, d := range x.Shape {
		if d == 1 && slices.Contains(axes, k) {
			continue
		}
		shape = append(shape, d)
	}
	if arg(in, 1) != nil && len(shape)+len(axes) != len(x.Shape) {
		return nil, fmt.Errorf("axes %v of shape %v are not all 1", axes, x.Shape)
	}
	return one(view(x, shape...))
}

func unsqueeze(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	rank := len(x.Shape) + len(in[1].I)
	axes, err := axesOf(in[1].I, rank)
	if err != nil {
		return nil, err
	}
	shape, k := make([]int, rank), 0
	for i := range shape {
		if slices.Contains(axes, i) {
			shape[i] = 1
			continue
		}
		shape[i] = x.Shape[k]
		k++
	}
	return one(view(x, shape...))
}

func flatten(n *ir.Node, in []*Array) ([]*Array, error) {
	x, axis := in[0], int(n.Attrs.Int("axis", 1))
	if axis < 0 {
		axis += len(x.Shape)
	}
	if axis < 0 || axis > len(x.Shape) {
		return nil, fmt.Errorf("axis %d is out of range for rank %d", axis, len(x.Shape))
	}
	return one(view(x, count(x.Shape[:axis]), count(x.Shape[axis:])))
}

func transpose(n *ir.Node, in []*Array) ([]*Array, error) {
	x, perm := in[0], n.Attrs.Ints("perm")
	if !n.Attrs.Has("perm") {
		for k := range slices.Backward(x.Shape) {
			perm = append(perm, int64(k))
		}
	}
	axes, err := axesOf(perm, len(x.Shape))
	if err != nil || len(perm) != len(x.Shape) {
		return nil, fmt.Errorf("perm %v is no order of %d axes", perm, len(x.Shape))
	}
	shape, step := make([]int, len(axes)), make([]int, len(axes))
	from := steps(x.Shape)
	for i, k := range axes {
		shape[i], step[i] = x.Shape[k], from[k]
	}
	return one(pick(x, shape, nil, func(at []int) int { return dot(at, step) }))
}

func expand(n *ir.Node, in []*Array) ([]*Array, error) {
	x, target := in[0], in[1].I
	rank := max(len(x.Shape), len(target))
	old := slices.Concat(slices.Repeat([]int{1}, rank-len(x.Shape)), x.Shape)
	shape, step := slices.Clone(old), steps(old)
	for i, d := range target {
		k := rank - len(target) + i
		if d != 1 && old[k] != 1 && int64(old[k]) != d || d < 0 {
			return nil, fmt.Errorf("shape %v does not broadcast to %v", x.Shape, target)
		}
		if old[k] == 1 {
			shape[k], step[k] = int(d), 0
		}
	}
	return one(pick(x, shape, nil, func(at []int) int { return dot(at, step) }))
}

func tile(n *ir.Node, in []*Array) ([]*Array, error) {
	x, step := in[0], steps(in[0].Shape)
	shape := make([]int, len(x.Shape))
	for k, d := range x.Shape {
		r := in[1].I[k]
		if r < 0 || r > maxElems {
			return nil, fmt.Errorf("cannot repeat %d times", r)
		}
		shape[k] = d * int(r)
	}
	return one(pick(x, shape, nil, func(at []int) int {
		j := 0
		for k, i := range at {
			j += i % x.Shape[k] * step[k]
		}
		return j
	}))
}

func concat(n *ir.Node, in []*Array) ([]*Array, error) {
	axis, err := axisOf(n.Attrs.Int("axis", 0), len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(in[0].Shape)
	shape[axis] = 0
	for _, x := range in {
		for k, d := range x.Shape {
			if len(x.Shape) != len(shape) || k != axis && d != shape[k] {
				return nil, fmt.Errorf("shapes %v and %v do not concatenate along axis %d", in[0].Shape, x.Shape, axis)
			}
		}
		shape[axis] += x.Shape[axis]
	}
	out, err := alloc(in[0].Elem, shape...)
	if err != nil {
		return nil, err
	}
	step, start := steps(shape), 0
	for _, x := range in {
		for j, at := range each(x.Shape) {
			put(out, dot(at, step)+start*step[axis], x, j)
		}
		start += x.Shape[axis]
	}
	return []*Array{out}, nil
}

func split(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	axis, err := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
	if err != nil {
		return nil, err
	}
	sizes := ints(in, 1)
	if arg(in, 1) == nil {
		parts := n.Attrs.Int("num_outputs", int64(len(n.Out)))
		if parts < 1 || parts > int64(max(len(n.Out), x.Shape[axis], 1)) {
			return nil, fmt.Errorf("cannot split into %d parts", parts)
		}
		sizes = make([]int64, parts)
		left := int64(x.Shape[axis])
		each := (left + parts - 1) / parts // the last part is the smaller one
		for i := range sizes {
			sizes[i] = min(each, left)
			left -= sizes[i]
		}
	}
	outs, start := make([]*Array, len(sizes)), 0
	for i, size := range sizes {
		if size < 0 || start+int(size) > x.Shape[axis] {
			return nil, fmt.Errorf("sizes %v do not fit axis %d of shape %v", sizes, axis, x.Shape)
		}
		if outs[i], err = cut(x, axis, start, 1, int(size)); err != nil {
			return nil, err
		}
		start += int(size)
	}
	if start != x.Shape[axis] {
		return nil, fmt.Errorf("sizes %v do not fill axis %d of shape %v", sizes, axis, x.Shape)
	}
	return outs, nil
}

// cut returns size elements of x along an axis, from start on, step apart.
func cut(x *Array, axis, start, step, size int) (*Array, error) {
	shape := slices.Clone(x.Shape)
	shape[axis] = size
	by := steps(x.Shape)
	first := start * by[axis]
	by[axis] *= step
	return pick(x, shape, nil, func(at []int) int { return first + dot(at, by) })
}

func slice(n *ir.Node, in []*Array) ([]*Array, error) {
	x, starts, ends := in[0], in[1].I, in[2].I
	axes, err := axesOf(ints(in, 3), len(x.Shape))
	if err != nil {
		return nil, err
	}
	if len(starts) > len(axes) || len(ends) != len(starts) {
		return nil, fmt.Errorf("%d starts, %d ends and %d axes", len(starts), len(ends), len(axes))
	}
	for i := range starts {
		k, step := axes[i], int64(1)
		if s := ints(in, 4); s != nil {
			step = s[i]
		}
		start, size, err := sliceRange(starts[i], ends[i], step, int64(x.Shape[k]))
		if err != nil {
			return nil, err
		}
		if x, err = cut(x, k, start, int(step), size); err != nil {
			return nil, err
		}
	}
	return []*Array{x}, nil
}

// sliceRange returns the first index and the number of indices that Slice takes
// from an axis of dim elements.
func sliceRange(start, end, step, dim int64) (first, size int, err error) {
	if step == 0 {
		return 0, 0, fmt.Errorf("step 0")
	}
	low, hi := int64(0), dim // what the end may be, counted from the front
	if step < 0 {
		low, hi = -1, dim-1
	}
	clamp := func(i, lo int64) int64 {
		if i < 0 {
			i += dim // cannot overflow: i is negative
		}
		return min(max(i, lo), hi)
	}
	start, end = clamp(start, 0), clamp(end, low) // numpy lets a start be before the front, ONNX does not
	if step > 0 && end > start {
		return int(start), int((end-start-1)/step + 1), nil
	}
	if step < 0 && start > end {
		return int(start), int((end-start+1)/step + 1), nil
	}
	return 0, 0, nil
}
