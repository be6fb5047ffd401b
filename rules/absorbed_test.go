package rules_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// What an operator keeps goes to its inputs, on numbers that one can check by hand.
func TestAbsorbedByHand(t *testing.T) {
	for _, tt := range []struct {
		name, model, rule string
		x, r              []float64
		want              []float64
	}{
		{
			"a constant operand", "g (float[3] x) => (float[3] z) <float[3] b = {1, 3, -2}> { z = Add (x, b) }",
			"epsilon(0, shared)",
			[]float64{1, -2, 3},
			[]float64{8, 12, 16},
			[]float64{8, 12, 16},
		}, // 4 - 24 + 48 by the rule, and 4 + 36 - 32 that the constant takes
		{
			"a stabilizer, two operands", "g (float[3] x, float[3] u) => (float[3] z) { z = Add (x, u) }",
			"norm(1, shared)",
			[]float64{1, 2, 5},
			[]float64{8, 10, 16},
			[]float64{2 + 1, 4 + 1, 10 + 1},
		}, // u = 2: s = (2, 2, 2), and ε takes 2 of each, half of which is x's
		{
			"a stabilizer, by the size of operands", "g (float[3] x, float[3] u) => (float[3] z) { z = Add (x, u) }",
			"norm(1, active)",
			[]float64{0, 2, 5},
			[]float64{6, 10, 16},
			[]float64{0, 4 + 2*2./4, 10 + 2*5./7},
		},
		{
			"a bias, by contributions", "g (float[1,3] x) => (float[1,1] z) <float[3,1] w = {2, 1, 1}, float[1] b = {2}> { z = lxt.Linear (x, w, b) }",
			"epsilon(0, active)",
			[]float64{1, 0, 4},
			[]float64{8},
			[]float64{2 + 2*2./6, 0, 4 + 2*4./6},
		}, // s = 8/8, the bias takes 2
		{
			"softmax, by its weights and the size of scores", "g (float[3] x) => (float[3] z) { z = Softmax (x) }",
			"taylor(active)",
			[]float64{1, 1, math.Inf(-1)},
			[]float64{3, 5, 0},
			[]float64{-1 + 4, 1 + 4, 0},
		},
		{
			"the bias of a normalization, in its row", "g (float[3] x) => (float[3] z) <float[3] w = {1, 1, 1}, float[3] b = {2, 1, 1}> { z = LayerNormalization <epsilon = 1.3333334> (x, w, b) }",
			"layernorm-epsilon(0, active)",
			[]float64{-2, 0, 2},
			[]float64{3, 0, 4},
			[]float64{-4./3 + 2*(1.8+0.8), 0, 1./3 + 2*(0.6+0.8)},
		}, // what is left is (6, 0, 2) as above, |x| + mean |x| is (10, 4, 10)/3
		{
			"nothing that could take it", "g (float[1,2] x) => (float[1,1] z) <float[2,1] w = {2, 1}, float[1] b = {2}> { z = lxt.Linear (x, w, b) }",
			"epsilon(0, active)",
			[]float64{0, 0},
			[]float64{8},
			[]float64{0, 0},
		},
		{
			"softmax, by its weights", "g (float[3] x) => (float[3] z) { z = Softmax (x) }",
			"taylor(shared)",
			[]float64{1, 1, math.Inf(-1)},
			[]float64{3, 5, 0},
			[]float64{-1 + 4, 1 + 4, 0},
		}, // s = ½, ½, 0, and all of 8 is kept
		{
			"the bias of a normalization", "g (float[3] x) => (float[3] z) <float[3] w = {1, 1, 1}, float[3] b = {2, 1, 1}> { z = LayerNormalization <epsilon = 1.3333334> (x, w, b) }",
			"layernorm-epsilon(0, shared)",
			[]float64{-2, 0, 2},
			[]float64{3, 0, 4},
			[]float64{-4./3 + 6, 0, 1./3 + 2},
		}, // σ = 2, z = (1, 1, 2), s = (3, 0, 2), s/σ minus its mean 5/6; b takes (6, 0, 2)
		{
			"a mean, in equal parts", "g (float[3] x) => (float[1] z) { z = ReduceMean (x) }",
			"mean(6, shared)",
			[]float64{1, 2, 3},
			[]float64{12},
			[]float64{3, 4, 5},
		}, // ε takes 6
		{
			"a box", "g (float[1,3] x) => (float[1,1] z) <float[3,1] w = {2, 1, -1}> { z = MatMul (x, w) }",
			"zbox(-1, 1, 7, shared)",
			[]float64{1, 0, -1},
			[]float64{14},
			[]float64{4 + 7./3, 1 + 7./3, 2 + 7./3},
		}, // s = 14/14
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, tt.model)
			in := map[string]*ir.Tensor{"x": fill(m, "x", tt.x), "R:z": fill(m, "z", tt.r)}
			if m.Graph.Find("u") != nil {
				in["u"] = fill(m, "u", []float64{2, 2, 2})
			}
			got := relevance(t, m, "* => "+tt.rule, passes.ExplicitForm, in)["x"]
			if d := worst(got, tt.want); !(d <= 1e-6) { // float32 parameters
				t.Errorf("relevance is %v, want %v", got, tt.want)
			}
		})
	}
}

