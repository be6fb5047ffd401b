package cpu

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// element is op(M)[i,j].
func (o operand) element(i, j int) float64 {
	if o.trans {
		i, j = j, i
	}
	return float64(o.data[i*o.ld+j])
}

// newOperand is a random rows×cols operand whose rows are pad further apart than they are long.
func newOperand(seed uint64, rows, cols int, trans bool, pad int) operand {
	if trans {
		rows, cols = cols, rows
	}
	return operand{data: random(seed, max(0, rows*(cols+pad)-pad)), ld: cols + pad, trans: trans}
}

// worstProduct compares a product with float64 and returns the largest error in
// units of k·ε·max|a·b| = k·2⁻²⁴, or an error if anything else was written.
func worstProduct(g product, before []float32) (worst float64, err error) {
	columns := make([][]float64, g.n)
	for j := range columns {
		columns[j] = line(g.k, func(p int) float64 { return g.b.element(p, j) })
	}
	for i := range g.m {
		row := line(g.k, func(p int) float64 { return g.a.element(i, p) })
		for j := range g.n {
			want := 0.0
			for p, v := range columns[j] {
				want += row[p] * v
			}
			if g.accumulate {
				want += float64(before[i*g.c.ld+j])
			}
			worst = max(worst, math.Abs(float64(g.c.data[i*g.c.ld+j])-want))
		}
		for j := g.n; j < g.c.ld && i*g.c.ld+j < len(before); j++ {
			if g.c.data[i*g.c.ld+j] != before[i*g.c.ld+j] {
				return 0, fmt.Errorf("wrote between the rows, at %d,%d", i, j)
			}
		}
	}
	return worst * 0x1p24 / float64(max(g.k, 1)), nil
}

func line(n int, f func(p int) float64) []float64 {
	x := make([]float64, n)
	for p := range x {
		x[p] = f(p)
	}
	return x
}

// checkGemm runs one product with canaries around C.
func checkGemm(t *testing.T, e *Engine, m, n, k int, transA, transB, accumulate bool, pad int) {
	t.Helper()
	a, b := newOperand(1, m, k, transA, pad), newOperand(2, k, n, transB, pad+1)
	ldc := n + pad
	c, intact := guarded(max(0, m*ldc-pad))
	copy(c, random(3, len(c)))
	before := slices.Clone(c)
	e.Gemm(m, n, k, a.data, a.ld, transA, b.data, b.ld, transB, c, ldc, accumulate)
	worst, err := worstProduct(product{m: m, n: n, k: k, a: a, b: b, c: operand{data: c, ld: ldc}, accumulate: accumulate}, before)
	name := fmt.Sprintf("m=%d n=%d k=%d transA=%t transB=%t accumulate=%t pad=%d", m, n, k, transA, transB, accumulate, pad)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !intact() {
		t.Fatalf("%s: wrote outside C", name)
	}
	// Adding up k products of numbers below 1 and a C below 1, without fused
	// multiply-add, rounds k products of at most 1 and k sums of at most 2, 3, … k+1:
	// at most k·(k+5)/2 units of 2⁻²⁴. Random signs leave far less of that where k is
	// large: measured over these shapes, 0.9·k for k = 1 and less above.
	limit := 2.0
	if k < 16 {
		limit = float64(k+5) / 2
	}
	if worst > limit {
		t.Errorf("%s: error of %.3g·k·2⁻²⁴, want at most %g", name, worst, limit)
	}
}

func everyFlag(f func(transA, transB, accumulate bool)) {
	for i := range 8 {
		f(i&1 != 0, i&2 != 0, i&4 != 0)
	}
}

func TestEveryTileHeightTailAndMask(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for m := 1; m <= e.k.mr+1; m++ {
			for _, k := range []int{1, 3, 4, 5, 18, 31} {
				for _, n := range []int{1, 8, 9, 16, 17, 31, 32, 33, 65} {
					everyFlag(func(ta, tb, acc bool) { checkGemm(t, e, m, n, k, ta, tb, acc, 3) })
				}
			}
		}
	})
}

func TestEveryColumnMask(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for n := 1; n <= 2*e.k.nr; n++ {
			everyFlag(func(ta, tb, acc bool) { checkGemm(t, e, e.k.mr, n, 21, ta, tb, acc, 0) })
		}
	})
}

