package reference

import (
	"cmp"
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

var logicKernels = map[string]kernel{
	"Equal":          comparison(func(c int) bool { return c == 0 }),
	"Greater":        comparison(func(c int) bool { return c > 0 }),
	"GreaterOrEqual": comparison(func(c int) bool { return c >= 0 }),
	"Less":           comparison(func(c int) bool { return c < 0 }),
	"LessOrEqual":    comparison(func(c int) bool { return c <= 0 }),
	"And":            bitwise(func(x, y int64) int64 { return x & y }),
	"Or":             bitwise(func(x, y int64) int64 { return x | y }),
	"Xor":            bitwise(func(x, y int64) int64 { return x ^ y }),
	"BitwiseAnd":     bitwise(func(x, y int64) int64 { return x & y }),
	"BitwiseOr":      bitwise(func(x, y int64) int64 { return x | y }),
	"BitwiseXor":     bitwise(func(x, y int64) int64 { return x ^ y }),
	"BitShift":       bitShift,
	"Not": func(n *ir.Node, in []*Array) ([]*Array, error) {
		return truths(in[0], func(i int) bool { return in[0].I[i] == 0 })
	},
	"BitwiseNot": func(n *ir.Node, in []*Array) ([]*Array, error) {
		out := NewArray(in[0].Elem, in[0].Shape...)
		for i, x := range in[0].I {
			out.I[i] = fit(out.Elem, ^x)
		}
		return []*Array{out}, nil
	},
	"IsNaN": func(n *ir.Node, in []*Array) ([]*Array, error) {
		return truths(in[0], func(i int) bool { return math.IsNaN(in[0].F[i]) })
	},
	"IsInf": func(n *ir.Node, in []*Array) ([]*Array, error) {
		up, down := n.Attrs.Int("detect_positive", 1) != 0, n.Attrs.Int("detect_negative", 1) != 0
		return truths(in[0], func(i int) bool {
			return up && math.IsInf(in[0].F[i], 1) || down && math.IsInf(in[0].F[i], -1)
		})
	},
}

// truths returns a boolean array of the shape of x.
func truths(x *Array, f func(i int) bool) ([]*Array, error) {
	out := NewArray(ir.Bool, x.Shape...)
	for i := range out.I {
		if f(i) {
			out.I[i] = 1
		}
	}
	return []*Array{out}, nil
}

// pairs calls f with the numbers of the elements of x and y that meet in each
// element of their common shape, which it returns.
func pairs(x, y *Array, f func(i, j int)) ([]int, error) {
	if x.Elem != y.Elem {
		return nil, fmt.Errorf("operands are of types %s and %s", x.Elem, y.Elem)
	}
	shape, err := broadcastShape(x, y)
	if err != nil {
		return nil, err
	}
	xs, ys := stretched(x, shape), stretched(y, shape)
	for _, at := range each(shape) {
		f(dot(at, xs), dot(at, ys))
	}
	return shape, nil
}

// comparison returns a kernel from what it makes of -1, 0 and 1: less, equal
// and greater. NaN is none of them.
func comparison(holds func(c int) bool) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		x, y := in[0], in[1]
		compare := func(i, j int) bool {
			switch {
			case x.F != nil:
				if math.IsNaN(x.F[i]) || math.IsNaN(y.F[j]) {
					return false
				}
				return holds(cmp.Compare(x.F[i], y.F[j]))
			case x.S != nil:
				return holds(cmp.Compare(x.S[i], y.S[j]))
			case x.Elem == ir.Uint64:
				return holds(cmp.Compare(uint64(x.I[i]), uint64(y.I[j])))
			}
			return holds(cmp.Compare(x.I[i], y.I[j]))
		}
		out := &Array{Elem: ir.Bool, I: []int64{}}
		var err error
		out.Shape, err = pairs(x, y, func(i, j int) {
			var v int64
			if compare(i, j) {
				v = 1
			}
			out.I = append(out.I, v)
		})
		return one(out, err)
	}
}

func bitwise(f func(x, y int64) int64) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		x, y := in[0], in[1]
		out := &Array{Elem: x.Elem, I: []int64{}}
		var err error
		out.Shape, err = pairs(x, y, func(i, j int) { out.I = append(out.I, f(x.I[i], y.I[j])) })
		return one(out, err)
	}
}

func bitShift(n *ir.Node, in []*Array) ([]*Array, error) {
	bits := in[0].Elem.Bits()
	var shift func(x, by int64) int64
	switch d := n.Attrs.String("direction", ""); d {
	case "LEFT":
		shift = func(x, by int64) int64 { return fit(in[0].Elem, x<<min(uint64(by), uint64(bits))) }
	case "RIGHT": // the types are unsigned
		shift = func(x, by int64) int64 { return int64(uint64(x) >> min(uint64(by), uint64(bits))) }
	default:
		return nil, fmt.Errorf("unknown direction %q", d)
	}
	return bitwise(shift)(n, in)
}
