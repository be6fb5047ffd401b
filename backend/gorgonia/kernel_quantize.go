package gorgonia

import (
	"sync"

	"github.com/lxtc/lxtc/ir"
)

// quantize is QuantizeLinear of float32 to bytes by one scale; other scales go
// to the interpreter.
func quantize(c *call) ([]*Value, error) {
	x, scale := c.in[0], c.in[1]
	if scale.len() != 1 {
		return interpret(c)
	}
	x, turn := inOrder(x)
	out := c.new(c.n.Out[0].Type.Elem, x.shape...)
	zero := make([]float32, 1)
	if len(c.in) > 2 && c.in[2] != nil {
		if err := c.widen(zero, c.in[2]); err != nil {
			return nil, err
		}
	}
	if out.elem == ir.Int8 {
		steps(c, flat[int8](out), c.floats(x), c.floats(scale)[0], zero[0], -128, 127)
	} else {
		steps(c, flat[uint8](out), c.floats(x), c.floats(scale)[0], zero[0], 0, 255)
	}
	return one(turn(out))
}

// inOrder returns the elements of x in the order in which they lie in memory, and
// what gives such a value the axes of x again: of a turned weight there need be no
// copy.
func inOrder(x *Value) (inOrder *Value, turn func(*Value) *Value) {
	dims, ok := x.inMemory()
	if x.strides == nil || !ok || x.stored != nil {
		return x, func(v *Value) *Value { return v }
	}
	return x.view(dims, nil, x.off), func(v *Value) *Value { return v.view(x.shape, x.strides, v.off) }
}

// quantizes reports whether quantize and quantizeDynamic know the types of a
// node.
func quantizes(n *ir.Node) bool {
	if n.In[0].Type.Elem != ir.Float || n.Out[0] == nil {
		return false
	}
	to := n.Out[0].Type.Elem
	return to == ir.Uint8 || to == ir.Int8 && n.In[1].Type.Elem == ir.Float
}

// steps rounds x/scale to even, adds zero and limits the sum to [lo, hi]. Added
// to a float32 of this size, a number is rounded to an integer.
func steps[T int8 | uint8](c *call, dst []T, x []float32, scale, zero, lo, hi float32) {
	const rounding = 3 << 22
	lo, hi = lo-zero, hi-zero
	c.inChunks(len(dst), func(from, to int) {
		for i, v := range x[from:to] {
			v /= scale
			if !(v > lo) { // not a number counts as low
				v = lo
			}
			v = min(v, hi)
			dst[from+i] = T(int32(v + rounding - rounding + zero))
		}
	})
}

// quantizeDynamic is DynamicQuantizeLinear.
func quantizeDynamic(c *call) ([]*Value, error) {
	x := c.floats(c.in[0])
	var lo, hi float32
	var merge sync.Mutex
	c.inChunks(len(x), func(from, to int) {
		var least, most float32
		for _, v := range x[from:to] {
			least, most = min(least, v), max(most, v)
		}
		merge.Lock()
		lo, hi = min(lo, least), max(hi, most)
		merge.Unlock()
	})
	scale := (hi - lo) / 255
	if scale == 0 {
		scale = 1
	}
	y, s, z := c.new(ir.Uint8, c.in[0].shape...), c.new(ir.Float), c.new(ir.Uint8)
	flat[float32](s)[0] = scale
	steps(c, flat[uint8](z), []float32{-lo}, scale, 0, 0, 255)
	steps(c, flat[uint8](y), x, scale, float32(flat[uint8](z)[0]), 0, 255)
	return []*Value{y, s, z}, nil
}
