package reference

import (
	"errors"
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

var elementwiseKernels = map[string]kernel{
	"Constant": constant,
	"Identity": func(n *ir.Node, in []*Array) ([]*Array, error) { return in[:1], nil },
	"Cast":     cast,
	"CastLike": castLike,
	"Dropout":  dropout,
	"Where":    where,
	"CumSum":   cumSum,
	"CumProd":  cumProd,
	"BitCast":  bitCast,
	"Add":      binary(func(x, y float64) float64 { return x + y }, func(x, y int64) int64 { return x + y }),
	"Sub":      binary(func(x, y float64) float64 { return x - y }, func(x, y int64) int64 { return x - y }),
	"Mul":      binary(func(x, y float64) float64 { return x * y }, func(x, y int64) int64 { return x * y }),
	"Div": nonZeroDivisor(unsigned(func(x, y uint64) uint64 { return x / y },
		binary(func(x, y float64) float64 { return x / y }, func(x, y int64) int64 { return x / y }))),
	"Mod":   nonZeroDivisor(unsigned(func(x, y uint64) uint64 { return x % y }, mod)),
	"Pow":   pow,
	"Max":   ordered(variadic(binary(func(x, y float64) float64 { return max(x, y) }, func(x, y int64) int64 { return max(x, y) }))),
	"Min":   ordered(variadic(binary(func(x, y float64) float64 { return min(x, y) }, func(x, y int64) int64 { return min(x, y) }))),
	"Sum":   variadic(binary(func(x, y float64) float64 { return x + y }, func(x, y int64) int64 { return x + y })),
	"Mean":  mean,
	"Clip":  ordered(clip),
	"PRelu": binary(func(x, y float64) float64 { return leaky(x, y) }, leakyInt),
	"Neg":   unary(func(x float64) float64 { return -x }, func(x int64) int64 { return -x }),
	"Abs":   unsignedOne(func(x int64) int64 { return x }, unary(math.Abs, func(x int64) int64 { return max(x, -x) })),
	"Sign": unsignedOne(func(x int64) int64 { return int64(min(1, uint64(x))) },
		unary(sign, func(x int64) int64 { return min(1, max(-1, x)) })),
	"Sqrt":       unary(math.Sqrt, nil),
	"Reciprocal": unary(func(x float64) float64 { return 1 / x }, nil),
	"Exp":        unary(math.Exp, nil),
	"Log":        unary(math.Log, nil),
	"Floor":      unary(math.Floor, nil),
	"Ceil":       unary(math.Ceil, nil),
	"Round":      unary(math.RoundToEven, nil),
	"Sin":        unary(math.Sin, nil),
	"Cos":        unary(math.Cos, nil),
	"Tan":        unary(math.Tan, nil),
	"Sinh":       unary(math.Sinh, nil),
	"Cosh":       unary(math.Cosh, nil),
	"Asin":       unary(math.Asin, nil),
	"Acos":       unary(math.Acos, nil),
	"Atan":       unary(math.Atan, nil),
	"Asinh":      unary(math.Asinh, nil),
	"Acosh":      unary(math.Acosh, nil),
	"Atanh":      unary(math.Atanh, nil),
	"Erf":        unary(math.Erf, nil),
}

// unary returns the kernel of a function of one argument; i is its integer
// form, nil if it has none.
func unary(f func(x float64) float64, i func(x int64) int64) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		x := in[0]
		out := NewArray(x.Elem, x.Shape...)
		switch {
		case x.F != nil:
			for k, v := range x.F {
				out.F[k] = f(v)
			}
		case i == nil || x.I == nil:
			return nil, fmt.Errorf("input is of type %s, want floating point", x.Elem)
		default:
			for k, v := range x.I {
				out.I[k] = fit(x.Elem, i(v))
			}
		}
		return []*Array{out}, nil
	}
}

