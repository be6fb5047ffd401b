package rules_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// Each rule on a few numbers that one can check by hand.
func TestFormulas(t *testing.T) {
	const (
		// x W with x = (1, -2, 3) and W = (2, 1, -1): z = -3.
		dense = "g (float[1,3] x) => (float[1,1] z) <float[3,1] w = {2, 1, -1}> { z = MatMul (x, w) }"
		// The same with W = (2, 1, 1), z = 3, and b = 1 on top.
		biased = "g (float[1,3] x) => (float[1,1] z) <float[3,1] w = {2, 1, 1}, float[1] b = {1}> { z = lxt.Linear (x, w, b) }"
		// The same with b = -9, z = -6.
		sunk = "g (float[1,3] x) => (float[1,1] z) <float[3,1] w = {2, 1, 1}, float[1] b = {-9}> { z = lxt.Linear (x, w, b) }"
		// Two outputs of the same weights, (2, 1).
		twice = "g (float[1,2] x) => (float[1,2] z) <float[2,2] w = {2, 2, 1, 1}> { z = MatMul (x, w) }"
		// Windows of two, and the same one step to the left, over padding at both ends.
		windows = "g (float[1,1,4] x) => (float[1,1,2] z) { z = MaxPool <kernel_shape = [2], strides = [2]> (x) }"
		padded  = "g (float[1,1,4] x) => (float[1,1,3] z) { z = MaxPool <kernel_shape = [2], strides = [2], pads = [1, 1]> (x) }"
		all     = "g (float[3] x) => (float[1] z) { z = OP (x) }"
		// x·u with u = (2, 2, 2).
		product = "g (float[3] x, float[3] u) => (float[3] z) { z = Mul (x, u) }"
		unary   = "g (float[3] x) => (float[3] z) { z = OP }"
	)
	one := func(node string) string { return strings.Replace(unary, "OP", node, 1) }
	over := func(op string) string { return strings.Replace(all, "OP", op, 1) }
	for _, tt := range []struct {
		name, model, rule string
		x, r              []float64
		want              []float64 // relevance of x
	}{
		{"epsilon, z below zero", dense, "epsilon(1)", []float64{1, -2, 3}, []float64{8}, []float64{-4, 4, 6}},                                          // s = 8/(-3-1)
		{"epsilon, z above zero", dense, "epsilon(1)", []float64{-1, 2, -3}, []float64{8}, []float64{-4, 4, 6}},                                         // s = 8/(3+1)
		{"epsilon, z zero counts as above", dense, "epsilon(1)", []float64{1, 1, 3}, []float64{8}, []float64{16, 8, -24}},                               // s = 8/1
		{"epsilon, LXT's stabilizer", dense, "epsilon(1, plus)", []float64{1, -2, 3}, []float64{8}, []float64{-8, 8, 12}},                               // s = 8/(-3+1)
		{"epsilon, no stabilizer", dense, "epsilon(1, none)", []float64{1, -2, 3}, []float64{6}, []float64{-4, 4, 6}},                                   // s = 6/-3
		{"epsilon, bias takes its share", biased, "epsilon(0)", []float64{1, -2, 3}, []float64{8}, []float64{4, -4, 6}},                                 // s = 8/(3+1)
		{"epsilon, bias left out", biased, "epsilon(0, zero)", []float64{1, -2, 3}, []float64{6}, []float64{4, -4, 6}},                                  // s = 6/3
		{"epsilon, what the bias takes shared", biased, "epsilon(0, shared)", []float64{1, -2, 3}, []float64{8}, []float64{14. / 3, -10. / 3, 20. / 3}}, // 8 - 6 = 2 are left, 2/3 each
		{"epsilon, only zeros replaced", dense, "epsilon(1, zeros)", []float64{1, -2, 3}, []float64{6}, []float64{-4, 4, 6}},                            // s = 6/-3
		{"epsilon, a zero replaced", dense, "epsilon(1, zeros)", []float64{1, 1, 3}, []float64{8}, []float64{16, 8, -24}},                               // s = 8/1
		{"epsilon, clipped", dense, "epsilon(4, clip)", []float64{1, -2, 3}, []float64{8}, []float64{-4, 4, 6}},                                         // s = 8/-4
		{"epsilon, clipped where there is enough", dense, "epsilon(2, clip)", []float64{1, -2, 3}, []float64{6}, []float64{-4, 4, 6}},                   // s = 6/-3
		{"epsilon, in units of z", dense, "epsilon(1, scaled)", []float64{1, -2, 3}, []float64{12}, []float64{-4, 4, 6}},                                // s = 12/(-3-3)
		{"norm", "g (float[3] x, float[3] u) => (float[3] z) { z = Add (x, u) }", "norm(0)", []float64{2, 2, 6}, []float64{8, 12, 16}, []float64{4, 6, 12}},
		{"mean", over("ReduceMean"), "mean(6)", []float64{1, 2, 3}, []float64{12}, []float64{1, 2, 3}},                           // 12 x/(6 + 6)
		{"epsilon-bias", biased, "epsilon-bias(1, eps_bias=0)", []float64{1, -2, 3}, []float64{16}, []float64{6, -6, 9}},         // 16·3/4 = 12, s = 12/(3+1)
		{"epsilon-bias without one", dense, "epsilon-bias(1)", []float64{1, -2, 3}, []float64{8}, []float64{-4, 4, 6}},           // as epsilon
		{"bilinear", product, "bilinear(4)", []float64{1, 2, 3}, []float64{8, 12, 16}, []float64{2, 4, 6}},                       // 2·8/(2·2+4), 4·12/(8+4), 6·16/(12+4)
		{"uniform-epsilon", product, "uniform-epsilon(2)", []float64{1, 2, 3}, []float64{8, 12, 16}, []float64{2, 4, 6}},         // ½·2·8/(2+2), ½·4·12/(4+2), ½·6·16/(6+2)
		{"uniform", product, "uniform", []float64{1, 2, 3}, []float64{8, 12, 16}, []float64{4, 6, 8}},                            // R/2
		{"identity", one("Relu (x)"), "identity", []float64{1, -2, 3}, []float64{8, 12, 16}, []float64{8, 12, 16}},               // R
		{"taylor", one("Softmax (x)"), "taylor", []float64{1, 1, 1}, []float64{3, 6, 0}, []float64{0, 3, -3}},                    // s = ⅓, ΣR = 9
		{"taylor, masked", one("Softmax (x)"), "taylor", []float64{1, 1, math.Inf(-1)}, []float64{3, 5, 0}, []float64{-1, 1, 0}}, // s = ½, ½, 0
		{"norm-identity", "g (float[3] x) => (float[3] z) <float[3] w = {1, 2, 3}> { z = RMSNormalization (x, w) }", "norm-identity", []float64{1, -2, 3}, []float64{8, 12, 16}, []float64{8, 12, 16}},
		{
			"layernorm-epsilon", "g (float[3] x) => (float[3] z) <float[3] w = {1, 1, 1}> { z = LayerNormalization <epsilon = 1.3333334> (x, w) }",
			"layernorm-epsilon(1, sign)",
			[]float64{-2, 0, 2},
			[]float64{2, 0, 4},
			[]float64{4. / 3, 0, 5. / 3},
		}, // σ = 2, z = (-1, 0, 1), s = (-1, 0, 2), s/σ minus its mean ⅙
		{"gamma, z below zero", dense, "gamma(1, 0)", []float64{1, -2, 3}, []float64{8}, []float64{-2, 4, 6}},   // W₊ = (4, 2, -1), W₋ = (2, 1, -2), z₋ = 2 - 4 - 6
		{"gamma, z above zero", dense, "gamma(1, 0)", []float64{-1, 2, -3}, []float64{8}, []float64{-2, 4, 6}},  // z₊ = -2 + 4 + 6
		{"gamma, z zero loses all", dense, "gamma(1, 0)", []float64{1, 1, 3}, []float64{8}, []float64{0, 0, 0}}, //
		{"zplus", dense, "zplus(0)", []float64{1, -2, -3}, []float64{10}, []float64{4, 0, 6}},                   // z⁺ = 2 + 3
		{"alphabeta", dense, "alphabeta(2, 0)", []float64{1, -2, 3}, []float64{5}, []float64{10, -2, -3}},       // z⁺ = 2, z⁻ = -5
		{"alphabeta with β 0 is zplus", dense, "alphabeta(1, 0)", []float64{1, -2, -3}, []float64{10}, []float64{4, 0, 6}},
		{"zplus, plain inputs", dense, "zplus(0, plain)", []float64{3, -2, 1}, []float64{8}, []float64{12, -4, 0}},                                     // z = 6 - 2
		{"zplus, the bias as it is", sunk, "zplus(0, full)", []float64{3, 4, 2}, []float64{9}, []float64{18, 12, 6}},                                   // z⁺ = 6 + 4 + 2 - 9
		{"zplus, no negative bias", sunk, "zplus(0)", []float64{3, 4, 2}, []float64{12}, []float64{6, 4, 2}},                                           // z⁺ = 12
		{"zplus, what the bias takes shared", biased, "zplus(0, shared)", []float64{1, 1, 2}, []float64{12}, []float64{14. / 3, 8. / 3, 14. / 3}},      // z⁺ = 5 + 1, 2 are left
		{"alphabeta, the bias in both parts", biased, "alphabeta(2, 0, full)", []float64{1, -2, 3}, []float64{6}, []float64{4, -12, 6}},                // z⁺ = 5 + 1, z⁻ = -2 + 1
		{"alphabeta, the bias by its sign", biased, "alphabeta(2, 0)", []float64{1, -2, 3}, []float64{6}, []float64{4, -6, 6}},                         // z⁺ = 5 + 1, z⁻ = -2
		{"gamma, plain inputs", dense, "gamma(1, 0, plain)", []float64{1, 1, 1}, []float64{10}, []float64{8, 4, -2}},                                   // W₊ = (4, 2, -1)
		{"gamma, plain inputs and the bias as it is", biased, "gamma(1, 0, plain, full)", []float64{1, 1, 1}, []float64{18}, []float64{8, 4, 4}},       // z = 8 + 1
		{"gamma, plain inputs and a favoured bias", biased, "gamma(1, 0, plain)", []float64{1, 1, 1}, []float64{20}, []float64{8, 4, 4}},               // z = 8 + 2
		{"gamma, a favoured bias", biased, "gamma(1, 0)", []float64{1, -2, 3}, []float64{20}, []float64{8, -4, 12}},                                    // z₊ = 4 - 2 + 6 + 2
		{"gamma, the bias as it is", biased, "gamma(1, 0, full)", []float64{1, -2, 3}, []float64{18}, []float64{8, -4, 12}},                            // z₊ = 8 + 1
		{"gamma, the bias left out", biased, "gamma(1, 0, zero)", []float64{1, -2, 3}, []float64{16}, []float64{8, -4, 12}},                            // z₊ = 8
		{"gamma, what the bias takes shared", biased, "gamma(1, 0, shared)", []float64{1, -2, 3}, []float64{20}, []float64{28. / 3, -8. / 3, 40. / 3}}, // 20 - 16 = 4 are left
		{"gamma below zero, a favoured bias", sunk, "gamma(1, 0)", []float64{1, -2, 3}, []float64{34}, []float64{-4, 8, -6}},                           // z₋ = 2 - 4 + 3 - 18
		{"gamma below zero, the bias as it is", sunk, "gamma(1, 0, full)", []float64{1, -2, 3}, []float64{16}, []float64{-4, 8, -6}},                   // z₋ = 1 - 9
		{"gamma below zero, the bias left out", sunk, "gamma(1, 0, zero)", []float64{1, -2, 3}, []float64{2}, []float64{4, -8, 6}},                     // z₋ = 1
		{"gamma of each channel", twice, "gamma(0/1, 0)", []float64{2, -1}, []float64{3, 7}, []float64{12, -2}},                                        // z₊ = (4 - 1, 8 - 1)
		{"deep-taylor of Relu", one("Relu (x)"), "deep-taylor(0.5, 0)", []float64{1, 2, 3}, []float64{8, 12, 16}, []float64{8, 12, 16}},
		{"deep-taylor of a square", one("Mul (x, x)"), "deep-taylor(0.5, 0)", []float64{1, 2, 3}, []float64{3, 6, 9}, []float64{2, 4, 6}}, // ½x · ½x / (¾x²) to each factor
		{"deep-taylor, the bias cancels", biased, "deep-taylor(0.5, 0)", []float64{1, -2, 3}, []float64{6}, []float64{4, -4, 6}},          // z - z̃ = 1.5
		{"winner-takes-all of a maximum", over("ReduceMax"), "winner-takes-all", []float64{1, 3, 2}, []float64{5}, []float64{0, 5, 0}},
		{"winner-takes-all of a mean", over("ReduceMean"), "winner-takes-all", []float64{1, 3, 2}, []float64{5}, []float64{0, 5, 0}},
		{"proportional of a maximum", over("ReduceMax"), "proportional(0)", []float64{1, 3, 4}, []float64{8}, []float64{1, 3, 4}},
		{"proportional in windows", windows, "proportional(0)", []float64{1, 3, 2, 2}, []float64{4, 8}, []float64{1, 3, 4, 4}},
		{"average of a maximum", over("ReduceMax"), "average", []float64{1, 3, 4}, []float64{6}, []float64{2, 2, 2}},
		{"average, nothing to padding", padded, "average", []float64{1, 3, 2, 4}, []float64{2, 4, 6}, []float64{2, 2, 2, 6}},
		{"deconvnet", one("Relu (x)"), "deconvnet", []float64{1, -2, 3}, []float64{8, 12, -16}, []float64{8, 12, 0}},
		{"guided-backprop", one("Relu (x)"), "guided-backprop", []float64{1, -2, 3}, []float64{8, 12, -16}, []float64{8, 0, 0}},
		{"beta-smooth", one("Relu (x)"), "beta-smooth(0)", []float64{1, -2, 3}, []float64{8, 12, -16}, []float64{4, 6, -8}},                           // σ(0) = ½
		{"wsquare, what the bias takes shared", biased, "wsquare(0, shared)", []float64{1, -2, 3}, []float64{14}, []float64{26. / 3, 8. / 3, 8. / 3}}, // 2 are left
		{"zbox", dense, "zbox(-1, 1, 0)", []float64{1, 0, -1}, []float64{7}, []float64{4, 1, 2}},                                                      // z = 3 + 3 + 1
		{"zbox, bounds of each channel", dense, "zbox(-1/-2/-3, 1/2/3, 0)", []float64{1, 0, -1}, []float64{10}, []float64{4, 2, 4}},                   // z = 3 + (2 + 2) + 3
		{"wsquare", dense, "wsquare(0)", []float64{1, -2, 3}, []float64{6}, []float64{4, 1, 1}},                                                       // z = 6
		{"wsquare, squared bias", biased, "wsquare(0)", []float64{1, -2, 3}, []float64{14}, []float64{8, 2, 2}},                                       // z = 6 + 1
		{"wsquare, bias left out", biased, "wsquare(0, zero)", []float64{1, -2, 3}, []float64{6}, []float64{4, 1, 1}},                                 // z = 6
		{"flat", biased, "flat(0)", []float64{1, -2, 3}, []float64{6}, []float64{2, 2, 2}},                                                            // z = 3
		{"move", "g (float[3] x) => (float[4] z) <int64[4] i = {2, 0, 0, 1}> { z = Gather (x, i) }", "move", []float64{1, -2, 3}, []float64{1, 2, 4, 8}, []float64{6, 8, 1}},
		{"pass", one("Tanh (x)"), "pass", []float64{1, -2, 3}, []float64{8, 12, 16}, []float64{8, 12, 16}},
		{"pass to every operand", "g (float[3] x, float[3] u) => (float[3] z) { z = Add (x, u) }", "pass", []float64{1, -2, 3}, []float64{8, 12, 16}, []float64{8, 12, 16}},
		{"gradient", product, "gradient", []float64{1, -2, 3}, []float64{8, 12, 16}, []float64{16, 24, 32}}, // R·u
		{"stop", "g (float[3] x, float[3] u) => (float[3] z) { a = Relu (u) z = Mul (x, a) }", "uniform\nRelu => stop", []float64{1, -2, 3}, []float64{8, 12, 16}, []float64{8, 12, 16}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, tt.model)
			in := map[string]*ir.Tensor{"x": fill(m, "x", tt.x), "R:z": fill(m, "z", tt.r)}
			if m.Graph.Find("u") != nil {
				in["u"] = fill(m, "u", []float64{2, 2, 2})
			}
			rule, rest, _ := strings.Cut(tt.rule, "\n")
			got := relevance(t, m, rest+"\n* => "+rule, passes.ExplicitForm, in)["x"]
			// The formulas have float32 parameters and few terms.
			if d := worst(got, tt.want); !(d <= 1e-6) {
				t.Errorf("relevance is %v, want %v", got, tt.want)
			}
		})
	}
}

