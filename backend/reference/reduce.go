package reference

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var reduceKernels = map[string]kernel{
	"ReduceSum": reduce(sumOf, sumOf),
	"ReduceMean": reduce(
		func(xs []float64) float64 { return sumOf(xs) / float64(len(xs)) },
		func(xs []int64) int64 { return sumOf(xs) / int64(max(1, len(xs))) }), // of nothing 0, as in ONNX Runtime
	"ReduceProd": reduce(productOf, productOf),
	"ReduceMax": ordered(reduceTo(saturate,
		func(xs []float64) float64 {
			return foldOf(xs, math.Inf(-1), func(x, y float64) float64 { return max(x, y) })
		},
		func(xs []int64) int64 { return foldOf(xs, math.MinInt64, func(x, y int64) int64 { return max(x, y) }) })),
	"ReduceMin": ordered(reduceTo(saturate,
		func(xs []float64) float64 {
			return foldOf(xs, math.Inf(1), func(x, y float64) float64 { return min(x, y) })
		},
		func(xs []int64) int64 { return foldOf(xs, math.MaxInt64, func(x, y int64) int64 { return min(x, y) }) })),
	"ReduceL1": reduce(absSum, absSum),
	"ReduceL2": reduce(
		func(xs []float64) float64 { return math.Sqrt(squareSum(xs)) },
		func(xs []int64) int64 { return int64(math.Sqrt(float64(squareSum(xs)))) }),
	"ReduceSumSquare": reduce(squareSum, squareSum),
	"ReduceLogSum": reduceTo(saturate,
		func(xs []float64) float64 { return math.Log(sumOf(xs)) },
		func(xs []int64) int64 { return whole(math.Log(float64(sumOf(xs)))) }),
	"ReduceLogSumExp": reduceTo(saturate, logSumExp, func(xs []int64) int64 {
		wide := make([]float64, len(xs))
		for i, x := range xs {
			wide[i] = float64(x)
		}
		return whole(logSumExp(wide))
	}),
	"ArgMax": ordered(argExtremum(1)),
	"ArgMin": ordered(argExtremum(-1)),
	"TopK":   ordered(topK),
}

type number interface{ int64 | float64 }

func foldOf[T number](xs []T, start T, f func(x, y T) T) T {
	for _, x := range xs {
		start = f(start, x)
	}
	return start
}

func sumOf[T number](xs []T) T { return foldOf(xs, 0, func(s, x T) T { return s + x }) }

func productOf[T number](xs []T) T { return foldOf(xs, 1, func(s, x T) T { return s * x }) }

func absSum[T number](xs []T) T { return foldOf(xs, 0, func(s, x T) T { return s + max(x, -x) }) }

func squareSum[T number](xs []T) T { return foldOf(xs, 0, func(s, x T) T { return s + x*x }) }

// logSumExp subtracts the largest element first, so as not to overflow.
func logSumExp(xs []float64) float64 {
	m := greatest(xs)
	s := 0.0
	for _, x := range xs {
		s += math.Exp(x - m)
	}
	return math.Log(s) + m
}

// greatest returns the greatest element, 0 if that is infinite or no number.
func greatest(xs []float64) float64 {
	m := foldOf(xs, math.Inf(-1), func(x, y float64) float64 { return max(x, y) })
	if math.IsInf(m, 0) || math.IsNaN(m) {
		m = 0
	}
	return m
}

// reduce returns the kernel that applies f to all elements along the axes, or
// i to integers, if that is not nil.
func reduce(f func(xs []float64) float64, i func(xs []int64) int64) kernel {
	return reduceTo(fit, f, i)
}

// reduceTo is reduce with the way in which an integer becomes one of a type.
func reduceTo(as func(elem ir.DType, v int64) int64, f func(xs []float64) float64, i func(xs []int64) int64) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		x := in[0]
		axes, err := reducedAxes(n, in)
		if err != nil {
			return nil, err
		}
		var out *Array
		switch {
		case x.F != nil:
			groups, keep := grouped(x.F, x.Shape, axes)
			out = NewArray(x.Elem, keep...)
			for k, g := range groups {
				out.F[k] = f(g)
			}
		case i == nil || x.I == nil:
			return nil, fmt.Errorf("input is of type %s, want floating point", x.Elem)
		default:
			groups, keep := grouped(x.I, x.Shape, axes)
			out = NewArray(x.Elem, keep...)
			for k, g := range groups {
				out.I[k] = as(x.Elem, i(g))
			}
		}
		if n.Attrs.Int("keepdims", 1) == 0 {
			out.Shape = without(out.Shape, axes)
		}
		return []*Array{out}, nil
	}
}

