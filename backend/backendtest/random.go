package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/lxtc/lxtc/ir"
)

// randomCases are nodes with shapes and attributes drawn at random, the same in
// every run: what a list of examples leaves out. Axes of no elements and of one
// are frequent.
func randomCases() []*testCase {
	var cases []*testCase
	for _, f := range families {
		for i := range f.count {
			g := &draws{rand.New(rand.NewPCG(uint64(i), uint64(len(cases))))}
			n := f.draw(g)
			cases = append(cases, n.testCase(fmt.Sprintf("%s %d", f.name, i)))
		}
	}
	return cases
}

var families = []struct {
	name  string
	count int
	draw  func(g *draws) node
}{
	{"elementwise of two", 60, elementwiseOfTwo},
	{"elementwise of many", 20, elementwiseOfMany},
	{"elementwise of one", 40, elementwiseOfOne},
	{"comparison", 40, comparison},
	{"logic", 30, logic},
	{"choice", 20, choice},
	{"cast", 60, castOf},
	{"product", 60, product},
	{"Gemm", 30, gemm},
	{"linear layer", 20, linear},
	{"reduction", 60, reduction},
	{"where the largest is", 20, argMax},
	{"softmax", 20, softmax},
	{"norm", 30, norm},
	{"batch norm", 10, batchNorm},
	{"convolution", 60, convolution},
	{"transposed convolution", 50, transposedConvolution},
	{"pool", 60, pool},
	{"global pool", 10, globalPool},
	{"scattered elements", 40, scatterElements},
	{"scattered slices", 30, scatterND},
	{"gathered elements", 30, gatherElements},
	{"gathered slices", 30, gatherND},
	{"top k", 30, topK},
	{"one hot", 20, oneHot},
	{"running sum", 20, cumSum},
	{"non-zero", 10, nonZero},
	{"range", 20, rangeOf},
}

// draws makes things at random.
type draws struct{ *rand.Rand }

func pick[T any](g *draws, xs ...T) T { return xs[g.IntN(len(xs))] }

func (g *draws) between(lo, hi int) int { return lo + g.IntN(hi-lo+1) }

// shape returns up to maxRank axes.
func (g *draws) shape(maxRank int) []int {
	s := make([]int, g.IntN(maxRank+1))
	for i := range s {
		s[i] = pick(g, 1, 1, 2, 3, 4, 5, 7, 17, 0)
		if s[i] == 0 && g.IntN(3) > 0 {
			s[i] = 2
		}
	}
	return s
}

// full returns between lo and hi axes, none of them empty.
func (g *draws) full(lo, hi int) []int {
	s := make([]int, g.between(lo, hi))
	for i := range s {
		s[i] = pick(g, 1, 2, 3, 4, 6, 9)
	}
	return s
}

// narrowed returns a shape that broadcasts to s: with ones, or with leading
// axes left out.
func (g *draws) narrowed(s []int) []int {
	out := append([]int{}, s...)
	for i := range out {
		if g.IntN(3) == 0 {
			out[i] = 1
		}
	}
	if g.IntN(3) == 0 {
		out = out[g.IntN(len(out)+1):]
	}
	return out
}

// floats are normal, float32.
func (g *draws) floats(shape ...int) *ir.Tensor {
	return g.filled(ir.Float, shape, func() float64 { return g.NormFloat64() })
}

// positive are numbers from 0.5 to 2.
func (g *draws) positive(shape ...int) *ir.Tensor {
	return g.filled(ir.Float, shape, func() float64 { return 0.5 + 1.5*g.Float64() })
}

// few are from -2 to 2 and whole, so that many are equal.
func (g *draws) few(elem ir.DType, shape ...int) *ir.Tensor {
	return g.filled(elem, shape, func() float64 {
		if elem == ir.Bool {
			return float64(g.IntN(2))
		}
		return float64(g.between(-2, 2))
	})
}

// indices are from -n to n-1.
func (g *draws) indices(elem ir.DType, n int, shape ...int) *ir.Tensor {
	return g.filled(elem, shape, func() float64 { return float64(g.between(-n, n-1)) })
}

func (g *draws) filled(elem ir.DType, shape []int, draw func() float64) *ir.Tensor {
	xs := make([]float64, count(shape))
	for i := range xs {
		xs[i] = draw()
	}
	return must(tensorOf(elem, append([]int{}, shape...), xs))
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("backendtest: %v", err))
	}
	return x
}

func ints(xs ...int64) *ir.Tensor { return ir.Of(xs, len(xs)) }

// axis returns an axis of a shape, counted from either end.
func (g *draws) axis(rank int) (axis int, written int64) {
	a := g.IntN(rank)
	if g.IntN(2) == 0 {
		return a, int64(a - rank)
	}
	return a, int64(a)
}

func attrs(kv ...any) ir.Attrs {
	var as ir.Attrs
	for i := 0; i < len(kv); i += 2 {
		v := kv[i+1]
		if n, ok := v.(int); ok {
			v = int64(n)
		}
		as = append(as, ir.Attr{Name: kv[i].(string), Value: v})
	}
	return as
}

// of is a node with one output.
func of(op string, as ir.Attrs, in ...*ir.Tensor) node {
	return node{op: op, attrs: as, in: in, outs: []bool{true}}
}
