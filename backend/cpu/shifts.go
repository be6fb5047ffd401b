package cpu

import (
	"fmt"
	"unsafe"
)

// SumOfShifts computes dst[i] = b + Σ_t w[t]·src[at[t]+i]: a filter whose taps are
// whole vectors apart, as those of a depthwise convolution over planes are. It
// rounds as Axpy does for one tap after the other, and stays on its caller.
func (e *Engine) SumOfShifts(dst []float32, b float32, w []float32, src []float32, at []int) {
	if len(w) != len(at) {
		panic(fmt.Sprintf("cpu.SumOfShifts: %d weights for %d taps", len(w), len(at)))
	}
	for _, a := range at {
		if a < 0 || a+len(dst) > len(src) {
			panic(fmt.Sprintf("cpu.SumOfShifts: %d elements from %d on of %d", len(dst), a, len(src)))
		}
	}
	switch {
	case len(dst) == 0:
	case len(at) == 0:
		fill(dst, b)
	default:
		e.k.shifts(len(dst), b, len(at), &w[0], &at[0], &src[0], &dst[0])
	}
}

func shiftsGo(n int, b float32, taps int, w *float32, at *int, src, dst *float32) {
	d := view(dst, n)
	fill(d, b)
	begins := unsafe.Slice(at, taps)
	for t, v := range view(w, taps) {
		axpyGo(n, v, shift(src, begins[t]), dst)
	}
}
