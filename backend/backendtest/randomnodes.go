package backendtest

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

func elementwiseOfTwo(g *draws) node {
	s := g.shape(4)
	x, y := g.floats(g.narrowed(s)...), g.positive(g.narrowed(s)...)
	if g.IntN(2) == 0 {
		return of(pick(g, "Add", "Sub", "Mul", "Max", "Min"), nil, y, x)
	}
	return of(pick(g, "Add", "Sub", "Mul", "Div", "Max", "Min"), nil, x, y)
}

func elementwiseOfMany(g *draws) node {
	s := g.shape(3)
	var in []*ir.Tensor
	for range g.between(1, 4) {
		in = append(in, g.floats(g.narrowed(s)...))
	}
	return of(pick(g, "Sum", "Max", "Min", "Mean"), nil, in...)
}

func elementwiseOfOne(g *draws) node {
	s := g.shape(3)
	switch g.IntN(4) {
	case 0:
		return of(pick(g, "Log", "Sqrt", "Reciprocal"), nil, g.positive(s...))
	case 1:
		return of("Pow", nil, g.positive(s...), pick(g, g.positive(), ir.Of([]float32{pick[float32](g, -1, -0.5, 0.5, 1, 2, 3)})))
	case 2:
		return of("Clip", nil, g.floats(s...), pick(g, nil, g.few(ir.Float)), g.positive())
	}
	op := pick(g, "Neg", "Abs", "Relu", "Exp", "Sigmoid", "Tanh", "Erf", "Gelu", "Swish", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign", "Softplus", "LeakyRelu", "HardSwish")
	return of(op, nil, g.floats(s...))
}

func comparison(g *draws) node {
	s := g.shape(3)
	elem := pick(g, ir.Float, ir.Int64, ir.Int32)
	op := pick(g, "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal")
	return of(op, nil, g.few(elem, g.narrowed(s)...), g.few(elem, g.narrowed(s)...))
}

func logic(g *draws) node {
	s := g.shape(3)
	if g.IntN(4) == 0 {
		return of("Not", nil, g.few(ir.Bool, s...))
	}
	return of(pick(g, "And", "Or", "Xor", "Equal"), nil, g.few(ir.Bool, g.narrowed(s)...), g.few(ir.Bool, g.narrowed(s)...))
}

func choice(g *draws) node {
	s := g.shape(4)
	elem := pick(g, ir.Float, ir.Int64, ir.Int32, ir.Bool, ir.Float16)
	return of("Where", nil, g.few(ir.Bool, g.narrowed(s)...), g.few(elem, g.narrowed(s)...), g.few(elem, g.narrowed(s)...))
}

func castOf(g *draws) node {
	types := []ir.DType{ir.Float, ir.Int64, ir.Int32, ir.Bool, ir.Double, ir.Float16, ir.BFloat16, ir.Uint8, ir.Int8}
	from, to := pick(g, types...), pick(g, types...)
	x := g.few(from, g.shape(3)...)
	if from == ir.Float && to != ir.Uint8 {
		x = g.filled(from, g.shape(3), func() float64 { return 100 * g.NormFloat64() })
	}
	return of("Cast", attrs("to", int(to)), x)
}

func product(g *draws) node {
	m, n, k := pick(g, 1, 2, 5, 16, 33), pick(g, 1, 3, 16, 40), pick(g, 1, 2, 7, 32, 0)
	lead := g.shape(2)
	x := append(g.narrowed(lead), m, k)
	w := append(g.narrowed(lead), k, n)
	switch g.IntN(5) {
	case 0:
		x = []int{k}
	case 1:
		w = []int{k}
	}
	return of("MatMul", nil, g.floats(x...), g.floats(w...))
}

func gemm(g *draws) node {
	m, n, k := pick(g, 1, 2, 5, 16), pick(g, 1, 3, 16, 40), pick(g, 1, 2, 7, 32)
	a, b := []int{m, k}, []int{k, n}
	ta, tb := g.IntN(2), g.IntN(2)
	if ta == 1 {
		slices.Reverse(a)
	}
	if tb == 1 {
		slices.Reverse(b)
	}
	as := attrs("transA", ta, "transB", tb, "alpha", pick[float32](g, 1, 0.5), "beta", pick[float32](g, 1, 2, 0))
	in := []*ir.Tensor{g.floats(a...), g.floats(b...)}
	if g.IntN(3) > 0 {
		in = append(in, g.floats(g.narrowed([]int{m, n})...))
	}
	return of("Gemm", as, in...)
}

func linear(g *draws) node {
	x := append(g.shape(3), pick(g, 1, 5, 32))
	n := pick(g, 1, 8, 33)
	in := []*ir.Tensor{g.floats(x...), g.floats(x[len(x)-1], n)}
	if g.IntN(2) == 0 {
		in = append(in, g.floats(n))
	}
	return of("lxt.Linear", nil, in...)
}

func reduction(g *draws) node {
	ops := []string{"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceProd", "ReduceLogSumExp", "ReduceLogSum"}
	op := pick(g, ops...)
	s := g.full(0, 4)
	if g.IntN(8) == 0 && len(s) > 0 && (op == "ReduceSum" || op == "ReduceSumSquare" || op == "ReduceL1") {
		s[g.IntN(len(s))] = 0
	}
	var axes *ir.Tensor
	if g.IntN(4) > 0 {
		var list []int64
		for i := range s {
			if g.IntN(2) == 0 {
				list = append(list, pick(g, int64(i), int64(i-len(s))))
			}
		}
		axes = ints(list...)
	}
	as := attrs("keepdims", g.IntN(2), "noop_with_empty_axes", g.IntN(2))
	return of(op, as, g.positive(s...), axes)
}

func argMax(g *draws) node {
	s := g.full(1, 3)
	_, a := g.axis(len(s))
	as := attrs("axis", int(a), "keepdims", g.IntN(2), "select_last_index", g.IntN(2))
	return of(pick(g, "ArgMax", "ArgMin"), as, g.few(ir.Float, s...))
}

func softmax(g *draws) node {
	s := g.full(1, 4)
	_, a := g.axis(len(s))
	return of(pick(g, "Softmax", "Softmax", "LogSoftmax"), attrs("axis", int(a)), g.floats(s...))
}

func norm(g *draws) node {
	s := g.full(1, 4)
	axis, written := g.axis(len(s))
	w := append([]int{}, s[axis:]...)
	if g.IntN(5) == 0 {
		w = []int{1}
	}
	as := attrs("axis", int(written), "epsilon", float32(1e-3))
	if g.IntN(2) == 0 {
		return of("RMSNormalization", as, g.floats(s...), g.floats(w...))
	}
	n := of("LayerNormalization", as, g.floats(s...), g.floats(w...))
	if g.IntN(2) == 0 {
		n.in = append(n.in, g.floats(w...))
	}
	n.outs = [][]bool{{true}, {true, true, true}, {true, false, true}, {true, true}}[g.IntN(4)]
	return n
}

func batchNorm(g *draws) node {
	s := g.full(2, 4)
	c := s[1]
	return of("BatchNormalization", attrs("epsilon", float32(1e-3)), g.floats(s...), g.floats(c), g.floats(c), g.floats(c), g.positive(c))
}
