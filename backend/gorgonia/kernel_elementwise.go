package gorgonia

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

var binaries = map[string]cpu.Binary{
	"Add": cpu.Add, "Sub": cpu.Sub, "Mul": cpu.Mul, "Div": cpu.Div, "Max": cpu.Max, "Min": cpu.Min, "Sum": cpu.Add,
}

var unaries = map[string]cpu.Unary{
	"Neg": cpu.Neg, "Abs": cpu.Abs, "Sqrt": cpu.Sqrt, "Reciprocal": cpu.Reciprocal, "Relu": cpu.Relu, "Exp": cpu.Exp,
	"Log": cpu.Log, "Sigmoid": cpu.Sigmoid, "Tanh": cpu.Tanh, "Erf": cpu.Erf,
	"HardSwish": cpu.HardSwish,
}

// binary is an operator of two operands, or of any number that are combined
// from the left.
func binary(c *call) ([]*Value, error) {
	op := binaries[c.n.Op.Name]
	acc := c.in[0]
	if len(c.in) == 1 {
		return one(acc.view(acc.shape, acc.strides, acc.off))
	}
	for i, next := range c.in[1:] {
		shape, err := broadcastShapes(acc.shape, next.shape)
		if err != nil {
			return nil, err
		}
		out := acc // of the steps before
		switch {
		case i == 0:
			out = c.result(shape)
		case !slices.Equal(acc.shape, shape):
			out = c.new(ir.Float, shape...)
		}
		if err := c.zip(op, out, acc, next); err != nil {
			return nil, err
		}
		acc = out
	}
	return one(acc)
}

// zip computes out = op(x, y), broadcast to out's shape. out may be x or y if
// that has this shape.
func (c *call) zip(op cpu.Binary, out, x, y *Value) error {
	if out.len() == 0 {
		return nil
	}
	shape := out.shape
	dst := flat[float32](out)
	switch {
	case y.len() == 1 && x.contiguous() && x.len() == out.len():
		c.engine.ZipScalar(op, dst, flat[float32](x), as[float32](y)[0])
		return nil
	case x.len() == 1 && y.contiguous() && y.len() == out.len():
		c.engine.ScalarZip(op, dst, as[float32](x)[0], flat[float32](y))
		return nil
	case x.contiguous() && y.contiguous() && x.len() == out.len() && y.len() == out.len():
		c.engine.Zip(op, dst, flat[float32](x), flat[float32](y))
		return nil
	}
	sx, err := broadcastStrides(x, shape)
	if err != nil {
		return err
	}
	sy, err := broadcastStrides(y, shape)
	if err != nil {
		return err
	}
	short, sx, sy := collapse(shape, sx, sy)
	c.engine.Broadcast(op, short, dst, operandAt(x, sx), operandAt(y, sy))
	return nil
}

// result returns a value for an elementwise function of the first two inputs:
// one of them, if it may be overwritten, or a new one.
func (c *call) result(shape []int) *Value {
	times := int32(1)
	if len(c.in) == 2 && c.ids.in[0] == c.ids.in[1] { // f(x, x)
		times = 2
	}
	for i := range 2 {
		if v := c.in[i]; c.expendable(i, times) && v.len() == count(shape) {
			return v.view(shape, nil, 0)
		}
	}
	return c.new(ir.Float, shape...)
}

func unary(c *call) ([]*Value, error) { return c.mapped(unaries[c.n.Op.Name], c.in[0]) }

func (c *call) mapped(op cpu.Unary, x *Value) ([]*Value, error) {
	y := c.reuse(0, ir.Float, x.shape)
	c.engine.Map(op, flat[float32](y), c.floats(x))
	return one(y)
}

func gelu(c *call) ([]*Value, error) {
	if c.n.Attrs.String("approximate", "none") == "tanh" {
		return c.mapped(cpu.GeluTanh, c.in[0])
	}
	return c.mapped(cpu.Gelu, c.in[0])
}

func swish(c *call) ([]*Value, error) {
	alpha := c.n.Attrs.Float("alpha", 1)
	x := c.in[0]
	if alpha == 1 {
		return c.mapped(cpu.Silu, x)
	}
	y, src := c.new(ir.Float, x.shape...), c.floats(x)
	dst := flat[float32](y)
	c.engine.ZipScalar(cpu.Mul, dst, src, alpha)
	c.engine.Map(cpu.Sigmoid, dst, dst)
	c.engine.Zip(cpu.Mul, dst, dst, src)
	return one(y)
}

