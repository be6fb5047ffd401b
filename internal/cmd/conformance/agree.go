package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// The tolerances of onnx's own runner for every node test. Those of bfloat16
// are two units in the last place.
const (
	rtol  = 1e-3
	atol  = 1e-7
	rtolB = 1.0 / 64
)

// agree compares tensors as onnx.backend.test.runner does, by numpy's
// assert_allclose: |got - want| ≤ atol + rtol·|want|, NaN equal to NaN.
func agree(got, want *ir.Tensor) error {
	switch {
	case got == nil:
		return fmt.Errorf("it is missing")
	case got.Elem != want.Elem || !slices.Equal(got.Shape, want.Shape):
		return fmt.Errorf("got %s, want %s", got.TypeOf(), want.TypeOf())
	case want.Elem == ir.String && !slices.Equal(got.Strs, want.Strs):
		return fmt.Errorf("got %q, want %q", got.Strs, want.Strs)
	case string(got.Raw) == string(want.Raw): // bits say more than numbers, and integers have no others
		return nil
	}
	g, err := got.Float64s()
	if err != nil {
		return fmt.Errorf("bytes differ: %w", err)
	}
	w, err := want.Float64s()
	if err != nil {
		return err
	}
	rel := rtol
	if want.Elem == ir.BFloat16 {
		rel = rtolB
	}
	for i := range w {
		same := g[i] == w[i] || math.IsNaN(g[i]) && math.IsNaN(w[i]) || math.Abs(g[i]-w[i]) <= atol+rel*math.Abs(w[i])
		if !same {
			return fmt.Errorf("element %d is %.7g, want %.7g", i, g[i], w[i])
		}
	}
	return nil
}