// cases are models that each rule can be put on, for properties of all rules.
var cases = []struct {
	rule, model string
	bias        bool // of the operator: it absorbs relevance
}{
	{"epsilon(EPS)", "z = MatMul (x, w)", false},
	{"epsilon(EPS)", "z = Add (x, u)", false},
	{"epsilon(EPS)", "z = Sub (x, u)", false},
	{"epsilon(EPS)", "z = Gemm <alpha = 0.5> (x, w)", false},
	{"epsilon(EPS)", "z = lxt.Linear (x, w, b)", true},
	{"epsilon(EPS)", "z = ReduceMean (x)", false},
	{"epsilon-bias(EPS, eps_bias=0)", "z = lxt.Linear (x, w, b)", true},
	{"bilinear(EPS)", "t = Transpose (u) z = MatMul (x, t)", false},
	{"bilinear(EPS)", "z = Mul (x, u)", false},
	{"uniform-epsilon(EPS)", "t = Transpose (u) z = MatMul (x, t)", false},
	{"uniform", "z = Mul (x, u)", false},
	{"identity", "z = Relu (x)", false},
	{"identity", "z = Gelu (x)", false},
	{"identity", "z = Swish (x)", false},
	{"identity", "z = Sigmoid (x)", false},
	{"identity", "z = Mul (x, b)", false},
	{"straight-through", "s = Constant <value = float {0.1}> () z = lxt.FakeQuantize <output_dtype = 3> (x, s, s)", false}, // of which no element is rounded
	{"taylor", "z = Softmax (x)", false},
	{"norm-identity", "z = RMSNormalization (x, b)", false},
	{"norm-identity", "z = LpNormalization (x)", false},
	{"layernorm-epsilon(EPS, sign)", "z = LayerNormalization (x, b)", false},
	{"layernorm-epsilon(EPS, sign)", "z = LayerNormalization (x, b, c)", true},
	{"gamma(0.25, EPS)", "z = MatMul (x, w)", false},
	{"gamma(0.25, EPS, zero)", "z = lxt.Linear (x, w, b)", true},
	{"gamma(0.25, EPS)", "z = Gemm <alpha = -0.5> (x, w)", false},
	{"zplus(EPS)", "z = MatMul (x, w)", false},
	{"zplus(EPS)", "z = Gemm <alpha = -0.5> (x, w)", false},
	{"alphabeta(2, EPS)", "z = MatMul (x, w)", false},
	{"zbox(-3, 3, EPS)", "z = lxt.Linear (x, w, b)", false},
	{"wsquare(EPS)", "z = MatMul (x, w)", false},
	{"flat(EPS)", "z = lxt.Linear (x, w, b)", false},
	{"flat(EPS)", "z = ReduceMean (x)", false},
	{"norm(EPS)", "z = Add (x, u)", false},
	{"mean(EPS)", "z = ReduceMean (x)", false},
	{"epsilon(EPS, shared)", "z = lxt.Linear (x, w, b)", false},
	{"zplus(EPS, shared)", "z = lxt.Linear (x, w, b)", false},
	{"zplus(EPS, plain)", "z = MatMul (x, w)", false},
	{"alphabeta(2, EPS, shared)", "z = lxt.Linear (x, w, b)", false},
	{"gamma(0.25, EPS, shared)", "z = lxt.Linear (x, w, b)", false},
	{"gamma(0.25, EPS, plain)", "z = MatMul (x, w)", false},
	{"gamma(0.25/1/0/3, EPS)", "z = MatMul (x, w)", false},
	{"wsquare(EPS, shared)", "z = lxt.Linear (x, w, b)", false},
	{"deep-taylor(0.5, EPS)", "z = Gelu (x)", false},
	{"winner-takes-all", "z = ReduceMax (x)", false},
	{"winner-takes-all", "z = ReduceMean (x)", false},
	{"proportional(EPS)", "z = ReduceMax (x)", false},
	{"average", "z = ReduceMax (x)", false},
	{"deconvnet", "z = Gelu (x)", false},
	{"guided-backprop", "z = Gelu (x)", false},
	{"beta-smooth(10)", "z = Gelu (x)", false},
	{"move", "z = Transpose (x)", false},
	{"move", "z = Concat <axis = 0> (x, u)", false},
	{"move", "z = ReduceMax (x)", false},
	{"pass", "z = Relu (x)", false},
	{"stop", "z = Neg (x)", false},
	{"gradient", "z = Neg (x)", false},
}

