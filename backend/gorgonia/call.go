package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// A kernel computes a node's outputs. An omitted input is nil. Outputs may
// share their inputs' buffers, but are Values of their own: views. Kernels keep
// no references.
type kernel func(c *call) ([]*Value, error)

// call is one run of one kernel.
type call struct {
	*session
	n    *ir.Node
	in   []*Value
	ids  nodeIDs
	made []*buffer // what the kernel has taken from memory

	want *bands // the part of a product's result that is wanted, if not the whole
}

// one wraps the usual single result.
func one(v *Value) ([]*Value, error) { return []*Value{v}, nil }

// new returns an uninitialized contiguous value. If the kernel does not return
// it, or a view of it, its buffer goes back when the kernel has returned.
func (c *call) new(elem ir.DType, shape ...int) *Value {
	b := c.memory.alloc(count(shape) * size(elem))
	c.made = append(c.made, b)
	return &Value{elem: elem, shape: shape, buf: b}
}

// settle gives back the buffers that no output holds.
func (c *call) settle() {
	for _, b := range c.made {
		if b.refs == 0 {
			c.memory.put(b)
		}
	}
	c.made = nil
}

// dense returns v, or a copy of it, without strides.
func (c *call) dense(v *Value) *Value {
	switch {
	case v.strides == nil:
		return v
	case v.contiguous(): // the strides of axes of one mean nothing, but readers of strides would trip
		return v.view(v.shape, nil, v.off)
	}
	d := c.new(v.elem, v.shape...)
	c.copyTo(d.buf.bytes[:d.len()*size(v.elem)], v)
	return d
}

// floats returns the elements of a float32 value, row-major.
func (c *call) floats(v *Value) []float32 { return flat[float32](c.dense(v)) }

// reuse returns a value to write the result to: input i itself if the call may
// overwrite it, else a new one.
func (c *call) reuse(i int, elem ir.DType, shape []int) *Value {
	if v := c.in[i]; c.expendable(i, 1) && v.elem == elem && v.len() == count(shape) {
		return v.view(shape, nil, 0)
	}
	return c.new(elem, shape...)
}

// expendable reports whether input i is contiguous memory that nobody else
// reads: no other value shares it, no other node has a use for it, and it is
// an input of this one only so many times.
func (c *call) expendable(i int, times int32) bool {
	v := c.in[i]
	if v == nil || v.strides != nil || v.off != 0 || v.buf.borrowed || v.buf.refs != 1 {
		return false
	}
	return c.left[c.ids.in[i]] == times
}

// ints returns a copy of the elements of an integer or boolean value.
func (c *call) ints(v *Value) []int64 {
	d := c.dense(v)
	out := make([]int64, d.len())
	switch d.elem {
	case ir.Int64, ir.Uint64:
		copy(out, flat[int64](d))
	case ir.Int32:
		widen(out, flat[int32](d))
	case ir.Uint32:
		widen(out, flat[uint32](d))
	case ir.Int16:
		widen(out, flat[int16](d))
	case ir.Uint16:
		widen(out, flat[uint16](d))
	case ir.Int8:
		widen(out, flat[int8](d))
	case ir.Uint8, ir.Bool:
		widen(out, flat[uint8](d))
	default:
		panic(fmt.Sprintf("%s are not integers", d.elem))
	}
	return out
}

func widen[T int32 | uint32 | int16 | uint16 | int8 | uint8](out []int64, in []T) {
	for i, x := range in {
		out[i] = int64(x)
	}
}