// absorbers are operators at which something is absorbed: by a bias or a
// constant, by an expansion, and by ε everywhere.
var absorbers = []struct{ rule, model string }{
	{"epsilon", "z = lxt.Linear (x, w, b)"},
	{"epsilon", "z = Gemm <alpha = 0.5, beta = 2.0, transB = 1> (x, w, b)"},
	{"epsilon", "z = MatMul (x, w)"},
	{"epsilon", "z = Add (x, b)"},
	{"epsilon", "z = Sub (b, x)"},
	{"epsilon", "z = Sub (x, u)"},
	{"epsilon", "z = Sum (x, u, b)"},
	{"epsilon", "z = Mean (x, u, b)"},
	{"epsilon", "z = Div (x, b)"},
	{"epsilon", "z = Mul (x, b)"},
	{"epsilon", "z = BatchNormalization (x, b, c, b, p)"},
	{"epsilon", "z = ReduceSum (x)"},
	{"epsilon", "a = Constant <value = int64 {1}> () z = CumSum (x, a)"},
	{"epsilon", "z = Conv (pic, k, c2)"},
	{"epsilon", "z = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (pic, k, c2)"},
	{"epsilon", "z = ConvTranspose (pic, k, c2)"},
	{"epsilon", "z = AveragePool <kernel_shape = [2, 2], pads = [1, 1, 0, 0]> (pic)"},
	{"epsilon", "z = GlobalAveragePool (pic)"},
	{"epsilon", "i = Constant <value = int64[2,1] {2, 0}> () h = Slice (u, zero, two, zero) z = ScatterND <reduction = \"add\"> (x, i, h)"},
	{"epsilon", "s = Constant <value = float[4] {1, 1, 1, 2}> () z = Resize <mode = \"linear\"> (pic, , s)"},
	{"epsilon-bias", "z = lxt.Linear (x, w, b)"},
	{"norm", "z = Add (x, b)"},
	{"mean", "z = ReduceMean <keepdims = 0> (x)"},
	{"bilinear", "t = Transpose (u) z = MatMul (x, t)"},
	{"bilinear", "z = Mul (x, u)"},
	{"bilinear", "z = Einsum <equation = \"ij,kj->ik\"> (x, u)"},
	{"uniform-epsilon", "t = Transpose (u) z = MatMul (x, t)"},
	{"taylor", "z = Softmax (x)"},
	{"taylor", "z = Softmax <axis = 0> (x)"},
	{"layernorm-epsilon", "z = LayerNormalization (x, b, c)"},
	{"layernorm-epsilon", "z = InstanceNormalization (pic, c2, b2)"},
	{"layernorm-epsilon", "z = GroupNormalization <num_groups = 2> (pic, c2, b2)"},
	{"gamma", "z = lxt.Linear (x, w, b)"},
	{"gamma", "z = Conv <pads = [1, 1, 1, 1]> (pic, k, c2)"},
	{"zplus", "z = lxt.Linear (x, w, b)"},
	{"zplus", "z = Gemm <alpha = -0.5> (x, w, b)"},
	{"alphabeta", "z = lxt.Linear (x, w, b)"},
	{"zbox", "z = lxt.Linear (x, w, b)"},
	{"wsquare", "z = lxt.Linear (x, w, b)"},
	{"flat", "z = lxt.Linear (x, w, b)"},
	{"proportional", "z = MaxPool <kernel_shape = [2, 2]> (pic)"},
	{"proportional", "z = ReduceMax (x)"},
}

