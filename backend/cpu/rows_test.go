package cpu

import (
	"math"
	"testing"
)

// rowFact is a kernel over rows, and the same row in float64. Results are
// compared in units of float32's ε times the scale of the row's largest result.
type rowFact struct {
	run  func(e *Engine, rows, n int, dst []float32)
	want func(row, n int) []float64
}

// rowLengths have every tail of both register widths, and several blocks.
func rowLengths() []int {
	n := []int{100, 127, 450, 576, 1000, 20000}
	for i := 1; i <= 67; i++ {
		n = append(n, i)
	}
	return n
}

func float64s(x []float32, row, n int) []float64 {
	d := make([]float64, n)
	for i, v := range x[row*n:][:n] {
		d[i] = float64(v)
	}
	return d
}

func sumOf(n int, f func(i int) float64) float64 {
	s := 0.0
	for i := range n {
		s += f(i)
	}
	return s
}

func softmax64(x []float64) []float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	s := sumOf(len(x), func(i int) float64 { return math.Exp(x[i] - top) })
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = math.Exp(v-top) / s
	}
	return y
}

func rowFacts(rows, n int) map[string]rowFact {
	x, y, g, w, b := random(1, rows*n), random(2, rows*n), random(3, rows*n), random(4, n), random(5, n)
	for i := range x {
		x[i] *= 8
	}
	each := func(row int, f func(i int) float64) []float64 {
		d := make([]float64, n)
		for i := range d {
			d[i] = f(i)
		}
		return d
	}
	const eps = 1e-5
	return map[string]rowFact{
		"softmax": {
			func(e *Engine, rows, n int, dst []float32) { e.Softmax(rows, n, dst, x) },
			func(row, n int) []float64 { return softmax64(float64s(x, row, n)) },
		},
		"softmax in place": {
			func(e *Engine, rows, n int, dst []float32) { copy(dst, x); e.Softmax(rows, n, dst, dst) },
			func(row, n int) []float64 { return softmax64(float64s(x, row, n)) },
		},
		"softmax backward": {
			func(e *Engine, rows, n int, dst []float32) { e.SoftmaxVJP(rows, n, dst, y, g) },
			func(row, n int) []float64 {
				yy, gg := float64s(y, row, n), float64s(g, row, n)
				s := sumOf(n, func(i int) float64 { return yy[i] * gg[i] })
				return each(row, func(i int) float64 { return yy[i] * (gg[i] - s) })
			},
		},
		"softmax taylor": {
			func(e *Engine, rows, n int, dst []float32) { e.SoftmaxTaylor(rows, n, dst, x, y, g) },
			func(row, n int) []float64 {
				xx, yy, gg := float64s(x, row, n), float64s(y, row, n), float64s(g, row, n)
				s := sumOf(n, func(i int) float64 { return gg[i] })
				return each(row, func(i int) float64 { return xx[i] * (gg[i] - yy[i]*s) })
			},
		},
		"rms norm": {
			func(e *Engine, rows, n int, dst []float32) { e.RMSNorm(rows, n, dst, x, w, eps) },
			func(row, n int) []float64 {
				xx := float64s(x, row, n)
				r := 1 / math.Sqrt(sumOf(n, func(i int) float64 { return xx[i] * xx[i] })/float64(n)+eps)
				return each(row, func(i int) float64 { return xx[i] * r * float64(w[i]) })
			},
		},
		"layer norm": {
			func(e *Engine, rows, n int, dst []float32) { e.LayerNorm(rows, n, dst, x, w, b, eps) },
			func(row, n int) []float64 {
				m, v := moments(float64s(x, row, n))
				return each(row, func(i int) float64 { return (float64(x[row*n+i])-m)/math.Sqrt(v+eps)*float64(w[i]) + float64(b[i]) })
			},
		},
	}
}

func moments(x []float64) (mean, variance float64) {
	mean = sumOf(len(x), func(i int) float64 { return x[i] }) / float64(len(x))
	return mean, sumOf(len(x), func(i int) float64 { return (x[i] - mean) * (x[i] - mean) }) / float64(len(x))
}

func TestRowKernelsForEveryLength(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, n := range rowLengths() {
			const rows = 3
			for name, f := range rowFacts(rows, n) {
				dst, intact := guarded(rows * n)
				f.run(e, rows, n, dst)
				for row := range rows {
					want := f.want(row, n)
					scale := 0.0
					for _, v := range want {
						scale = max(scale, math.Abs(v))
					}
					// A sum of n numbers of random sign errs by about √n/4 roundings of the
					// largest; the softmax rules multiply with that. Measured: at most 26 for n =
					// 576 and 66 for n = 20000 (taylor, backward), below 6 for the others.
					if d := worstIn(dst[row*n:][:n], want) / max(scale, 1e-3) * 0x1p24; !(d <= 6+math.Sqrt(float64(n))) {
						t.Errorf("%s, rows of %d: error of %.3g·2⁻²⁴ of the largest result", name, n, d)
					}
				}
				if !intact() {
					t.Errorf("%s, rows of %d: wrote outside", name, n)
				}
			}
		}
	})
}

func worstIn(got []float32, want []float64) float64 {
	worst := 0.0
	for i, v := range got {
		d := math.Abs(float64(v) - want[i])
		if math.IsNaN(d) {
			return d
		}
		worst = max(worst, d)
	}
	return worst
}

func TestSoftmaxOfMaskedRows(t *testing.T) {
	inf := float32(math.Inf(-1))
	engines(t, func(t *testing.T, e *Engine) {
		got := make([]float32, 8)
		e.Softmax(2, 4, got, []float32{3, inf, 3, inf, inf, inf, inf, inf})
		for i, want := range []float32{0.5, 0, 0.5, 0} {
			if got[i] != want {
				t.Errorf("element %d is %g, want %g", i, got[i], want)
			}
		}
		for _, v := range got[4:] {
			if v == v {
				t.Errorf("a row of masks gives %g, want NaN", v)
			}
		}
	})
}