// binary returns the kernel of a broadcasting function of two arguments of one
// type.
func binary(f func(x, y float64) float64, i func(x, y int64) int64) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		x, y := in[0], in[1]
		if x.Elem != y.Elem {
			return nil, fmt.Errorf("operands are of types %s and %s, want one type", x.Elem, y.Elem)
		}
		if x.F == nil && (i == nil || x.I == nil) {
			return nil, fmt.Errorf("operands are of type %s, want floating point", x.Elem)
		}
		shape, err := broadcastShape(x, y)
		if err != nil {
			return nil, err
		}
		out := NewArray(x.Elem, shape...)
		p, q := stretched(x, shape), stretched(y, shape)
		if x.F != nil {
			zip(out.F, x.F, y.F, shape, p, q, f)
		} else {
			zip(out.I, x.I, y.I, shape, p, q, func(x, y int64) int64 { return fit(out.Elem, i(x, y)) })
		}
		return []*Array{out}, nil
	}
}

// zip combines elements of x and y, which lie p and q apart along the axes of
// shape. Tensors of one shape, the usual case, need no index: 5 ns an element
// instead of 15.
func zip[T number](out, x, y []T, shape, p, q []int, f func(x, y T) T) {
	if len(x) == len(out) && len(y) == len(out) {
		for k := range out {
			out[k] = f(x[k], y[k])
		}
		return
	}
	for k, at := range each(shape) {
		out[k] = f(x[dot(at, p)], y[dot(at, q)])
	}
}

// variadic applies a kernel of two arguments to any number.
func variadic(k kernel) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		out := in[:1]
		for _, a := range in[1:] {
			var err error
			if out, err = k(n, []*Array{out[0], a}); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

// nonZeroDivisor makes division of an integer by zero an error.
func nonZeroDivisor(k kernel) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		for _, d := range in[1].I {
			if d == 0 {
				return nil, errors.New("integer division by zero")
			}
		}
		return k(n, in)
	}
}

func mod(n *ir.Node, in []*Array) ([]*Array, error) {
	if n.Attrs.Int("fmod", 0) != 0 {
		return binary(math.Mod, func(x, y int64) int64 { return x % y })(n, in)
	}
	return binary(
		func(x, y float64) float64 { return floored(math.Mod(x, y), y) },
		func(x, y int64) int64 { return floored(x%y, y) })(n, in)
}

// floored gives a remainder the sign of the divisor.
func floored[T number](r, y T) T {
	if r != 0 && (r < 0) != (y < 0) {
		r += y
	}
	return r
}

// pow has a result of the type of the base. Integers go through float64.
func pow(n *ir.Node, in []*Array) ([]*Array, error) {
	power, err := binary(math.Pow, nil)(n, []*Array{asFloat(in[0]), asFloat(in[1])})
	if err != nil {
		return nil, err
	}
	return one(convert(power[0], in[0].Elem))
}

// asFloat returns a as float64.
func asFloat(a *Array) *Array {
	out := &Array{Elem: ir.Double, Shape: a.Shape, F: a.F}
	if a.F == nil {
		out.F = make([]float64, len(a.I))
		for i, x := range a.I {
			out.F[i] = float64(x)
		}
	}
	return out
}

func mean(n *ir.Node, in []*Array) ([]*Array, error) {
	out, err := elementwiseSum(n, in)
	if err != nil {
		return nil, err
	}
	count := float64(len(in))
	return unary(func(x float64) float64 { return x / count }, nil)(n, out)
}

var elementwiseSum = variadic(binary(func(x, y float64) float64 { return x + y }, nil))

func clip(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	lo, hi := arg(in, 1), arg(in, 2)
	for _, bound := range []*Array{lo, hi} {
		if bound != nil && (bound.Len() != 1 || bound.Elem != x.Elem) {
			return nil, fmt.Errorf("a bound has shape %v and type %s, want a scalar of type %s", bound.Shape, bound.Elem, x.Elem)
		}
	}
	return unary(
		func(v float64) float64 {
			if lo != nil {
				v = max(v, lo.F[0])
			}
			if hi != nil {
				v = min(v, hi.F[0])
			}
			return v
		},
		func(v int64) int64 {
			if lo != nil {
				v = max(v, lo.I[0])
			}
			if hi != nil {
				v = min(v, hi.I[0])
			}
			return v
		})(n, in)
}