func caseModel(t *testing.T, nodes string) *ir.Model {
	return parse(t, `g (float[3,4] x, float[3,4] u) => (z)
		<float[4,4] w = {0.5, -1, 0.25, 2, -0.75, 1, 1.5, -0.5, 0.3, 0.6, -0.9, 1.2, -1.1, 0.7, 0.4, -0.2}, float[4] b = {0.5, -1, 2, 1.5}, float[4] c = {0.1, 0.2, -0.3, 0.4}>
		{ `+nodes+` }`)
}

// inputsOf are numbers for which every output of x w has contributions of both
// signs and none is near 0.
func inputsOf(m *ir.Model) map[string]*ir.Tensor {
	x := []float64{1.5, 1.4, 1.1, 0.5, 0.7, -0.6, -1.5, 1.8, -1.9, -0.9, 0.5, 1.9}
	u := []float64{1.1, 0.6, -0.9, 1.4, -1.6, 0.5, 0.8, -0.7, 0.3, 1.9, -1.3, 0.4}
	size := 1
	for _, d := range m.Graph.Outputs[0].Type.Shape {
		n, _ := d.Num()
		size *= int(n)
	}
	r := make([]float64, size)
	for i := range r {
		r[i] = math.Sin(float64(3*i + 1))
	}
	in := map[string]*ir.Tensor{"R:z": fill(m, "z", r)}
	if m.Graph.Find("pic") != nil {
		in["pic"] = fill(m, "pic", append(x, u[:6]...))
		return in
	}
	in["x"], in["u"] = fill(m, "x", x), fill(m, "u", u)
	return in
}

