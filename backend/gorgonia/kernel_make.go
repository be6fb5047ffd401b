package gorgonia

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

func rangeOf(c *call) ([]*Value, error) {
	switch c.in[0].elem {
	case ir.Float:
		return sequence[float32](c)
	case ir.Int64:
		return sequence[int64](c)
	case ir.Int32:
		return sequence[int32](c)
	}
	return interpret(c)
}

func sequence[T float32 | int64 | int32](c *call) ([]*Value, error) {
	var bounds [3]T
	for i, v := range c.in {
		if v.len() != 1 {
			return nil, fmt.Errorf("an input of shape %v, want one number", v.shape)
		}
		bounds[i] = as[T](v)[0]
	}
	start, limit, delta := bounds[0], bounds[1], bounds[2]
	n := math.Ceil((float64(limit) - float64(start)) / float64(delta))
	if !(n < maxElements) || delta == 0 {
		return nil, fmt.Errorf("from %v to %v in steps of %v: these are too many elements, or none ever", start, limit, delta)
	}
	out := c.new(c.in[0].elem, int(max(n, 0)))
	for i := range flat[T](out) {
		flat[T](out)[i] = T(float64(start) + float64(i)*float64(delta))
		if delta == T(int64(delta)) && start == T(int64(start)) { // integers beyond 2⁵³ are exact, too
			flat[T](out)[i] = T(int64(start) + int64(i)*int64(delta))
		}
	}
	return one(out)
}

// trilu keeps a triangle of each matrix and clears the other.
func trilu(c *call) ([]*Value, error) {
	r := len(c.in[0].shape)
	if r < 2 {
		return nil, fmt.Errorf("shape %v, want two axes or more", c.in[0].shape)
	}
	rows, cols, k := c.in[0].shape[r-2], c.in[0].shape[r-1], 0
	if len(c.in) > 1 && c.in[1] != nil {
		ks := c.ints(c.in[1])
		if len(ks) != 1 {
			return nil, fmt.Errorf("diagonals %v, want one", ks)
		}
		k = int(min(max(ks[0], int64(-rows)), int64(cols)))
	}
	upper := c.n.Attrs.Int("upper", 1) != 0
	out := c.copyOf(0)
	width := size(out.elem)
	raw := out.buf.bytes[:out.len()*width]
	for i := range out.len() / max(cols, 1) {
		row := raw[i*cols*width : (i+1)*cols*width]
		diagonal := i%rows + k
		if upper {
			clear(row[:min(max(diagonal, 0), cols)*width])
		} else {
			clear(row[min(max(diagonal+1, 0), cols)*width:])
		}
	}
	return one(out)
}

// pad adds a border of one value, or takes one away.
func pad(c *call) ([]*Value, error) {
	if c.n.Attrs.String("mode", "constant") != "constant" {
		return interpret(c)
	}
	x := c.in[0]
	var axes []int64
	for i := range x.shape {
		axes = append(axes, int64(i))
	}
	if len(c.in) > 3 && c.in[3] != nil {
		axes = c.ints(c.in[3])
	}
	pads := c.ints(c.in[1])
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("%d pads for %d axes", len(pads), len(axes))
	}
	// The box of x that is kept begins at from, and goes to the output at to.
	shape, kept := slices.Clone(x.shape), slices.Clone(x.shape)
	from, to := make([]int, len(shape)), make([]int, len(shape))
	for i, axis := range axes {
		a := axisOf(axis, len(shape))
		before, after := pads[i], pads[len(axes)+i]
		if max(before, after) > maxElements || min(before, after) < -maxElements {
			return nil, fmt.Errorf("pads %v make no shape, or one that is too large", pads)
		}
		from[a], to[a] = max(-int(before), 0), max(int(before), 0)
		kept[a] -= from[a] + max(-int(after), 0)
		shape[a] += int(before + after)
		if shape[a] < 0 {
			return nil, fmt.Errorf("pads %v leave nothing of shape %v", pads, x.shape)
		}
		kept[a] = max(kept[a], 0)
	}
	out := c.new(x.elem, shape...)
	width := size(x.elem)
	raw := out.buf.bytes[:out.len()*width]
	if err := c.fill(raw, x.elem, 2); err != nil {
		return nil, err
	}
	if count(kept) == 0 {
		return one(out)
	}
	off := x.off
	for a, s := range x.stride() {
		off += from[a] * s
	}
	box := c.bytes(x.view(kept, x.stride(), off))
	last := len(shape) - 1
	if last < 0 {
		copy(raw, box)
		return one(out)
	}
	row := kept[last] * width
	steps := rowMajor(shape)
	eachIndex(kept[:last], func(at []int) {
		j := to[last]
		for a, i := range at {
			j += (to[a] + i) * steps[a]
		}
		copy(raw[j*width:j*width+row], box)
		box = box[row:]
	})
	return one(out)
}

// fill sets raw to copies of the only element of input i, or to zeros if it is
// omitted.
func (c *call) fill(raw []byte, elem ir.DType, i int) error {
	if len(c.in) <= i || c.in[i] == nil {
		clear(raw)
		return nil
	}
	v := c.in[i]
	if v.elem != elem || v.len() != 1 {
		return fmt.Errorf("filling %s with %s of shape %v", elem, v.elem, v.shape)
	}
	n := copy(raw, c.bytes(v))
	for ; n > 0 && n < len(raw); n *= 2 {
		copy(raw[n:], raw[:n])
	}
	return nil
}

// tile repeats the axes: a view of twice as many, half of them without a step.
func tile(c *call) ([]*Value, error) {
	x, times := c.in[0], c.ints(c.in[1])
	if len(times) != len(x.shape) {
		return nil, fmt.Errorf("%v repeats for shape %v", times, x.shape)
	}
	var wide, strides, shape []int
	for i, t := range times {
		if t < 0 || t > maxElements {
			return nil, fmt.Errorf("%v repeats make no shape, or one that is too large", times)
		}
		wide = append(wide, int(t), x.shape[i])
		strides = append(strides, 0, x.stride()[i])
		shape = append(shape, int(t)*x.shape[i])
	}
	return c.shaped(x.view(wide, strides, x.off), append([]int{}, shape...))
}
