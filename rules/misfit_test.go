package rules_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// Whatever rule a map gives to an operator, it fits in both forms, with a relevance of
// the input's shape, or is refused in both before anything runs.
func TestRulesFitInBothFormsOrInNone(t *testing.T) {
	for _, model := range []string{
		"z = MatMul (x, w)", "z = MatMul (x, w3)", "z = Gemm (x, w, b)", "z = lxt.Linear (x, w, b)", "z = Einsum <equation = \"ij,jk->ki\"> (x, w3)", "z = BatchNormalization (x, b, b, b, v)",
		"z = Relu (x)", "z = Gelu (x)", "z = Sigmoid (x)", "z = Clip (x, low)", "z = Softmax (x)", "z = LayerNormalization (x, b)", "z = RMSNormalization (x, b)", "z = LpNormalization (x)",
		"z = Add (x, u)", "z = Add (x, b)", "z = Sub (x, u)", "z = Sum (x, u, x)", "z = Mul (x, u)", "z = Mul (x, b)", "z = Div (x, u)", "z = Max (x, u)",
		"z = ReduceSum (x, last)", "z = ReduceMean (x, last)", "z = ReduceMax <keepdims = 0> (x, last)", "p = Unsqueeze (x, first) z = MaxPool <kernel_shape = [2]> (p)", "p = Unsqueeze (x, first) z = GlobalAveragePool (p)",
		"z = Reshape (x, flat)", "z = Flatten (x)", "z = Unsqueeze (x, first)", "z = Concat <axis = 1> (x, u)", "z = Slice (x, first, last2, last)", "z = Pad (x, pads)", "z = Transpose (x)", "z = Expand (x, wide)",
	} {
		for _, r := range rules.Standard() {
			var refused [2]error
			for k, form := range []passes.Form{passes.ExplicitForm, passes.GradientForm} {
				m := parse(t, `g (float[3,4] x, float[3,4] u) => (z)
					<float[4,4] w = {0.5, -1, 0.25, 2, -0.75, 1, 1.5, -0.5, 0.3, 0.6, -0.9, 1.2, -1.1, 0.7, 0.4, -0.2}, float[4,2] w3 = {0.5, -1, 0.25, 2, -0.75, 1, 1.5, -0.5},
					float[4] b = {0.5, -1, 2, 1.5}, float[4] v = {1, 2, 3, 4}, float low = {-1}, int64[1] last = {1}, int64[1] first = {0}, int64[1] last2 = {3}, int64[1] flat = {12},
					int64[4] pads = {0, 1, 0, 0}, int64[3] wide = {2, 3, 4}> { `+model+` }`)
				in := inputsOf(m)
				rm, err := rules.Parse("test.rules", "Unsqueeze \"p\" => move\n* => "+r.Name, rules.Standard())
				if err != nil {
					t.Fatal(err)
				}
				opt := passes.Options{Rules: rm, Form: form, Targets: []passes.Target{{Output: "z", Seed: true}}, Allow: true}
				if _, refused[k] = bare().Run(context.Background(), m, opt, passes.Driver{Strict: true}); refused[k] != nil {
					continue
				}
				for name, out := range runModel(t, m, reference.NewDouble(), in) {
					if (name == "R:x" || name == "R:u") && !slices.Equal(out.Shape, []int{3, 4}) {
						t.Errorf("%s by %s, %v form: %s has shape %v", model, r.Name, form, name, out.Shape)
					}
				}
			}
			var d *diag.Error
			switch e := refused; {
			case (e[0] == nil) != (e[1] == nil):
				t.Errorf("%s by %s: refused in one form only\nexplicit: %v\ngradient: %v", model, r.Name, e[0], e[1])
			case e[0] != nil && (!errors.As(e[0], &d) || d.Code != "LX3002"):
				t.Errorf("%s by %s: %v, want LX3002", model, r.Name, e[0])
			}
		}
	}
}

// Of a product, the derivative over k is the k-th part of relevance for each factor; of
// a sum it is not.
func TestUniformOfSums(t *testing.T) {
	for _, model := range []string{"z = Mul (x, u)", "z = Add (x, u)", "z = Sub (x, u)", "z = Sum (x, u)", "z = Div (x, u)", "z = Add (x, b)", "z = Mul (x, b)"} {
		m := caseModel(t, model)
		in := inputsOf(m)
		explicit, gradient := relevance(t, m, "* => uniform", passes.ExplicitForm, in), relevance(t, m, "* => uniform", passes.GradientForm, in)
		if d := cmp.Diff(gradient, explicit, cmpopts.EquateApprox(1e-9, 1e-9)); d != "" {
			t.Errorf("%s: the forms differ (-gradient +explicit):\n%s", model, d)
		}
	}
}

// Bounds the wrong way round are refused, in whatever channel.
func TestBoundsAreInOrder(t *testing.T) {
	for _, tt := range []struct {
		rule string
		ok   bool
	}{
		{"zbox(-1, 1)", true},
		{"zbox(1, 1)", true},
		{"zbox($low=3, 1)", true},
		{"zbox(-1/-2/-3/-4, 0)", true},
		{"zbox(1, -1)", false},
		{"zbox(-1/-2/2/-4, 1)", false},
		{"zbox(0, 1/1/-1/1)", false},
	} {
		m := caseModel(t, "z = MatMul (x, w)")
		rm, err := rules.Parse("test.rules", "* => "+tt.rule, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		opt := passes.Options{Rules: rm, Form: passes.ExplicitForm, Targets: []passes.Target{{Output: "z", Seed: true}}, Allow: true}
		if _, err := bare().Run(context.Background(), m, opt, passes.Driver{}); (err == nil) != tt.ok {
			t.Errorf("%s: error %v", tt.rule, err)
		}
	}
}
