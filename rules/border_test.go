package rules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// What other tools divide by in gradient form, G = R/x, is x ± a little: here 1. In
// gradient form relevance over z arrives, and what leaves is G times x. LeakyRelu has a
// closed form without a border, and the products of gamma divide by nothing.
func TestBorder(t *testing.T) {
	const (
		leaky = `g (float[3] x) => (float[3] z) { z = LeakyRelu <alpha = 0.5> (x) }` // z is -1, 0, 3
		dense = `g (float[1,3] x) => (float[1,1] z) <float[3,1] w = {-1, 5, 1}> { z = MatMul (x, w) }`
	)
	for _, tt := range []struct {
		name, model, rule string
		form              passes.Form
		r, want           []float64
	}{
		{"closed form", leaky, "identity", passes.GradientForm, []float64{6, 6, 6}, []float64{6, 0, 6}},
		{"away from zero", leaky, "identity(border=1)", passes.GradientForm, []float64{6, 6, 6}, []float64{4, 0, 4.5}},                       // 6 x/(x ± 1)
		{"LXT's sign", leaky, "identity(border=1, bordered=plus)", passes.GradientForm, []float64{6, 6, 6}, []float64{12, 0, 4.5}},           // 6 x/(x + 1)
		{"explicit form has none", leaky, "identity(border=1)", passes.ExplicitForm, []float64{6, 6, 6}, []float64{6, 6, 6}},                 //
		{"free", leaky, "identity($b=1, plus)", passes.GradientForm, []float64{6, 6, 6}, []float64{12, 0, 4.5}},                              //
		{"gamma", dense, "gamma(0, 0)", passes.GradientForm, []float64{10}, []float64{4, 0, 6}},                                              // z = 2 + 3
		{"gamma with a border", dense, "gamma(0, 0, border=1)", passes.GradientForm, []float64{10}, []float64{4 * 2. / 3, 0, 6 * 3. / 4}},    // and x/(x ± 1) of each
		{"zplus with a border", dense, "zplus(0, border=1)", passes.GradientForm, []float64{10}, []float64{4 * 2. / 3, 0, 6 * 3. / 4}},       //
		{"alphabeta with one", dense, "alphabeta(1, 0, border=1)", passes.GradientForm, []float64{10}, []float64{4 * 2. / 3, 0, 6 * 3. / 4}}, //
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, tt.model)
			in := map[string]*ir.Tensor{"x": fill(m, "x", []float64{-2, 0, 3}), "R:z": fill(m, "z", tt.r)}
			got := relevance(t, m, "* => "+tt.rule, tt.form, in)["x"]
			if d := cmp.Diff(tt.want, got, cmpopts.EquateApprox(1e-12, 0)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