// pow knows the exponents that models have; others go to the interpreter.
func pow(c *call) ([]*Value, error) {
	e := c.in[1]
	x := c.in[0]
	if e.elem != ir.Float || e.len() != 1 || len(e.shape) > len(x.shape) {
		return interpret(c)
	}
	switch as[float32](e)[0] {
	case 1:
		return one(x.view(x.shape, x.strides, x.off))
	case 2:
		return c.mapped(cpu.Square, x)
	case 3:
		y, src := c.new(ir.Float, x.shape...), c.floats(x)
		c.engine.Map(cpu.Square, flat[float32](y), src)
		c.engine.Zip(cpu.Mul, flat[float32](y), flat[float32](y), src)
		return one(y)
	case 0.5:
		return c.mapped(cpu.Sqrt, x)
	case -0.5:
		return c.mapped(cpu.Rsqrt, x)
	case -1:
		return c.mapped(cpu.Reciprocal, x)
	}
	return interpret(c)
}

func clip(c *call) ([]*Value, error) {
	y := c.reuse(0, ir.Float, c.in[0].shape)
	dst, src := flat[float32](y), c.floats(c.in[0])
	done := false
	for i, op := range []cpu.Binary{cpu.Max, cpu.Min} {
		if len(c.in) > i+1 && c.in[i+1] != nil {
			c.engine.ZipScalar(op, dst, src, as[float32](c.in[i+1])[0])
			src, done = dst, true
		}
	}
	if !done {
		copy(dst, src)
	}
	return one(y)
}

// chunk is how many elements a worker takes at a time in loops written in Go.
const chunk = 16384

func (c *call) inChunks(n int, f func(lo, hi int)) {
	c.engine.Run((n+chunk-1)/chunk, func(i int) { f(i*chunk, min(n, (i+1)*chunk)) })
}

// spread returns v broadcast to a shape that it broadcasts to.
func (c *call) spread(v *Value, shape []int) *Value {
	st, err := broadcastStrides(v, shape)
	if err != nil {
		panic(err) // the caller has made shape from v's
	}
	return v.view(shape, st, v.off)
}

func isInf(c *call) ([]*Value, error) {
	up, down := c.n.Attrs.Int("detect_positive", 1) != 0, c.n.Attrs.Int("detect_negative", 1) != 0
	src := c.floats(c.in[0])
	out := c.new(ir.Bool, c.in[0].shape...)
	dst := flat[bool](out)
	c.inChunks(len(dst), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			dst[i] = up && src[i] > math.MaxFloat32 || down && src[i] < -math.MaxFloat32
		}
	})
	return one(out)
}

// where selects by a mask; every element type.
func where(c *call) ([]*Value, error) {
	shape, err := broadcastShapes(c.in[0].shape, c.in[1].shape, c.in[2].shape)
	if err != nil {
		return nil, err
	}
	switch size(c.in[1].elem) {
	case 1:
		return selected[uint8](c, shape)
	case 2:
		return selected[uint16](c, shape)
	case 4:
		return c.selectedWords(shape)
	case 8:
		return selected[uint64](c, shape)
	}
	return nil, fmt.Errorf("elements of type %s", c.in[1].elem)
}

// selectedWords selects elements of four bytes, whatever they are.
func (c *call) selectedWords(shape []int) ([]*Value, error) {
	out := c.new(c.in[1].elem, shape...)
	pick := func(v *Value) []float32 {
		if v.len() == 1 {
			return as[float32](v)[:1]
		}
		return c.floats(c.spread(v, shape))
	}
	c.engine.Choose(flat[float32](out), flat[uint8](c.dense(c.spread(c.in[0], shape))), pick(c.in[1]), pick(c.in[2]))
	return one(out)
}

func selected[T any](c *call, shape []int) ([]*Value, error) {
	out := c.new(c.in[1].elem, shape...)
	dst := flat[T](out)
	mask := flat[uint8](c.dense(c.spread(c.in[0], shape)))
	pick := func(v *Value) (data []T, step int) {
		if v.len() == 1 {
			return as[T](v)[:1], 0
		}
		return flat[T](c.dense(c.spread(v, shape))), 1
	}
	if len(dst) == 0 {
		return one(out)
	}
	a, sa := pick(c.in[1])
	b, sb := pick(c.in[2])
	c.inChunks(len(dst), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			if mask[i] != 0 {
				dst[i] = a[i*sa]
			} else {
				dst[i] = b[i*sb]
			}
		}
	})
	return one(out)
}