func TestReductionsForEveryLength(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, n := range rowLengths() {
			x, y := random(1, 2*n), random(2, 2*n)
			mean, variance, got := make([]float32, 2), make([]float32, 2), make([]float32, 2)
			for name, f := range map[string]struct {
				run  func()
				want func(x, y []float64) float64
			}{
				"sum":            {func() { e.ReduceRows(Sum, 2, n, got, x) }, func(x, _ []float64) float64 { return sumOf(n, func(i int) float64 { return x[i] }) }},
				"sum of squares": {func() { e.ReduceRows(SumSquares, 2, n, got, x) }, func(x, _ []float64) float64 { return sumOf(n, func(i int) float64 { return x[i] * x[i] }) }},
				"sum of magnitudes": {func() { e.ReduceRows(SumAbs, 2, n, got, x) }, func(x, _ []float64) float64 {
					return sumOf(n, func(i int) float64 { return math.Abs(x[i]) })
				}},
				"dot":      {func() { e.RowDot(2, n, got, x, y) }, func(x, y []float64) float64 { return sumOf(n, func(i int) float64 { return x[i] * y[i] }) }},
				"mean":     {func() { e.RowMoments(2, n, mean, variance, x); copy(got, mean) }, func(x, _ []float64) float64 { m, _ := moments(x); return m }},
				"variance": {func() { e.RowMoments(2, n, mean, variance, x); copy(got, variance) }, func(x, _ []float64) float64 { _, v := moments(x); return v }},
				"root mean square": {func() { e.RowRMS(2, n, got, x, 0.5) }, func(x, _ []float64) float64 {
					return 1 / math.Sqrt(sumOf(n, func(i int) float64 { return x[i] * x[i] })/float64(n)+0.5)
				}},
				"max": {func() { e.ReduceRows(MaxOf, 2, n, got, x) }, func(x, _ []float64) float64 {
					m := x[0]
					for _, v := range x {
						m = max(m, v)
					}
					return m
				}},
				"min": {func() { e.ReduceRows(MinOf, 2, n, got, x) }, func(x, _ []float64) float64 {
					m := x[0]
					for _, v := range x {
						m = min(m, v)
					}
					return m
				}},
			} {
				f.run()
				for row := range 2 {
					want := f.want(float64s(x, row, n), float64s(y, row, n))
					// sums of n numbers below 1 in 32 partial sums: n/32 + 5 roundings, of n/2 at most
					bound := (float64(n)/32 + 6) * max(1, math.Sqrt(float64(n))) * 0x1p-24
					if math.Abs(float64(got[row])-want) > bound {
						t.Errorf("%s of %d: %g, want %g ± %.2g", name, n, got[row], want, bound)
					}
				}
			}
		}
	})
}

func TestExtremesReturnANaN(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for n := 1; n < 70; n++ {
			for i := range n {
				x := random(1, n)
				x[i] = float32(math.NaN())
				for _, op := range []Reduce{MaxOf, MinOf} {
					got := make([]float32, 1)
					if e.ReduceRows(op, 1, n, got, x); got[0] == got[0] {
						t.Fatalf("reduction %d of %d numbers with a NaN at %d is %g", op, n, i, got[0])
					}
				}
			}
		}
	})
}

func TestReductionsOfNothing(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for op, want := range map[Reduce]float32{Sum: 0, SumSquares: 0, SumAbs: 0, MaxOf: float32(math.Inf(-1)), MinOf: float32(math.Inf(1))} {
			got := []float32{7}
			if e.ReduceRows(op, 1, 0, got, nil); got[0] != want {
				t.Errorf("reduction %d of nothing is %g, want %g", op, got[0], want)
			}
		}
	})
}

func TestSumColumns(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, s := range [][2]int{{0, 3}, {1, 1}, {7, 33}, {300, 1500}, {3, 5000}} {
			rows, n := s[0], s[1]
			x := random(1, rows*n)
			got, intact := guarded(n)
			e.SumColumns(rows, n, got, x)
			for j := range n {
				want := sumOf(rows, func(i int) float64 { return float64(x[i*n+j]) })
				// rows roundings of numbers up to √rows; measured below half of that
				if bound := float64(rows) * math.Sqrt(float64(rows)) * 0x1p-25; math.Abs(float64(got[j])-want) > bound {
					t.Fatalf("%d rows, column %d of %d: %g, want %g", rows, j, n, got[j], want)
				}
			}
			if !intact() {
				t.Errorf("%v: wrote outside", s)
			}
		}
	})
}

// All kinds add partial sums in the same order; the portable fused multiply-add
// rounds differently once in 2²⁹ cases, which does not happen here.
func TestKindsAgreeOnSumsToTheBit(t *testing.T) {
	for _, n := range rowLengths() {
		x, y := random(1, n), random(2, n)
		var first []float32
		engines(t, func(t *testing.T, e *Engine) {
			got := make([]float32, 4)
			e.ReduceRows(Sum, 1, n, got[:1], x)
			e.ReduceRows(SumSquares, 1, n, got[1:2], x)
			e.RowDot(1, n, got[2:3], x, y)
			e.RowMoments(1, n, make([]float32, 1), got[3:], x)
			if first == nil {
				first = got
			}
			if i := firstDifference(first, got); i >= 0 {
				t.Errorf("%d elements, number %d: %g and %g", n, i, first[i], got[i])
			}
		})
	}
}
