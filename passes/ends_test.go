package passes_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// First and last are a matter of what data flows through: where ways part, each has a
// first layer of its own, and nothing that has one before it is first.
func TestFirstAndLast(t *testing.T) {
	for _, tt := range []struct {
		name, body  string
		first, last []string
	}{
		{"a chain", "a = MatMul (x, w) b = Relu (a) c = MatMul (b, w) y = Relu (c)", []string{"a"}, []string{"c"}},
		{"a shortcut with a layer", "a = MatMul (x, w) b = Relu (a) c = MatMul (b, w) d = MatMul (x, w) y = Add (c, d)", []string{"a", "d"}, []string{"c", "d"}},
		{"queries and keys", "q = MatMul (x, w) k = MatMul (x, w) t = Transpose (k) s = MatMul (q, t) y = Softmax (s)", []string{"k", "q"}, []string{"s"}},
		{"what is seen directly and through a layer", "a = MatMul (x, w) b = Add (a, x) c = MatMul (b, w) y = Tanh (c)", []string{"a"}, []string{"c"}},
		{"a layer that the target does not use", "u = MatMul (x, w) a = Relu (x) y = MatMul (a, w)", []string{"y"}, []string{"y"}},
		{"no layer", "y = Relu (x)", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse("g (float[2,2] x) => (float[2,2] y) <float[2,2] w = {1, 2, 3, 4}> {"+tt.body+"}", ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			for _, end := range []string{"first", "last"} {
				rm, err := rules.Parse("t.rules", "* if "+end+" => epsilon(0.5)\nuse attnlrp", rules.Standard())
				if err != nil {
					t.Fatal(err)
				}
				opt := passes.Options{Rules: rm, Eval: reference.Eval, Targets: []passes.Target{{Output: "y", Seed: true}}}
				rep, err := passes.Default().Run(context.Background(), m.Clone(), opt, passes.Driver{})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, o := range rep.Operators {
					if strings.HasPrefix(o.Rule, "epsilon(0.5,") {
						got = append(got, o.Node)
					}
				}
				slices.Sort(got)
				if d := cmp.Diff(map[string][]string{"first": tt.first, "last": tt.last}[end], got); d != "" {
					t.Errorf("%s (-want +got):\n%s", end, d)
				}
			}
		})
	}
}

// A rule without a gradient form is reported as converted, one that has one is not;
// in explicit form nothing is.
func TestReportSaysWhatIsConverted(t *testing.T) {
	m, err := ir.Parse("g (float[2,2] x) => (float[2,2] y) <float[2,2] w = {1, 2, 3, 4}> { a = MatMul (x, w) b = Relu (a) y = MatMul (b, w) }", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	rm, err := rules.Parse("t.rules", "MatMul \"a\" => gamma\nMatMul \"y\" => epsilon(absorbed=active)\nuse attnlrp", rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	for form, want := range map[passes.Form][]string{passes.GradientForm: {"a", "y"}, passes.ExplicitForm: nil} {
		opt := passes.Options{Rules: rm, Form: form, Eval: reference.Eval, Targets: []passes.Target{{Output: "y", Seed: true}}}
		rep, err := passes.Default().Run(context.Background(), m.Clone(), opt, passes.Driver{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range rep.Operators {
			if o.Converted {
				got = append(got, o.Node)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v form (-want +got):\n%s", form, d)
		}
	}
}

// Lines that can match nothing are pointed out.
func TestIdleLines(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Convv => epsilon", "t.rules:1: no operator is called Convv, did you mean Conv?"},
		{"Relu if first => pass", "t.rules:1: `first` holds for no Relu: it is for Conv, ConvTranspose, Gemm, MatMul, lxt.Linear"},
		{"Relu => pass\nRelu \"a\" => identity", "t.rules:2: the line has no effect: whatever it matches, t.rules:1 matches before"},
		{"Conv if first => flat\nConv => gamma", ""},
	} {
		m, err := ir.Parse("g (float[2] x) => (float[2] y) { y = Relu (x) }", ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		rm, err := rules.Parse("t.rules", tt.text+"\nuse attnlrp", rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		rep, err := passes.Default().Run(context.Background(), m, passes.Options{Rules: rm, Eval: reference.Eval}, passes.Driver{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(rep.Warnings, "\n"); got != tt.want {
			t.Errorf("%q: warnings %q, want %q", tt.text, got, tt.want)
		}
	}
}

// A stabilized share by the derivative conserves where an operator is linear in pieces
// through 0; where it is not, there is a warning.
func TestWarnsOfWhatIsNotLinear(t *testing.T) {
	for _, tt := range []struct {
		node string
		warn bool
	}{
		{"y = Relu (x)", false},
		{"y = Max (x, u)", false},
		{"y = Max (x, c)", true}, // 0 and c
		{"y = Tanh (x)", true},
		{"y = Mul (x, u)", true},
		{"y = Neg (x)", false},
	} {
		m, err := ir.Parse("g (float[2] x, float[2] u) => (float[2] y) <float[2] c = {1, 2}> {"+tt.node+"}", ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		rm, err := rules.Parse("t.rules", "* => epsilon", rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		rep, err := passes.Default().Run(context.Background(), m, passes.Options{Rules: rm, Eval: reference.Eval, Explain: []string{"x", "u"}}, passes.Driver{})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(rep.Warnings, func(w string) bool { return strings.Contains(w, "does not conserve") })
		if got != tt.warn {
			t.Errorf("%s: warnings %q", tt.node, rep.Warnings)
		}
	}
}

// A rule that copies relevance gives some to an operand of a sum that is 0.
func TestWarnsOfLossAtZero(t *testing.T) {
	for _, tt := range []struct {
		node, rule string
		form       passes.Form
		warn       bool
	}{
		{"y = Add (x, u)", "gradient", passes.GradientForm, true},
		{"y = Add (x, u)", "pass", passes.GradientForm, true},
		{"y = Add (x, u)", "norm", passes.GradientForm, false},
		{"y = Add (x, u)", "gradient", passes.ExplicitForm, false},
		{"y = Add (x, c)", "gradient", passes.GradientForm, false},
		{"y = Mul (x, u)", "gradient", passes.GradientForm, false}, // 0 where x is
		{"y = Relu (x)", "gradient", passes.GradientForm, false},
	} {
		m, err := ir.Parse("g (float[2] x, float[2] u) => (float[2] y) <float[2] c = {1, 2}> {"+tt.node+"}", ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		rm, err := rules.Parse("t.rules", "* => "+tt.rule, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		rep, err := passes.Default().Run(context.Background(), m, passes.Options{Rules: rm, Form: tt.form, Eval: reference.Eval}, passes.Driver{})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(rep.Warnings, func(w string) bool { return strings.Contains(w, "gradient form loses") })
		if got != tt.warn {
			t.Errorf("%s => %s, %v: warnings %q", tt.node, tt.rule, tt.form, rep.Warnings)
		}
	}
}
