package cpu

import (
	"math/rand/v2"
	"testing"
)

func TestSumOfShiftsIsAxpysToTheBit(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		r := rand.New(rand.NewPCG(1, 9))
		for n := range 300 {
			src := random(uint64(n), n+100)
			w := random(uint64(n)+1, n%30)
			at := make([]int, len(w))
			for i := range at {
				at[i] = r.IntN(101)
			}
			want := make([]float32, n)
			fill(want, 0.25)
			for i, x := range w {
				e.Axpy(want, x, src[at[i]:at[i]+n])
			}
			got, intact := guarded(n)
			e.SumOfShifts(got, 0.25, w, src, at)
			if i := firstDifference(want, got); i >= 0 || !intact() {
				t.Fatalf("n=%d with %d taps: element %d is %g, want %g; nothing else written: %t", n, len(w), i, got[i], want[i], intact())
			}
		}
	})
}

func TestSumOfShiftsPanicsOutside(t *testing.T) {
	e := Best()
	defer e.Close()
	x := make([]float32, 10)
	for name, f := range map[string]func(){
		"before":          func() { e.SumOfShifts(x[:5], 0, x[:1], x, []int{-1}) },
		"behind":          func() { e.SumOfShifts(x[:5], 0, x[:1], x, []int{6}) },
		"too few weights": func() { e.SumOfShifts(x[:5], 0, x[:1], x, []int{0, 1}) },
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
