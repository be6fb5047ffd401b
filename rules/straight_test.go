package rules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// TestStraightThrough is worked out by hand for steps of 0.5 from -4 to 3.5:
// 0.75 is rounded up, 0.2 to nothing, and 7 and -5 lie beyond the ends. In
// gradient form relevance over z arrives, which 0 has none of, and is
// multiplied by x in between and by z at the ends.
func TestStraightThrough(t *testing.T) {
	m := parse(t, `g (float[4] x) => (z) <float s = {0.5}, int4 zero = {0}> { z = lxt.FakeQuantize (x, s, s, zero) }`)
	x := fill(m, "x", []float64{0.75, 0.2, 7, -5}) // z is 1, 0, 3.5, -4
	r := fill(m, "z", []float64{3, 5, 7, 8})
	for _, tt := range []struct {
		form passes.Form
		want []float64
	}{
		{passes.ExplicitForm, []float64{3, 5, 7, 8}},
		{passes.GradientForm, []float64{0.75 * 3, 0, 7, 8}},
	} {
		got := relevance(t, m, "* => straight-through", tt.form, map[string]*ir.Tensor{"x": x, "R:z": r})["x"]
		if d := cmp.Diff(tt.want, got, cmpopts.EquateApprox(1e-6, 0)); d != "" {
			t.Errorf("%v form (-want +got):\n%s", tt.form, d)
		}
	}
}
