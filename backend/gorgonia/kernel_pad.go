package gorgonia

import "slices"

// pad surrounds a tensor with a constant, of every element type. Other modes,
// and pads that cut, go to the interpreter.
func pad(c *call) ([]*Value, error) {
	x := c.in[0]
	before, shape, ok := c.padding(x)
	if !ok || x.len() == 0 || len(x.shape) == 0 {
		return interpret(c)
	}
	out := c.new(x.elem, shape...)
	width := size(x.elem)
	raw := out.buf.bytes[:out.len()*width]
	if len(c.in) > 2 && c.in[2] != nil {
		fill(raw, c.bytes(c.in[2])[:width])
	} else {
		clear(raw)
	}
	src := c.bytes(x)
	last := len(shape) - 1
	row := x.shape[last] * width
	st := rowMajor(shape)
	at := 0
	eachIndex(x.shape[:last], func(idx []int) {
		to := before[last]
		for i, k := range idx {
			to += (k + before[i]) * st[i]
		}
		copy(raw[to*width:to*width+row], src[at:at+row])
		at += row
	})
	return one(out)
}

// padding returns the number of elements before each axis and the padded
// shape; false if this is not padding by a constant.
func (c *call) padding(x *Value) (before, shape []int, ok bool) {
	if c.n.Attrs.String("mode", "constant") != "constant" {
		return nil, nil, false
	}
	pads := c.ints(c.in[1])
	axes := make([]int, len(pads)/2)
	for i := range axes {
		axes[i] = i
	}
	if len(c.in) > 3 && c.in[3] != nil {
		for i, a := range c.ints(c.in[3]) {
			axes[i] = axisOf(a, len(x.shape))
		}
	}
	before, shape = make([]int, len(x.shape)), slices.Clone(x.shape)
	for i, a := range axes {
		lo, hi := pads[i], pads[len(axes)+i]
		if lo < 0 || hi < 0 || lo > maxElements || hi > maxElements {
			return nil, nil, false
		}
		before[a] = int(lo)
		shape[a] += int(lo + hi)
	}
	return before, shape, true
}

// fill repeats item over raw.
func fill(raw, item []byte) {
	n := copy(raw, item)
	for ; n < len(raw); n *= 2 {
		copy(raw[n:], raw[:n])
	}
}
