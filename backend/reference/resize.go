package reference

import (
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func resize(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	floats := func(i int) []float64 {
		if a := arg(in, i); a != nil {
			return a.F
		}
		return nil
	}
	axes, err := ops.Resamples(n, x.Shape, floats(1), floats(2), ints(in, 3))
	if err != nil {
		return nil, err
	}
	y := &Array{Elem: ir.Double, Shape: x.Shape, F: x.F}
	if x.F == nil {
		y.F = make([]float64, len(x.I))
		for i, v := range x.I {
			y.F[i] = float64(v)
		}
	}
	for k, a := range axes {
		if a == nil {
			continue
		}
		if y, err = resample(y, k, a); err != nil {
			return nil, err
		}
	}
	// An element is outside if it is so along any axis.
	for i, at := range each(y.Shape) {
		for k, a := range axes {
			if a != nil && a.Outside[at[k]] {
				y.F[i] = float64(n.Attrs.Float("extrapolation_value", 0))
			}
		}
	}
	if x.F != nil {
		y.Elem = x.Elem
		return []*Array{y}, nil
	}
	out := NewArray(x.Elem, y.Shape...)
	for i, v := range y.F {
		out.I[i] = int64(v) // towards zero, as ONNX Runtime does
	}
	return []*Array{out}, nil
}

// resample computes axis k of x anew.
func resample(x *Array, k int, a *ops.Resample) (*Array, error) {
	shape := append([]int{}, x.Shape...)
	shape[k] = a.Out
	out, err := alloc(x.Elem, shape...)
	if err != nil {
		return nil, err
	}
	step := steps(x.Shape)
	for i, at := range each(shape) {
		start := dot(at, step) - at[k]*step[k]
		for t, j := range a.Index[at[k]] {
			out.F[i] += a.Weights[at[k]][t] * x.F[start+j*step[k]]
		}
	}
	return out, nil
}
