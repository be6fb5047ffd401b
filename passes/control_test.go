package passes_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// Relevance through a graph that runs graphs is relevance through what they
// compute, written out by hand.
func TestControlFlow(t *testing.T) {
	const inputs = "float[3] x, float[3] w, bool c"
	for _, tt := range []struct{ name, with, without string }{
		{
			"a loop that carries a value, stacks results up and reads a live value from around it",
			`o = Tanh (w)
			last, all = Loop <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] u, float[3] s) {
				p = Mul (v, o)
				u = Add (p, x)
				s = Sigmoid (u)
				on = Identity (go)
			}> (two, , x)
			sum = ReduceSum <keepdims = 0> (all, axis)
			y = Add (last, sum)`,
			`o = Tanh (w)
			p1 = Mul (x, o)
			u1 = Add (p1, x)
			s1 = Sigmoid (u1)
			p2 = Mul (u1, o)
			u2 = Add (p2, x)
			s2 = Sigmoid (u2)
			t1 = Unsqueeze (s1, axis)
			t2 = Unsqueeze (s2, axis)
			all = Concat <axis = 0> (t1, t2)
			sum = ReduceSum <keepdims = 0> (all, axis)
			y = Add (u2, sum)`,
		},
		{
			"a loop in a loop, both reading from around them",
			`y = Loop <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] u) {
				h = Mul (v, w)
				u = Loop <body = d (int64 j, bool go2, float[3] a) => (bool on2, float[3] e) {
					f = Tanh (a)
					e = Add (f, h)
					on2 = Identity (go2)
				}> (two, , v)
				on = Identity (go)
			}> (two, , x)`,
			`h1 = Mul (x, w)
			f1 = Tanh (x)
			e1 = Add (f1, h1)
			f2 = Tanh (e1)
			e2 = Add (f2, h1)
			h2 = Mul (e2, w)
			f3 = Tanh (e2)
			e3 = Add (f3, h2)
			f4 = Tanh (e3)
			y = Add (f4, h2)`,
		},
		{
			"a loop that ends itself",
			`y = Loop <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] u) {
				u = Mul (v, w)
				on = Less (i, one)
			}> (nine, , x)`,
			`u = Mul (x, w)
			y = Mul (u, w)`,
		},
		{
			"a loop that only its condition ends, by a number that it carries",
			`go = Constant <value = bool {1}> ()
			y, = Loop <body = b (int64 i, bool was, float[3] v, int64 k) => (bool on, float[3] u, int64 more) {
				u = Mul (v, w)
				more = Add (k, two)
				least = Greater (more, two)
				few = LessOrEqual (more, two)
				either = Or (least, few)
				past = Less (nine, more)
				not = Not (past)
				on = And (either, not)
			}> ( , go, x, nine)`,
			`y = Mul (x, w)`,
		},
		{
			"a choice in a loop, by the number of the turn",
			`y = Loop <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] u) {
				first = Equal (i, zero)
				u = If <then_branch = p () => (float[3] q) { q = Mul (v, w) }, else_branch = r () => (float[3] s) { s = Tanh (v) }> (first)
				on = Identity (go)
			}> (two, , x)`,
			`u = Mul (x, w)
			y = Tanh (u)`,
		},
		{
			"a choice by the number of axes, of branches whose shapes differ",
			`r = Size (x)
			many = Greater (r, two)
			y = If <then_branch = p () => (float[3] q) { q = Mul (x, w) }, else_branch = t () => (float[1] s) { s = ReduceMax (x) }> (many)`,
			`y = Mul (x, w)`,
		},
		{
			"a choice that the run makes",
			`y = If <then_branch = p () => (float[3] q) { q = Mul (x, w) }, else_branch = r () => (float[3] s) { s = Tanh (x) }> (c)`,
			`q = Mul (x, w)
			s = Tanh (x)
			y = Where (c, q, s)`,
		},
		{
			"a scan with a state, from the end",
			`m = Unsqueeze (x, axis)
			m2 = Unsqueeze (w, axis)
			mm = Concat <axis = 0> (m, m2)
			last, all = Scan <num_scan_inputs = 1, scan_input_directions = [1], body = b (float[3] v, float[3] r) => (float[3] u, float[3] s) {
				p = Mul (v, r)
				u = Add (p, x)
				s = Tanh (u)
			}> (w, mm)
			sum = ReduceSum <keepdims = 0> (all, axis)
			y = Add (last, sum)`,
			`p1 = Mul (w, w)
			u1 = Add (p1, x)
			s1 = Tanh (u1)
			p2 = Mul (u1, x)
			u2 = Add (p2, x)
			s2 = Tanh (u2)
			t1 = Unsqueeze (s1, axis)
			t2 = Unsqueeze (s2, axis)
			all = Concat <axis = 0> (t1, t2)
			sum = ReduceSum <keepdims = 0> (all, axis)
			y = Add (u2, sum)`,
		},
		{
			"as often as an axis is long",
			`n = Shape (x)
			k = Squeeze (n)
			y = Loop <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] u) {
				xi = Gather <axis = 0> (x, i)
				u = Mul (v, xi)
				on = Identity (go)
			}> (k, , w)`,
			`x0 = Gather <axis = 0> (x, zero)
			u0 = Mul (w, x0)
			x1 = Gather <axis = 0> (x, one)
			u1 = Mul (u0, x1)
			x2 = Gather <axis = 0> (x, two)
			y = Mul (u1, x2)`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
				results := make([]map[string]*ir.Tensor, 2)
				for k, body := range []string{tt.with, tt.without} {
					m := controlModel(t, inputs, body)
					opt := passes.Options{Eval: reference.Eval, Form: form, Explain: []string{"x", "w"}}
					if _, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{Strict: true}); err != nil {
						t.Fatal(err)
					}
					out, err := evaluate(m, map[string]*ir.Tensor{
						"x": ir.Of([]float32{0.5, -1.25, 2}, 3), "w": ir.Of([]float32{-0.75, 1.5, 0.25}, 3), "c": ir.Of([]bool{true}),
					})
					if err != nil {
						t.Fatal(err)
					}
					results[k] = out
				}
				for name, want := range results[1] {
					if d := worst(t, results[0][name], want); !(d <= 1e-12) {
						t.Errorf("%s form: %s differs by %g", form, name, d)
					}
				}
			}
		})
	}
}