// A rule that says that it conserves hands on what it receives.
func TestConservation(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range cases {
		rule := strings.NewReplacer("EPS", "0").Replace(c.rule)
		name, _, _ := strings.Cut(rule, "(")
		r := rules.Standard().Lookup(name)
		if !r.Conserves || c.bias {
			continue
		}
		tried[name] = true
		t.Run(rule+" "+c.model, func(t *testing.T) {
			m := caseModel(t, c.model)
			in := inputsOf(m)
			sum := 0.0
			for _, r := range relevance(t, m, extra+"* => "+rule, passes.ExplicitForm, in) {
				sum += total(r)
			}
			want := total(floats(t, in["R:z"]))
			if !(math.Abs(sum-want) <= 1e-6) { // float32 parameters
				t.Errorf("the relevance of the inputs sums to %g, want %g", sum, want)
			}
		})
	}
	for _, r := range rules.Standard() {
		if r.Conserves && !tried[r.Name] && r.Name != "epsilon-bias" { // which differs from epsilon by its bias only
			t.Errorf("rule %s says that it conserves, and no case shows it", r.Name)
		}
	}
}

// extra are rules for what the models have besides the operator in question.
const extra = "Transpose => move\n"

// The gradient form is the explicit form as ε goes to 0, and differs by what is
// proportional to ε.
func TestForms(t *testing.T) {
	for _, c := range cases {
		name, _, _ := strings.Cut(c.rule, "(")
		if name == "gradient" || name == "epsilon-bias" || name == "stop" {
			continue // relevance as a gradient has no other form; of the second, two ε count; stop gives nothing
		}
		if strings.Contains(c.model, "Relu") {
			continue // relevance of an output of 0 is not G·0
		}
		t.Run(c.rule+" "+c.model, func(t *testing.T) {
			m := caseModel(t, c.model)
			in := inputsOf(m)
			at := func(eps string, form passes.Form) float64 {
				rule := extra + "* => " + strings.Replace(c.rule, "EPS", eps, 1)
				got := relevance(t, m, rule, form, in)
				want := relevance(t, m, strings.Replace(extra+"* => "+c.rule, "EPS", "1e-9", 1), passes.ExplicitForm, in)
				d := 0.0
				for name := range want {
					d = max(d, worst(got[name], want[name]))
				}
				return d
			}
			// 1e-10 keeps x from 0 where a rule is converted at its border.
			if d := at("1e-9", passes.GradientForm); !(d <= 1e-6) {
				t.Errorf("the gradient form is %g off", d)
			}
			if !strings.Contains(c.rule, "EPS") || strings.Contains(c.model, "Reduce") {
				return
			}
			large, small := at("1e-3", passes.ExplicitForm), at("1e-4", passes.ExplicitForm)
			if ratio := large / small; !(ratio > 8 && ratio < 12) {
				t.Errorf("the explicit form is %g off for ε = 1e-3 and %g for 1e-4, want a tenth", large, small)
			}
		})
	}
}

