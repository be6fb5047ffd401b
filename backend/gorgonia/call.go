package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// A kernel computes a node's outputs. An omitted input is nil. Outputs may
// share their inputs' buffers (views). Kernels keep no references.
type kernel func(c *call) ([]*Value, error)

// call is one run of one kernel.
type call struct {
	*session
	n     *ir.Node
	in    []*Value
	ids   nodeIDs
	temps []*Value
}

// one wraps the usual single result.
func one(v *Value) ([]*Value, error) { return []*Value{v}, nil }

// new returns an uninitialized contiguous value.
func (c *call) new(elem ir.DType, shape ...int) *Value {
	n := count(shape)
	if n < 0 || n > maxElements {
		panic(fmt.Sprintf("shape %v is too large", shape))
	}
	return &Value{elem: elem, shape: shape, buf: c.memory.alloc(n * size(elem))}
}

// maxElements bounds a single tensor: 2³⁴ elements are 64 GiB of float32, and a
// product beyond it is a malformed model's.
const maxElements = 1 << 34

// temp returns a value that lives until the kernel has returned.
func (c *call) temp(elem ir.DType, shape ...int) *Value {
	v := c.new(elem, shape...)
	v.buf.refs++
	c.temps = append(c.temps, v)
	return v
}

func (c *call) dropTemps() {
	for _, v := range c.temps {
		c.memory.release(v.buf)
	}
	c.temps = nil
}

// dense returns v, or a contiguous copy of it that lives as long as the call.
func (c *call) dense(v *Value) *Value {
	if v.contiguous() {
		return v
	}
	d := c.temp(v.elem, v.shape...)
	c.copyTo(d.buf.bytes[:d.len()*size(v.elem)], v)
	return d
}

// floats returns the elements of a float32 value, row-major.
func (c *call) floats(v *Value) []float32 { return flat[float32](c.dense(v)) }

// reuse returns a value to write the result to: input i itself if it is
// contiguous, of that type and size, and dies with this call, else a new one.
func (c *call) reuse(i int, elem ir.DType, shape []int) *Value {
	v := c.in[i]
	if v == nil || v.elem != elem || v.strides != nil || v.off != 0 || v.buf.borrowed || v.buf.refs != 1 || v.len() != count(shape) {
		return c.new(elem, shape...)
	}
	id := c.ids.in[i]
	uses := 0
	for _, other := range c.ids.in {
		if other == id {
			uses++
		}
	}
	if int(c.left[id]) != uses {
		return c.new(elem, shape...)
	}
	return v.view(shape, nil, 0)
}

// ints returns the elements of an integer or boolean value.
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