func leaky(x, slope float64) float64 {
	if x < 0 {
		return slope * x
	}
	return x
}

func leakyInt(x, slope int64) int64 {
	if x < 0 {
		return slope * x
	}
	return x
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x // 0 or NaN
}

func constant(n *ir.Node, in []*Array) ([]*Array, error) { return constantBy(n, FromTensor) }

func constantBy(n *ir.Node, read func(*ir.Tensor) (*Array, error)) ([]*Array, error) {
	t, err := ops.ConstantOf(n.Attrs)
	if err != nil {
		return nil, err
	}
	return one(read(t))
}

func where(n *ir.Node, in []*Array) ([]*Array, error) {
	c, x, y := in[0], in[1], in[2]
	if x.Elem != y.Elem {
		return nil, fmt.Errorf("operands are of types %s and %s, want one type", x.Elem, y.Elem)
	}
	shape, err := broadcastShape(in...)
	if err != nil {
		return nil, err
	}
	out := NewArray(x.Elem, shape...)
	choose, p, q := stretched(c, shape), stretched(x, shape), stretched(y, shape)
	for i, at := range each(shape) {
		if c.I[dot(at, choose)] != 0 {
			put(out, i, x, dot(at, p))
		} else {
			put(out, i, y, dot(at, q))
		}
	}
	return []*Array{out}, nil
}

// dropout copies: this is inference.
func dropout(n *ir.Node, in []*Array) ([]*Array, error) {
	train, ratio := arg(in, 2), arg(in, 1)
	if train != nil && train.I[0] != 0 && (ratio == nil || ratio.F[0] != 0) {
		return nil, errors.New("it is in training mode: export the model for inference")
	}
	mask := NewArray(ir.Bool, in[0].Shape...)
	for i := range mask.I {
		mask.I[i] = 1
	}
	return []*Array{in[0], mask}, nil
}

func cumSum(n *ir.Node, in []*Array) ([]*Array, error) {
	return running(n, in, 0, func(s, x float64) float64 { return s + x }, func(s, x int64) int64 { return s + x })
}

func cumProd(n *ir.Node, in []*Array) ([]*Array, error) {
	return running(n, in, 1, func(s, x float64) float64 { return s * x }, func(s, x int64) int64 { return s * x })
}

// running folds every line along an axis from a start and keeps the results on
// the way.
func running(n *ir.Node, in []*Array, start int64, f func(s, x float64) float64, g func(s, x int64) int64) ([]*Array, error) {
	x := in[0]
	if len(in[1].I) != 1 {
		return nil, fmt.Errorf("axis has shape %v, want one element", in[1].Shape)
	}
	axis, err := axisOf(in[1].I[0], len(x.Shape))
	if err != nil {
		return nil, err
	}
	out := NewArray(x.Elem, x.Shape...)
	lines := NewArray(ir.Int64, x.Shape...) // the numbers of the elements, line by line
	for i := range lines.I {
		lines.I[i] = int64(i)
	}
	groups, _ := grouped(lines.I, x.Shape, []int{axis})
	exclusive := n.Attrs.Int("exclusive", 0) != 0
	for _, line := range groups {
		if n.Attrs.Int("reverse", 0) != 0 {
			line = reversed(line)
		}
		if x.F != nil {
			runningFold(out.F, x.F, line, exclusive, float64(start), f)
		} else {
			runningFold(out.I, x.I, line, exclusive, start, func(s, x int64) int64 { return fit(out.Elem, g(s, x)) })
		}
	}
	return []*Array{out}, nil
}

func reversed(line []int64) []int64 {
	out := make([]int64, len(line))
	for i, v := range line {
		out[len(line)-1-i] = v
	}
	return out
}

func runningFold[T int64 | float64](out, x []T, line []int64, exclusive bool, s T, f func(s, x T) T) {
	for _, i := range line {
		if exclusive {
			out[i] = s
		}
		s = f(s, x[i])
		if !exclusive {
			out[i] = s
		}
	}
}
