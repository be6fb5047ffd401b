package reference

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

var quantLinearKernels = map[string]kernel{
	"ConvInteger":   convInteger,
	"QLinearConv":   qLinearConv,
	"QLinearMatMul": qLinearMatMul,
}

func convInteger(n *ir.Node, in []*Array) ([]*Array, error) {
	return convLessZeros(n, in[0], in[1], arg(in, 2), arg(in, 3))
}

// convLessZeros is the convolution, in int32, of integers less their zero
// points: one for x, one or one for each output channel for w. Padding counts 0.
func convLessZeros(n *ir.Node, x, w, xZero, wZero *Array) ([]*Array, error) {
	less, err := lessZero(x, xZero, 0)
	if err != nil {
		return nil, err
	}
	weights, err := lessZero(w, wZero, 0)
	if err != nil {
		return nil, err
	}
	outs, err := conv(n, []*Array{asFloat(less), asFloat(weights)}) // exact: float64 holds 53 bits
	if err != nil {
		return nil, err
	}
	return one(convert(outs[0], ir.Int32))
}

func qLinearConv(n *ir.Node, in []*Array) ([]*Array, error) {
	outs, err := convLessZeros(n, in[0], in[3], in[2], in[5])
	if err != nil {
		return nil, err
	}
	sums, bias := outs[0], arg(in, 8)
	if bias != nil {
		for i, at := range each(sums.Shape) {
			sums.I[i] += bias.I[at[1]]
		}
	}
	return requantized(sums, in[6], in[7], func(at []int) float64 {
		return in[1].F[0] * in[4].F[at[1]%in[4].Len()] // one scale, or one for each channel
	})
}

func qLinearMatMul(n *ir.Node, in []*Array) ([]*Array, error) {
	a, err := lessZero(in[0], in[2], -2)
	if err != nil {
		return nil, err
	}
	b, err := lessZero(in[3], in[5], -1)
	if err != nil {
		return nil, err
	}
	sums, err := product(a, b)
	if err != nil {
		return nil, err
	}
	rows := in[1] // of A, one for each row or of the shape of A with ones for its columns
	if len(rows.Shape) == 1 && rows.Len() > 1 {
		rows = &Array{Elem: rows.Elem, Shape: []int{rows.Len(), 1}, F: rows.F}
	}
	of := func(scale *Array) []int {
		if scale.Len() == 1 {
			return make([]int, len(sums.Shape))
		}
		return stretched(scale, sums.Shape)
	}
	p, q := of(rows), of(in[4])
	return requantized(sums, in[6], in[7], func(at []int) float64 {
		return rows.F[dot(at, p)] * in[4].F[dot(at, q)]
	})
}

// requantized brings sums, of which each stands for a multiple of scale, to the
// scale and zero point of the output: in float32, as other runtimes do, where
// the product decides between two integers.
func requantized(sums, outScale, zero *Array, scale func(at []int) float64) ([]*Array, error) {
	lo, hi, err := integerRange(zero.Elem)
	if err != nil {
		return nil, err
	}
	if outScale.Len() != 1 || zero.Len() != 1 {
		return nil, fmt.Errorf("an output with %d scales and %d zero points, want one", outScale.Len(), zero.Len())
	}
	out := NewArray(zero.Elem, sums.Shape...)
	for i, at := range each(sums.Shape) {
		unit := float32(scale(at)) / float32(outScale.F[0])
		v := math.RoundToEven(float64(float32(sums.I[i])*unit)) + float64(zero.I[0])
		out.I[i] = int64(min(max(v, lo), hi))
	}
	return []*Array{out}, nil
}
