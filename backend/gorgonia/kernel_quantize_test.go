package gorgonia_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestQuantize compares bytes with the interpreter's: all of them are equal,
// those of numbers halfway between two steps and beyond the ends, too.
func TestQuantize(t *testing.T) {
	x := make([]float32, 40000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range x {
		x[i] = float32(r.NormFloat64() * 20)
		if i%3 == 0 {
			x[i] = float32(r.IntN(800)-400) / 8 // halves of a step of 0.25
		}
	}
	copy(x, []float32{0, float32(math.Copysign(0, -1)), 1e30, -1e30, float32(math.Inf(1)), float32(math.Inf(-1))})
	for name, nodes := range map[string]string{
		"unsigned":          "y = QuantizeLinear (x, s, z)",
		"unsigned, no zero": "y = QuantizeLinear (x, s)",
		"signed":            "y = QuantizeLinear (x, s, i)",
		"signed, no zero":   "y = QuantizeLinear <output_dtype = 3> (x, s)",
		"channels":          "y = QuantizeLinear <axis = 0> (x, c)",
		"dynamic":           "f = Clip (x, lo, hi) y, scale, zero = DynamicQuantizeLinear (f)",
	} {
		t.Run(name, func(t *testing.T) {
			m, err := ir.Parse(`g (float[2,20000] x) => (y)
				<float s = {0.25}, float[2] c = {0.25, 0.3}, uint8 z = {117}, int8 i = {-3}, float lo = {-30}, float hi = {50}> { `+nodes+` }`, ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]*ir.Tensor{"x": ir.Of(x, 2, 20000)}
			want, got := bytesOf(t, reference.New(), m, in), bytesOf(t, gorgonia.New(), m, in)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-interpreter +kernel):\n%.300s", d)
			}
		})
	}
}

func bytesOf(t *testing.T, b backend.Backend, m *ir.Model, in map[string]*ir.Tensor) []byte {
	t.Helper()
	out, err := backend.Run(context.Background(), b, m, backend.Options{}, in)
	if err != nil {
		t.Fatal(err)
	}
	return out["y"].Raw
}
