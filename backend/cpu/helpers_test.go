package cpu

import (
	"math"
	"math/rand/v2"
	"testing"
)

// engines runs a test once for every kernel set that the machine has, and skips
// those that it lacks.
func engines(t *testing.T, f func(t *testing.T, e *Engine)) {
	t.Helper()
	for _, k := range []Kind{AVX512, AVX2, Go} {
		t.Run(string(k), func(t *testing.T) {
			e, err := New(Options{Kind: k})
			if err != nil {
				t.Skip(err)
			}
			defer e.Close()
			f(t, e)
		})
	}
}

func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	x := make([]float32, n)
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return x
}

// canary marks elements that nothing may write.
const canary = float32(12345.678)

// guarded returns n elements with canaries around them, and a check of those.
func guarded(n int) (s []float32, intact func() bool) {
	const pad = 64
	b := make([]float32, n+2*pad)
	for i := range b {
		b[i] = canary
	}
	return b[pad : pad+n : pad+n], func() bool {
		for i := range pad {
			if b[i] != canary || b[len(b)-1-i] != canary {
				return false
			}
		}
		return true
	}
}

// ulps is the distance of got from want in units of the last place of a float32
// near want; two equal infinities or NaNs are 0 apart.
func ulps(got float32, want float64) float64 {
	g := float64(got)
	if math.IsNaN(want) && math.IsNaN(g) || g == want {
		return 0
	}
	w := math.Abs(want)
	if w > math.MaxFloat32 && math.IsInf(g, int(math.Copysign(1, want))) {
		return 0
	}
	_, exp := math.Frexp(math.Max(w, 0x1p-126))
	return math.Abs(g-want) / math.Ldexp(1, exp-24)
}
