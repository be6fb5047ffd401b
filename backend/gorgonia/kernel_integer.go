package gorgonia

import "github.com/lxtc/lxtc/ir"

// integer is arithmetic on integers, which shapes and positions are made of.
// What is too large wraps around.
func integer(c *call) ([]*Value, error) {
	if c.in[0].elem == ir.Int32 {
		return arithmetic[int32](c)
	}
	return arithmetic[int64](c)
}

func arithmetic[T int64 | int32](c *call) ([]*Value, error) {
	elem := c.in[0].elem
	switch c.n.Op.Name {
	case "Neg":
		return each(c, elem, func(x T) T { return -x })
	case "Abs":
		return each(c, elem, func(x T) T { return max(x, -x) })
	}
	if len(c.in) != 2 { // Max and Min of one or many
		return interpret(c)
	}
	return pairs(c, elem, pairwise[T](c.n.Op.Name))
}

func pairwise[T int64 | int32](name string) func(dst, x, y []T) {
	switch name {
	case "Add":
		return func(dst, x, y []T) {
			for i := range dst {
				dst[i] = x[i] + y[i]
			}
		}
	case "Sub":
		return func(dst, x, y []T) {
			for i := range dst {
				dst[i] = x[i] - y[i]
			}
		}
	case "Mul":
		return func(dst, x, y []T) {
			for i := range dst {
				dst[i] = x[i] * y[i]
			}
		}
	case "Max":
		return func(dst, x, y []T) {
			for i := range dst {
				dst[i] = max(x[i], y[i])
			}
		}
	case "Min":
		return func(dst, x, y []T) {
			for i := range dst {
				dst[i] = min(x[i], y[i])
			}
		}
	}
	panic("no arithmetic " + name)
}
