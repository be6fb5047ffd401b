package backendtest

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// tolerances are how far a result may be from float64, relative to the largest
// element of the output or 1. The worst of all cases in float32 is 6.6e-7 with
// AVX-512 (a layer norm) and with portable kernels; half precision is rounded
// once, by half a unit in the last place: 2⁻¹¹ and 2⁻⁸. Doubles go through the
// same code as the reference.
var tolerances = map[ir.DType]float64{
	ir.Float:    2e-6,
	ir.Double:   1e-15,
	ir.Float16:  1.01 / (1 << 11),
	ir.BFloat16: 1.01 / (1 << 8),
}

// near compares floating point tensors. NaN equals NaN.
func near(got, want *ir.Tensor) error {
	g, err := got.Float64s()
	if err != nil {
		return err
	}
	w, err := want.Float64s()
	if err != nil {
		return err
	}
	tol := tolerances[got.Elem] * largest(w)
	for i := range w {
		if g[i] == w[i] || math.IsNaN(g[i]) && math.IsNaN(w[i]) {
			continue
		}
		if d := math.Abs(g[i] - w[i]); !(d <= tol) {
			return fmt.Errorf("element %d is %.9g, want %.9g (difference %.2g, at most %.2g)", i, g[i], w[i], d, tol)
		}
	}
	return nil
}

// largest returns the largest absolute value of xs that is finite, or 1.
func largest(xs []float64) float64 {
	m := 1.0
	for _, x := range xs {
		if a := math.Abs(x); a > m && !math.IsInf(a, 0) {
			m = a
		}
	}
	return m
}
