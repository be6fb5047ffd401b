package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestCompareAndChoose compares with plain loops, equal elements, zeros of both
// signs, NaNs and infinities included, in every operand form.
func TestCompareAndChoose(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	values := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 2, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	some := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = values[r.IntN(len(values))]
		}
		return x
	}
	holds := [numCompare]func(x, y float32) bool{
		Less:           func(x, y float32) bool { return x < y },
		LessOrEqual:    func(x, y float32) bool { return x <= y },
		Equal:          func(x, y float32) bool { return x == y },
		Greater:        func(x, y float32) bool { return x > y },
		GreaterOrEqual: func(x, y float32) bool { return x >= y },
	}
	engines(t, func(t *testing.T, e *Engine) {
		for n := range 150 {
			x, y := some(n), some(n)
			number := values[n%len(values)]
			for op, f := range holds {
				vector, scalar, turned := make([]uint8, n), make([]uint8, n), make([]uint8, n)
				e.Compare(Compare(op), vector, x, y)
				e.CompareScalar(Compare(op), scalar, x, number)
				e.CompareScalar(Compare(op).Turned(), turned, x, number)
				for i := range n {
					got := []bool{vector[i] == 1, scalar[i] == 1, turned[i] == 1}
					want := []bool{f(x[i], y[i]), f(x[i], number), f(number, x[i])}
					if !slices.Equal(got, want) || vector[i] > 1 || scalar[i] > 1 || turned[i] > 1 {
						t.Fatalf("comparison %d of %g with %g, and with %g, of it with %g: %v, want %v", op, x[i], y[i], number, x[i], got, want)
					}
				}
			}
			mask := make([]uint8, n)
			for i := range mask {
				mask[i] = uint8(r.IntN(3)) * 127 // 0, 127 and 254: any byte but 0 is true
			}
			for form, from := range map[string][2][]float32{"vv": {x, y}, "vs": {x, {3}}, "sv": {{3}, y}, "ss": {{3}, {4}}} {
				want := make([]float32, n)
				got, intact := guarded(n)
				for i := range want {
					a := from[1]
					if mask[i] != 0 {
						a = from[0]
					}
					want[i] = a[i%len(a)]
				}
				e.Choose(got, mask, from[0], from[1])
				if i := firstDifference(want, got); i >= 0 || !intact() {
					t.Fatalf("%s of %d: element %d is %g, want %g; nothing else written: %t", form, n, i, got[i], want[i], intact())
				}
			}
		}
	})
}

// Rows that lie apart, as one block, and masks that repeat.
func TestChooseStrips(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for n := 1; n < 40; n += 3 {
			for _, step := range []int{n, n + 3} {
				for _, maskStep := range []int{0, n, n + 5} {
					const rows = 4
					x, y, m := random(1, rows*step), random(2, rows), make([]uint8, rows*(maskStep+n))
					for i := range m {
						m[i] = uint8(i * 7 % 3)
					}
					got := make([]float32, rows*step)
					e.ChooseStrips(rows, n, Strip{Data: got, Step: step}, m, maskStep, Strip{Data: x, Step: step}, Strip{Data: y, Step: 1, Number: true})
					for i := range got {
						r, c := i/step, i%step
						want := float32(0)
						switch {
						case c >= n:
						case m[r*maskStep+c] != 0:
							want = x[i]
						default:
							want = y[r]
						}
						if got[i] != want {
							t.Fatalf("%d columns, %d and %d apart: element %d of row %d is %g, want %g", n, step, maskStep, c, r, got[i], want)
						}
					}
				}
			}
		}
	})
}

func TestCompareAndChoosePanicOnOtherLengths(t *testing.T) {
	e := Best()
	defer e.Close()
	x, m := make([]float32, 5), make([]uint8, 5)
	for name, f := range map[string]func(){
		"compare": func() { e.Compare(Less, m, x, x[:4]) },
		"scalar":  func() { e.CompareScalar(Less, m[:4], x, 0) },
		"mask":    func() { e.Choose(x, m[:4], x, x) },
		"operand": func() { e.Choose(x, m, x[:3], x) },
		"rows":    func() { e.ChooseStrips(2, 3, Strip{Data: x, Step: 2}, m, 3, Strip{Data: x, Step: 2}, Strip{Data: x}) },
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

func BenchmarkChoose(b *testing.B) {
	e := Best()
	defer e.Close()
	for _, n := range []int{1 << 14, 1 << 20} {
		x, y, m := random(1, n), random(2, n), make([]uint8, n)
		b.Run(fmt.Sprint("compare ", n), func(b *testing.B) {
			for b.Loop() {
				e.Compare(Less, m, x, y)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/elem")
		})
		b.Run(fmt.Sprint("choose ", n), func(b *testing.B) {
			for b.Loop() {
				e.Choose(x, m, x, y)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/elem")
		})
	}
}
