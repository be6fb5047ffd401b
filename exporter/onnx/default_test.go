package onnx_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The default of an input is the initializer of its name.
func TestDefaults(t *testing.T) {
	p := written(t, parse(t, `g (float[2] x, float "$gamma" = {0.25}) => (float[2] y) <float[2] w = {1, 2}> {
		a = Mul (x, w)
		y = Mul (a, "$gamma")
	}`))
	var inputs, initializers []string
	for _, v := range p.Graph.Input {
		inputs = append(inputs, v.GetName())
	}
	for _, v := range p.Graph.Initializer {
		initializers = append(initializers, v.GetName())
	}
	if d := cmp.Diff([]string{"x", "$gamma"}, inputs); d != "" {
		t.Errorf("inputs: %s", d)
	}
	if d := cmp.Diff([]string{"$gamma", "w"}, initializers); d != "" {
		t.Errorf("initializers: %s", d)
	}
}
