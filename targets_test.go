package lxtc_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// scoresModel computes scores of two rows of three tokens, of which the second row
// has two, and of four classes.
func scoresModel(t *testing.T) (*lxtc.Model, map[string]*ir.Tensor, []float64) {
	t.Helper()
	m, err := ir.Parse("g (float[B,S,4] x, int64[B,S] attention_mask) => (float[B,S,4] logits) { logits = Neg (x) }", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, 24), make([]float64, 24)
	for i := range x {
		x[i] = float32(i*7%24) - 11
		y[i] = -float64(x[i])
	}
	return lxtc.FromIR(m), map[string]*ir.Tensor{"x": ir.Of(x, 2, 3, 4), "attention_mask": ir.Of([]int64{1, 1, 1, 1, 1, 0}, 2, 3)}, y
}

// The relevance of scores is their value times the weight that a target gives them.
//
//	row 0   11   4  -3 -10     row 1   -1  -8   9   2
//	         7   0  -7  10             -5 -12   5  -2
//	         3  -4 -11   6             -9   8   1  -6  padding
func TestTargetsWeighScores(t *testing.T) {
	m, in, y := scoresModel(t)
	third := -1.0 / 3
	for _, tt := range []struct {
		targets  []string
		contrast bool
		want     map[int]float64 // weight by element
	}{
		{targets: []string{"argmax"}, want: map[int]float64{11: 1, 18: 1}},
		{targets: []string{"logits[rank2]"}, want: map[int]float64{8: 1, 19: 1}},
		{targets: []string{"logits[rank2@0]"}, want: map[int]float64{1: 1, 15: 1}},
		{targets: []string{"logits[1@-1]"}, want: map[int]float64{9: 1, 17: 1}},
		{targets: []string{"logits[3/0@-2]"}, want: map[int]float64{7: 1, 12: 1}},
		{targets: []string{"logits[all]"}, want: map[int]float64{8: 1, 9: 1, 10: 1, 11: 1, 16: 1, 17: 1, 18: 1, 19: 1}},
		{targets: []string{"logits[all@1]"}, want: map[int]float64{4: 1, 5: 1, 6: 1, 7: 1, 16: 1, 17: 1, 18: 1, 19: 1}},
		{targets: []string{"logits[argmax@:]"}, want: map[int]float64{0: 1, 7: 1, 11: 1, 14: 1, 18: 1}},
		{targets: []string{"logits[rank4@:]"}, want: map[int]float64{3: 1, 6: 1, 10: 1, 13: 1, 17: 1}},
		{targets: []string{"logits[-1@:]"}, want: map[int]float64{3: 1, 7: 1, 11: 1, 15: 1, 19: 1}},
		{targets: []string{"logits[3/0@:]"}, want: map[int]float64{3: 1, 7: 1, 11: 1, 12: 1, 16: 1}},
		{targets: []string{"logits[1,-1,2]"}, want: map[int]float64{22: 1}},
		{targets: []string{"logits[:,-1,0|3]"}, want: map[int]float64{8: 1, 11: 1, 20: 1, 23: 1}},
		{targets: []string{"logits[0,1:3,1:3]"}, want: map[int]float64{5: 1, 6: 1, 9: 1, 10: 1}},
		{targets: []string{"logits[1]", "-2*logits[1,0,0]"}, want: nil}, // too few indices
		{targets: []string{"2*logits[1@0]", "-1*logits[0,0,1]", "-1*logits[0@0]"}, want: map[int]float64{0: -1, 1: 1, 12: -1, 13: 2}},
		{targets: []string{"logits[1@0]"}, contrast: true, want: map[int]float64{0: third, 1: 1, 2: third, 3: third, 12: third, 13: 1, 14: third, 15: third}},
		{targets: []string{"logits[0,0,1|2]"}, contrast: true, want: map[int]float64{0: 2 * third, 1: 2.0 / 3, 2: 2.0 / 3, 3: 2 * third}},
		{targets: []string{"logits[all@0]"}, contrast: true, want: map[int]float64{}},
		{targets: []string{"-3*logits[0,0,1]"}, contrast: true, want: map[int]float64{0: 1, 1: -3, 2: 1, 3: 1}},
	} {
		var opt lxtc.Options
		for _, s := range tt.targets {
			target, err := passes.ParseTarget(s)
			if err != nil {
				t.Fatal(err)
			}
			target.Contrast = tt.contrast
			opt.Targets = append(opt.Targets, target)
		}
		want := make([]float64, len(y))
		for i, w := range tt.want {
			want[i] = w * y[i]
		}
		for _, opt.Form = range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
			for _, opt.TargetsOnly = range []bool{false, true} {
				for _, b := range []backend.Backend{reference.NewDouble(), gorgonia.New()} {
					x, err := m.Explainer(t.Context(), b, opt, backend.Options{})
					if tt.want == nil {
						if err == nil {
							t.Errorf("%v: no error", tt.targets)
						}
						continue
					}
					if err != nil {
						t.Fatalf("%v: %v", tt.targets, err)
					}
					out, err := x.Run(t.Context(), in)
					if err != nil {
						t.Fatalf("%v: %v", tt.targets, err)
					}
					got, err := out["R:x"].Float64s()
					if err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 4e-6)); d != "" { // thirds of 12 in float32, and 1e-8 in the explicit rule
						t.Errorf("%v, %v form, targets only %v, on %s:\n%s", tt.targets, opt.Form, opt.TargetsOnly, b.Name(), d)
					}
					x.Close()
				}
			}
		}
	}
}