// reducedAxes returns the axes of input 1: all if there are none, unless the
// node says that none means none.
func reducedAxes(n *ir.Node, in []*Array) ([]int, error) {
	axes := ints(in, 1)
	if len(axes) == 0 {
		if n.Attrs.Int("noop_with_empty_axes", 0) != 0 {
			return nil, nil
		}
		axes = nil
	}
	return axesOf(axes, len(in[0].Shape))
}

// without returns shape less the given axes.
func without(shape, axes []int) []int {
	out := []int{}
	for k, d := range shape {
		if !slices.Contains(axes, k) {
			out = append(out, d)
		}
	}
	return out
}

// argExtremum returns ArgMax for direction 1 and ArgMin for -1.
func argExtremum(direction int) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		x := in[0]
		axis, err := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
		if err != nil {
			return nil, err
		}
		if x.Shape[axis] == 0 {
			return nil, fmt.Errorf("shape %v has no elements along axis %d", x.Shape, axis)
		}
		last := n.Attrs.Int("select_last_index", 0) != 0
		var best []int64
		var keep []int
		if x.F != nil {
			best, keep = bestOf(x.F, x.Shape, axis, direction, last)
		} else {
			best, keep = bestOf(x.I, x.Shape, axis, direction, last)
		}
		if n.Attrs.Int("keepdims", 1) == 0 {
			keep = without(keep, []int{axis})
		}
		return []*Array{{Elem: ir.Int64, Shape: keep, I: best}}, nil
	}
}

func bestOf[T number](xs []T, shape []int, axis, direction int, last bool) ([]int64, []int) {
	groups, keep := grouped(xs, shape, []int{axis})
	best := make([]int64, len(groups))
	for i, g := range groups {
		for k, x := range g {
			c := cmp.Compare(x, g[best[i]]) * direction
			if c > 0 || c == 0 && last {
				best[i] = int64(k)
			}
		}
	}
	return best, keep
}

// topK sorts every line; of equal elements the first wins.
func topK(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	axis, err := axisOf(n.Attrs.Int("axis", -1), len(x.Shape))
	if err != nil {
		return nil, err
	}
	if len(in[1].I) != 1 || in[1].I[0] < 0 || in[1].I[0] > int64(x.Shape[axis]) {
		return nil, fmt.Errorf("input K is %v for axis %d of shape %v", in[1].I, axis, x.Shape)
	}
	direction := -1
	if n.Attrs.Int("largest", 1) == 0 {
		direction = 1
	}
	var order [][]int64
	var keep []int
	if x.F != nil {
		order, keep = sorted(x.F, x.Shape, axis, direction)
	} else {
		order, keep = sorted(x.I, x.Shape, axis, direction)
	}
	shape := slices.Clone(x.Shape)
	shape[axis] = int(in[1].I[0])
	values, indices := NewArray(x.Elem, shape...), NewArray(ir.Int64, shape...)
	line, step := stretched(&Array{Shape: keep}, shape), stretched(&Array{Shape: x.Shape}, x.Shape)
	for i, at := range each(shape) {
		k := order[dot(at, line)][at[axis]]
		from := slices.Clone(at)
		from[axis] = int(k)
		put(values, i, x, dot(from, step))
		indices.I[i] = k
	}
	return []*Array{values, indices}, nil
}

// sorted returns the numbers of the elements of every line in order.
func sorted[T number](xs []T, shape []int, axis, direction int) ([][]int64, []int) {
	groups, keep := grouped(xs, shape, []int{axis})
	order := make([][]int64, len(groups))
	for i, g := range groups {
		for k := range g {
			order[i] = append(order[i], int64(k))
		}
		slices.SortStableFunc(order[i], func(p, q int64) int { return cmp.Compare(g[p], g[q]) * direction })
	}
	return order, keep
}