func controlModel(t *testing.T, inputs, body string) *ir.Model {
	t.Helper()
	m, err := ir.Parse("g ("+inputs+") => (y) <int64 zero = {0}, int64 one = {1}, int64 two = {2}, int64 nine = {9}, int64[1] axis = {0}> {"+body+"}", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A graph that relevance cannot pass, because only a run knows what it computes, is
// an error that says what to do.
func TestControlFlowThatARunDecides(t *testing.T) {
	for _, tt := range []struct{ name, body, why string }{
		{
			"how often",
			`y = Loop <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] u) { u = Mul (v, x) on = Identity (go) }> (n, , x)`,
			"how often the loop runs is not known before it runs",
		},
		{
			"when it ends",
			`y = Loop <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] u) {
				u = Mul (v, x)
				s = ReduceSum <keepdims = 0> (u)
				on = Less (s, limit)
			}> (nine, , x)`,
			"whether the loop ends after 1 turns is not known before it runs",
		},
		{
			"branches of different shapes",
			`y = If <then_branch = p () => (float[1] q) { q = ReduceMax (x) }, else_branch = r () => (float[3] s) { s = Tanh (x) }> (c)`,
			"cannot both be computed",
		},
		{
			"how many slices",
			`y, = Scan <num_scan_inputs = 1, body = b (float[3] v, float[3] r) => (float[3] u) { u = Mul (v, r) }> (x, many)`,
			"the number of slices is not known before it runs",
		},
		{
			"a length that differs from run to run",
			`d = Shape <start = 0, end = 1> (many)
			k = Squeeze (d)
			y = Loop <body = b (int64 i, bool go, float[3] v) => (bool on, float[3] u) { u = Mul (v, x) on = Identity (go) }> (k, , x)`,
			"how often the loop runs is not known before it runs (S)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := controlModel(t, "float[3] x, int64 n, bool c, float limit, float[S,3] many", tt.body)
			opt := passes.Options{Eval: reference.Eval, Explain: []string{"x"}}
			_, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{})
			var e *diag.Error
			if !errors.As(err, &e) || e.Code != "LX3001" || !strings.Contains(err.Error(), tt.why) || !strings.Contains(err.Error(), "help: ") {
				t.Errorf("error %v, want LX3001, %q and help", err, tt.why)
			}
		})
	}
}

// What is selected by data depends on the selection as on a constant: relevance goes
// to the elements that were selected.
func TestSelectionByData(t *testing.T) {
	x := []float32{3, -1, 3, 2}
	for _, tt := range []struct {
		name, body string
		want       []float64
	}{
		{"NonZero", `b = Greater (x, zero)
			i = NonZero (b)
			k = Transpose (i)
			v = GatherND (x, k)`, []float64{3, 0, 3, 2}},
		{"Compress", `b = Less (x, limit)
			v = Compress (x, b)`, []float64{0, -1, 0, 2}},
		{"Unique", `c = Cast <to = 7> (x)
			a = Abs (c)
			u, = Unique (a)
			v = Gather (x, u)`, []float64{0, -1, 3, 2}},
		{"TopK", `v, = TopK (x, two)`, []float64{3, 0, 3, 0}},
		{"the largest", `i = ArgMax <keepdims = 1> (x)
			v = Gather (x, i)`, []float64{3, 0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
				m, err := ir.Parse("g (float[4] x) => (y) <float zero = {0}, float limit = {2.5}, int64[1] two = {2}> {"+tt.body+`
					y = ReduceSum <keepdims = 0> (v)
				}`, ops.Standard())
				if err != nil {
					t.Fatal(err)
				}
				rm, err := rules.Parse("exact.rules", "ReduceSum => epsilon(0)\n* => move", rules.Standard())
				if err != nil {
					t.Fatal(err)
				}
				opt := passes.Options{Eval: reference.Eval, Form: form, Rules: rm, Targets: []passes.Target{{Output: "y", Index: []int64{}}}}
				if _, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{Strict: true}); err != nil {
					t.Fatal(err)
				}
				out, err := evaluate(m, map[string]*ir.Tensor{"x": ir.Of(x, 4)})
				if err != nil {
					t.Fatal(err)
				}
				got, err := out["R:x"].Float64s()
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("%s form (-want +got):\n%s", form, d)
				}
			}
		})
	}
}