func absorberModel(t *testing.T, nodes string) *ir.Model {
	pic := "float[3,4] x, float[3,4] u"
	if strings.Contains(nodes, "pic") {
		pic = "float[1,2,3,3] pic"
	}
	return parse(t, `g (`+pic+`) => (z)
		<float[4,4] w = {0.5, -1, 0.25, 2, -0.75, 1, 1.5, -0.5, 0.3, 0.6, -0.9, 1.2, -1.1, 0.7, 0.4, -0.2}, float[4] b = {0.5, -1, 2, 1.5}, float[3,3] w3 = {1, -2, 0.5, 0.25, 1, -1, 2, 0.3, -0.6}, float[4] c = {0.1, 0.2, -0.3, 0.4}, float[4] p = {1, 2, 0.5, 3},
		 float[2,2,2,2] k = {0.5, -1, 0.25, 2, -0.75, 1, 1.5, -0.5, 0.3, 0.6, -0.9, 1.2, -1.1, 0.7, 0.4, -0.2}, float[2] c2 = {0.7, -0.4}, float[2] b2 = {0.3, 0.9}, int64[1] zero = {0}, int64[1] two = {2}>
		{ `+nodes+` }`)
}

// With absorbed=shared, or active, no rule keeps anything, whatever its ε, in
// either form; and as it is by default, each of these does.
func TestAbsorbedConserves(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range absorbers {
		rule := rules.Standard().Lookup(c.rule)
		tried[c.rule] = true
		for _, tt := range []struct {
			absorbed string
			form     passes.Form
			least    float64 // of relevance that is lost
			most     float64
		}{
			{"kept", passes.ExplicitForm, 1e-5, math.Inf(1)},
			// A third, in the derivative of a mean of three, is a float32.
			{"shared", passes.ExplicitForm, 0, 1e-8},
			{"active", passes.ExplicitForm, 0, 1e-8},
			// 1e-10 keeps inputs from 0 where relevance is divided by them.
			{"shared", passes.GradientForm, 0, 1e-8},
			{"active", passes.GradientForm, 0, 1e-8},
		} {
			args := []string{"absorbed=" + tt.absorbed}
			if slices.ContainsFunc(rule.Params, func(p rules.Param) bool { return p.Name == "eps" }) {
				args = append(args, "eps=0.1")
			}
			call := rule.MustOf(args...)
			t.Run(call.String()+" "+c.model+" "+tt.form.String(), func(t *testing.T) {
				m := absorberModel(t, c.model)
				in := inputsOf(m)
				if m.Graph.Find("pic") == nil {
					in["u"] = fill(m, "u", []float64{1.1, 0.6, -0.9, 1.4, -1.6, 0.5, 0.8, -0.7, 0.3, 1.8, -1.3, 0.4}) // no sum is 0
				}
				sum, size := 0.0, 1.0
				for _, r := range relevance(t, m, "Transpose, Slice => move\n* => "+call.String(), tt.form, in) {
					sum += total(r)
					for _, x := range r {
						size += math.Abs(x)
					}
				}
				lost := math.Abs(sum-total(floats(t, in["R:z"]))) / size
				if !(lost >= tt.least && lost <= tt.most) {
					t.Errorf("%g of the relevance is lost, want %g to %g", lost, tt.least, tt.most)
				}
			})
		}
	}
	for _, r := range rules.Standard() {
		if has := slices.ContainsFunc(r.Params, func(p rules.Param) bool { return p.Name == "absorbed" }); has != tried[r.Name] {
			t.Errorf("rule %s: has the parameter absorbed: %v, tried: %v", r.Name, has, tried[r.Name])
		}
	}
}

// Where it is not known what an operator keeps, or for whom, it is refused.
func TestAbsorbedRefused(t *testing.T) {
	for _, tt := range []struct{ rule, model, want string }{
		{"epsilon(shared)", "z = Mul (x, x)", "is for operators that are linear in what is explained, and Mul is not"},
		{"epsilon(active)", "z = Div (x, u)", "put a line above, such as `Div => epsilon`, without absorbed"},
		{"epsilon(shared)", "z = Transpose (x)", "and Transpose is none: it does not say which inputs an output is made of"},
		{"bilinear(shared)", "z = Add (x, u)", "divides between the factors of a product, and Add is none"},
	} {
		m := absorberModel(t, tt.model)
		rm, err := rules.Parse("test.rules", "* => "+tt.rule, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		opt := passes.Options{Rules: rm, Targets: []passes.Target{{Output: "z", Seed: true}}}
		if _, err := bare().Run(context.Background(), m, opt, passes.Driver{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: error %v, want %q", tt.rule, tt.model, err, tt.want)
		}
	}
}