// One by one, targets have the relevance that each has alone, and so they have with
// weights that come with the inputs.
func TestEachTargetAlone(t *testing.T) {
	m, in, _ := scoresModel(t)
	largest := passes.Argmax.Top(2)
	targets := append(largest, passes.Target{Output: "logits", Class: []int64{1}, Weight: -2}, passes.Target{Output: "logits", All: true, Weight: 3})
	for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
		eachAlone(t, m, in, form, targets)
	}
}

func eachAlone(t *testing.T, m *lxtc.Model, in map[string]*ir.Tensor, form passes.Form, targets []passes.Target) {
	relevance := func(opt lxtc.Options, in map[string]*ir.Tensor) []float64 {
		t.Helper()
		return relevanceOf(t, m, gorgonia.New(), opt, in, "R:x")[0]
	}
	var got, want [][]float64
	x, err := m.Each(t.Context(), gorgonia.New(), lxtc.Options{Form: form, Targets: targets}, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	err = x.Run(t.Context(), in, func(_ int, out map[string]*ir.Tensor) error {
		if out["logits"] == nil || out[passes.WeightsInput] != nil {
			t.Errorf("outputs are %v", slices.Sorted(maps.Keys(out)))
		}
		r, err := out["R:x"].Float64s()
		got = append(got, r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		want = append(want, relevance(lxtc.Options{Form: form, Targets: []passes.Target{target}}, in))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	all := lxtc.Options{Form: form, Targets: targets, Weights: true}
	weighed := maps.Clone(in)
	weighed[passes.WeightsInput] = ir.Of([]float32{1, -1, 0.25, 6}, 4)
	sum, difference := relevance(all, in), relevance(all, weighed)
	for i := range sum { // equal, but for one rounding if a processor adds in another order
		if w := want[0][i] + want[1][i] + want[2][i] + want[3][i]; math.Abs(sum[i]-w) > 1e-6 {
			t.Errorf("element %d: without weights %g, want %g", i, sum[i], w)
		}
		if w := want[0][i] - want[1][i] - want[2][i]/8 + 2*want[3][i]; math.Abs(difference[i]-w) > 1e-6 {
			t.Errorf("element %d: weighed %g, want %g", i, difference[i], w)
		}
	}
}