func parse(t *testing.T, text string) *ir.Model {
	t.Helper()
	m, err := ir.Parse(text, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fill makes a tensor of the type of a value of m.
func fill(m *ir.Model, name string, xs []float64) *ir.Tensor {
	shape, _ := m.Graph.Find(name).Type.Static()
	f := make([]float32, len(xs))
	for i, x := range xs {
		f[i] = float32(x)
	}
	return ir.Of(f, shape...)
}

// relevance returns that of the inputs of m under a map, from R:z.
func relevance(t *testing.T, m *ir.Model, text string, form passes.Form, in map[string]*ir.Tensor) map[string][]float64 {
	t.Helper()
	rm, err := rules.Parse("test.rules", text, rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	c := m.Clone()
	opt := passes.Options{Rules: rm, Form: form, Targets: []passes.Target{{Output: "z", Seed: true}}}
	if _, err := bare().Run(context.Background(), c, opt, passes.Driver{Strict: true}); err != nil {
		t.Fatal(err)
	}
	out := runModel(t, c, reference.NewDouble(), in)
	rs := map[string][]float64{}
	for _, v := range m.Graph.Inputs {
		rs[v.Name] = floats(t, out["R:"+v.Name])
	}
	return rs
}

// bare is the pipeline without what makes models simpler and smaller.
func bare() passes.Pipeline {
	var p passes.Pipeline
	for _, name := range []string{"target", "swap", "seed", "relevance"} {
		pass, _ := passes.Default().Lookup(name)
		p = append(p, pass)
	}
	return p
}

func total(xs []float64) float64 {
	sum := 0.0
	for _, x := range slices.Sorted(slices.Values(xs)) {
		sum += x
	}
	return sum
}
