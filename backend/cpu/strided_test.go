package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestEvens(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for n := range 200 {
			for extra := range 2 {
				src := random(1, max(0, 2*n-1+extra))
				dst, intact := guarded(n)
				e.Evens(dst, src)
				for i, v := range dst {
					if v != src[2*i] {
						t.Fatalf("n=%d: element %d is %g, want %g", n, i, v, src[2*i])
					}
				}
				if !intact() {
					t.Fatalf("n=%d: wrote outside", n)
				}
			}
		}
	})
}

// TestKeepLargest compares with a plain loop: equal elements, zeros of both signs,
// NaNs and infinities included.
func TestKeepLargest(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	values := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 2, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	some := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = values[r.IntN(len(values))]
		}
		return x
	}
	engines(t, func(t *testing.T, e *Engine) {
		for n := range 150 {
			for _, stride := range []int{1, 2, 3} {
				x, want := some(max(0, (n-1)*stride+1)), some(n)
				wantAt := make([]int32, n)
				for i := range wantAt {
					wantAt[i] = int32(r.IntN(4)) - 1
				}
				got, at := slices.Clone(want), slices.Clone(wantAt)
				e.KeepLargest(got, at, x, stride, 70)
				for i := range want {
					if v := x[i*stride]; wantAt[i] < 0 || v > want[i] {
						want[i], wantAt[i] = v, int32(70+i*stride)
					}
				}
				if i := firstDifference(want, got); i >= 0 || !slices.Equal(wantAt, at) {
					t.Fatalf("n=%d, stride %d: element %d differs; places are %v, want %v", n, stride, i, at, wantAt)
				}
			}
		}
	})
}

func TestStridedPanicsOnTooFew(t *testing.T) {
	e := Best()
	defer e.Close()
	x, at := make([]float32, 10), make([]int32, 10)
	for name, f := range map[string]func(){
		"evens":       func() { e.Evens(x[:6], x) },
		"largest":     func() { e.KeepLargest(x[:6], at[:6], x, 2, 0) },
		"places":      func() { e.KeepLargest(x[:6], at[:5], x, 1, 0) },
		"stride of 0": func() { e.KeepLargest(x[:6], at[:6], x, 0, 0) },
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
