package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// number are the Go types of elements that kernels compute with.
type number interface {
	float32 | float64 | int64 | int32 | int16 | int8 | uint64 | uint32 | uint16 | uint8
}

// compare is Less, Greater, LessOrEqual, GreaterOrEqual and Equal. Booleans
// compare as bytes.
func compare(c *call) ([]*Value, error) {
	switch e := c.in[0].elem; e {
	case ir.Float:
		return c.compareFloats(comparisons[c.n.Op.Name])
	case ir.Double:
		return compared[float64](c)
	case ir.Int64:
		return compared[int64](c)
	case ir.Int32:
		return compared[int32](c)
	case ir.Uint8, ir.Bool:
		return compared[uint8](c)
	}
	return interpret(c)
}

var comparisons = map[string]cpu.Compare{
	"Less": cpu.Less, "LessOrEqual": cpu.LessOrEqual, "Equal": cpu.Equal, "Greater": cpu.Greater, "GreaterOrEqual": cpu.GreaterOrEqual,
}

// compareFloats compares with a number, which is not spread out, or two vectors.
func (c *call) compareFloats(op cpu.Compare) ([]*Value, error) {
	x, y := c.in[0], c.in[1]
	if y.elem != ir.Float {
		return nil, fmt.Errorf("operands are of types %s and %s", x.elem, y.elem)
	}
	shape, err := broadcastShapes(x.shape, y.shape)
	if err != nil {
		return nil, err
	}
	out := c.new(ir.Bool, shape...)
	dst := flat[uint8](out)
	switch n := len(dst); {
	case n == 0:
	case y.len() == 1 && x.len() == n:
		c.engine.CompareScalar(op, dst, c.floats(x), as[float32](y)[0])
	case x.len() == 1 && y.len() == n:
		c.engine.CompareScalar(op.Turned(), dst, c.floats(y), as[float32](x)[0])
	default:
		c.engine.Compare(op, dst, c.floats(c.spread(x, shape)), c.floats(c.spread(y, shape)))
	}
	return one(out)
}

func compared[T number](c *call) ([]*Value, error) {
	return pairs(c, ir.Bool, comparison[T](c.n.Op.Name))
}

// comparison returns a loop over operands of one length.
func comparison[T number](name string) func(dst []uint8, x, y []T) {
	switch name {
	case "Less":
		return func(dst []uint8, x, y []T) {
			for i := range dst {
				dst[i] = truth(x[i] < y[i])
			}
		}
	case "Greater":
		return func(dst []uint8, x, y []T) {
			for i := range dst {
				dst[i] = truth(x[i] > y[i])
			}
		}
	case "LessOrEqual":
		return func(dst []uint8, x, y []T) {
			for i := range dst {
				dst[i] = truth(x[i] <= y[i])
			}
		}
	case "GreaterOrEqual":
		return func(dst []uint8, x, y []T) {
			for i := range dst {
				dst[i] = truth(x[i] >= y[i])
			}
		}
	case "Equal":
		return func(dst []uint8, x, y []T) {
			for i := range dst {
				dst[i] = truth(x[i] == y[i])
			}
		}
	}
	panic("no comparison " + name)
}

// truth is the byte of a boolean. The compiler makes no branch of it.
func truth(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// logic is And, Or and Xor.
func logic(c *call) ([]*Value, error) {
	switch c.n.Op.Name {
	case "And":
		return pairs(c, ir.Bool, func(dst, x, y []uint8) {
			for i := range dst {
				dst[i] = x[i] & y[i]
			}
		})
	case "Or":
		return pairs(c, ir.Bool, func(dst, x, y []uint8) {
			for i := range dst {
				dst[i] = x[i] | y[i]
			}
		})
	}
	return pairs(c, ir.Bool, func(dst, x, y []uint8) {
		for i := range dst {
			dst[i] = x[i] ^ y[i]
		}
	})
}

func not(c *call) ([]*Value, error) {
	return each(c, ir.Bool, func(x uint8) uint8 { return x ^ 1 })
}

// pairs computes a value of elements U from two of elements T, broadcast.
func pairs[T, U any](c *call, elem ir.DType, f func(dst []U, x, y []T)) ([]*Value, error) {
	x, y := c.in[0], c.in[1]
	if x.elem != y.elem {
		return nil, fmt.Errorf("operands are of types %s and %s", x.elem, y.elem)
	}
	shape, err := broadcastShapes(x.shape, y.shape)
	if err != nil {
		return nil, err
	}
	out := c.new(elem, shape...)
	dst := flat[U](out)
	a, b := flat[T](c.dense(c.spread(x, shape))), flat[T](c.dense(c.spread(y, shape)))
	c.inChunks(len(dst), func(lo, hi int) { f(dst[lo:hi], a[lo:hi], b[lo:hi]) })
	return one(out)
}

// each computes a value of elements U from input 0, of elements T.
func each[T, U any](c *call, elem ir.DType, f func(T) U) ([]*Value, error) {
	src := flat[T](c.dense(c.in[0]))
	out := c.new(elem, c.in[0].shape...)
	dst := flat[U](out)
	c.inChunks(len(dst), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			dst[i] = f(src[i])
		}
	})
	return one(out)
}