func TestBlockedShapes(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, s := range [][3]int{
			{0, 5, 3},
			{5, 0, 3},
			{5, 3, 0},
			{1, 1, 1},
			{1, 300, 777},
			{300, 1, 777},
			{1, 1000, 300},
			{1000, 1, 300},
			{2, 300, 77},
			{16, 64, 769},
			{29, 40, 1537},
			{64, 96, 768},
			{70, 34, 800},
			{71, 65, 256},
			{290, 33, 100},
			{600, 33, 50},
			{33, 600, 50},
			{20, 140, 1024},
			{150, 70, 64},
		} {
			everyFlag(func(ta, tb, acc bool) {
				pad := 5
				if ta == acc {
					pad = 0
				}
				checkGemm(t, e, s[0], s[1], s[2], ta, tb, acc, pad)
			})
		}
	})
}

func TestRowsThatCrowdCacheSetsAreCopied(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		checkGemm(t, e, 40, 100, 256, false, false, false, 0)
		checkGemm(t, e, 40, 100, 200, false, true, false, 56)
		checkGemm(t, e, 256, 100, 40, true, true, false, 0)
	})
}

func TestThreadsDoNotChangeABit(t *testing.T) {
	for _, k := range Kinds() {
		for _, s := range [][3]int{{77, 200, 1500}, {450, 64, 450}, {450, 450, 64}, {1, 3000, 512}, {3000, 1, 512}} {
			everyFlag(func(ta, tb, _ bool) {
				m, n, kk := s[0], s[1], s[2]
				a, b := newOperand(1, m, kk, ta, 0), newOperand(2, kk, n, tb, 0)
				var first []float32
				for _, threads := range []int{1, 2, 3, 8} {
					e, err := New(Options{Kind: k, Threads: threads})
					if err != nil {
						t.Fatal(err)
					}
					c := make([]float32, m*n)
					e.Gemm(m, n, kk, a.data, a.ld, ta, b.data, b.ld, tb, c, n, false)
					e.Close()
					if first == nil {
						first = c
					}
					if i := firstDifference(first, c); i >= 0 {
						t.Fatalf("%s %v transA=%t transB=%t: element %d is %g with 1 thread and %g with %d", k, s, ta, tb, i, first[i], c[i], threads)
					}
				}
			})
		}
	}
}

// The assembly kernels do the same steps in the same order for every element.
func TestAVX2AndAVX512AgreeToTheBit(t *testing.T) {
	wide, err := New(Options{Kind: AVX512})
	if err != nil {
		t.Skip(err)
	}
	defer wide.Close()
	narrow, err := New(Options{Kind: AVX2})
	if err != nil {
		t.Fatal(err)
	}
	defer narrow.Close()
	same := func(name string, n int, f func(e *Engine, dst []float32)) {
		a, b := make([]float32, n), make([]float32, n)
		f(wide, a)
		f(narrow, b)
		if i := firstDifference(a, b); i >= 0 {
			t.Errorf("%s: element %d is %g with AVX-512 and %g with AVX2", name, i, a[i], b[i])
		}
	}
	everyFlag(func(ta, tb, _ bool) {
		m, n, k := 77, 200, 1500
		a, b := newOperand(1, m, k, ta, 0), newOperand(2, k, n, tb, 0)
		same("product", m*n, func(e *Engine, c []float32) { e.Gemm(m, n, k, a.data, a.ld, ta, b.data, b.ld, tb, c, n, false) })
	})
	x := arguments()
	for op := range numUnary {
		same(fmt.Sprintf("function %d", op), len(x), func(e *Engine, d []float32) { e.Map(op, d, x) })
	}
	y := random(1, 450*77)
	same("softmax", len(y), func(e *Engine, d []float32) { e.Softmax(77, 450, d, y) })
	same("layer norm", len(y), func(e *Engine, d []float32) { e.LayerNorm(77, 450, d, y, y[:450], y[:450], 1e-5) })
}

func firstDifference(a, b []float32) int {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

func TestGemmPanicsOnAShortOperand(t *testing.T) {
	e := Best()
	defer e.Close()
	x := make([]float32, 100)
	for name, f := range map[string]func(){
		"A too short":               func() { e.Gemm(11, 2, 10, x, 10, false, x, 2, false, x, 2, false) },
		"B too short":               func() { e.Gemm(2, 11, 10, x, 10, false, x, 11, false, x, 11, false) },
		"C too short":               func() { e.Gemm(10, 10, 10, x, 10, false, x, 10, false, x[:99], 10, false) },
		"rows overlap":              func() { e.Gemm(10, 10, 10, x, 9, false, x, 10, false, x, 10, false) },
		"offset too large":          func() { e.GemmBatch(1, 1, 1, x, 1, false, []int{100}, x, 1, false, zero, x, 1, zero, false) },
		"offsets of unequal number": func() { e.GemmBatch(1, 1, 1, x, 1, false, nil, x, 1, false, zero, x, 1, zero, false) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}
