package rules_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/rules"
)

// accounted are cases of rules at operators with constants beside those of all
// rules.
var accounted = []struct{ rule, model string }{
	{"epsilon(EPS, plus)", "z = lxt.Linear (x, w, b)"},
	{"epsilon(EPS, zero)", "z = lxt.Linear (x, w, b)"},
	{"epsilon(EPS)", "z = Gemm <alpha = 0.5, beta = -2.0> (x, w, b)"},
	{"epsilon(EPS)", "z = Gemm (w, w, x)"},
	{"epsilon(EPS)", "z = Add (x, b)"},
	{"epsilon(EPS)", "z = Sub (b, x)"},
	{"epsilon(EPS)", "z = Sum (x, b, u)"},
	{"epsilon(EPS)", "z = Concat <axis = 1> (x, w3)"},
	{"epsilon(EPS)", "m = Less (w3, x) z = Where (m, x, w3)"},
	{"epsilon-bias(EPS, eps_bias=0.2)", "z = lxt.Linear (x, w, b)"},
	{"bilinear(EPS)", "t = Transpose (u) z = Gemm (x, t, b3)"},
	{"uniform-epsilon(EPS)", "t = Transpose (u) z = Gemm (x, t, b3)"},
	{"gamma(0.25, EPS)", "z = lxt.Linear (x, w, b)"},
	{"gamma(0.25/1/0/3, EPS, full)", "z = lxt.Linear (x, w, b)"},
	{"gamma(0.25, EPS, plain)", "z = lxt.Linear (x, w, b)"},
	{"zplus(EPS)", "z = lxt.Linear (x, w, b)"},
	{"zplus(EPS, full)", "z = lxt.Linear (x, w, b)"},
	{"alphabeta(2, EPS)", "z = lxt.Linear (x, w, b)"},
	{"alphabeta(1, EPS)", "z = Gemm <alpha = -0.5, beta = 2.0> (x, w, b)"},
	{"wsquare(EPS)", "z = lxt.Linear (x, w, b)"},
	{"layernorm-epsilon(EPS)", "z = LayerNormalization (x, b, c)"},
	{"mean(EPS, plus)", "z = ReduceMean (x)"},
	{"proportional(EPS)", "z = ReduceMean (x)"},
	{"move", "z = Concat <axis = 1> (x, w3)"},
	{"move", "m = Less (w3, x) z = Where (m, x, w3)"},
	{"move", "p = Constant <value = int64[4] {1, 0, 0, 2}> () z = Pad (x, p)"},
}

// What arrives at an operator is handed on, taken by constants or kept by the
// stabilizer, whatever the rule: the account, which does not look at the relevance of
// the inputs, says how much.
func TestAccountsClose(t *testing.T) {
	all := slices.Clone(accounted)
	for _, c := range cases {
		if c := (struct{ rule, model string }{c.rule, c.model}); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	constants, kept := 0, 0 // cases in which there are any
	for _, c := range all {
		call, err := rules.Standard().Parse(strings.ReplaceAll(c.rule, "EPS", "0.3"))
		if err != nil {
			t.Fatal(err)
		}
		if !call.Rule.Conserves || call.Redistributes() && !call.KeepsNothing() {
			continue
		}
		t.Run(call.String()+" "+c.model, func(t *testing.T) {
			m := parse(t, `g (float[3,4] x, float[3,4] u) => (z)
				<float[4,4] w = {0.5, -1, 0.25, 2, -0.75, 1, 1.5, -0.5, 0.3, 0.6, -0.9, 1.2, -1.1, 0.7, 0.4, -0.2}, float[4] b = {0.5, -1, 2, 1.5}, float[4] c = {0.1, 0.2, -0.3, 0.4},
				 float[3,4] w3 = {0.5, -1, 0.25, 2, -0.75, 1, 1.5, -0.5, 0.3, 0.6, -0.9, 1.2}, float[3] b3 = {0.5, -1, 2}>
				{ `+strings.ReplaceAll(c.model, "(w, w, x)", "(w3, w, x)")+` }`)
			in := inputsOf(m)
			arrives, out, account := accountOf(t, m, call, in)
			rest := arrives - out
			for _, part := range account {
				rest -= part
			}
			if !(math.Abs(rest) <= 1e-12*(1+math.Abs(arrives)+math.Abs(out))) { // float64
				t.Errorf("of %g that arrive %g are handed on, constants and the stabilizer have %v: %g are missing", arrives, out, account, rest)
			}
			if account[0] != 0 {
				constants++
			}
			if account[1] != 0 {
				kept++
			}
		})
	}
	if constants < 20 || kept < 30 {
		t.Errorf("constants took something in %d cases, and the stabilizer in %d: there were more", constants, kept)
	}
}

// The accounts of rules by hand, at x W + b = 3 + 1 with x = (1, -2, 3), W = (2, 1, 1).
func TestAccount(t *testing.T) {
	for _, c := range []struct {
		call rules.Call
		want [4]float64 // what arrives, is handed on, and is kept for the bias and for ε
	}{
		{rules.Epsilon.MustOf("1"), [4]float64{10, 6, 2, 2}},                   // s = 10/(4 + 1)
		{rules.Epsilon.MustOf("1", "bias=zero"), [4]float64{8, 6, 0, 2}},       // s = 8/(3 + 1)
		{rules.ZPlus.MustOf("0"), [4]float64{12, 10, 2, 0}},                    // z = 2 + 3 + 1
		{rules.AlphaBeta.MustOf("2", "0"), [4]float64{12, 8, 4, 0}},            // 2·12·(5 + 1)/6 - 12
		{rules.Gamma.MustOf("1", "0"), [4]float64{10, 8, 2, 0}},                // z = 4 + (2 + 3 + 1)
		{rules.WSquare.MustOf("0"), [4]float64{14, 12, 2, 0}},                  // z = 4 + 1 + 1 + 1
		{rules.Flat.MustOf("1"), [4]float64{8, 6, 0, 2}},                       // z = 3
		{rules.EpsilonBias.MustOf("1", "eps_bias=0"), [4]float64{16, 9, 4, 3}}, // 16·3/4, of which 12·3/(3 + 1)
	} {
		m := parse(t, "g (float[1,3] x) => (float[1,1] z) <float[3,1] w = {2, 1, 1}, float[1] b = {1}> { z = lxt.Linear (x, w, b) }")
		in := map[string]*ir.Tensor{"x": fill(m, "x", []float64{1, -2, 3}), "R:z": fill(m, "z", c.want[:1])}
		arrives, out, account := accountOf(t, m, c.call, in)
		if got := [4]float64{arrives, out, account[0], account[1]}; got != c.want {
			t.Errorf("%s: arrives, handed on, bias, ε: %v, want %v", c.call, got, c.want)
		}
	}
}

// fromInput reports whether v depends on an input of the graph.
func fromInput(v *ir.Value) bool {
	switch {
	case v == nil || !v.Type.Elem.IsFloat() || v.IsConst():
		return false
	case v.Def == nil:
		return true
	}
	return slices.ContainsFunc(v.Def.In, fromInput)
}

// accountOf returns what arrives at z in all, what its operator hands on, and what
// constants and the stabilizer have of it.
func accountOf(t *testing.T, m *ir.Model, call rules.Call, in map[string]*ir.Tensor) (arrives, out float64, account [2]float64) {
	t.Helper()
	g := m.Graph
	z := g.Find("z")
	b := m.At(g, nil)
	r := g.Input("R:z", z.Type)
	context := func() *rules.Context {
		c := &rules.Context{Builder: b, Call: call, Node: z.Def, R: []*ir.Value{r}, Inputs: map[string]*ir.Value{}}
		for _, v := range z.Def.In {
			c.Want = append(c.Want, fromInput(v))
		}
		for _, p := range call.Rule.Params { // in a function they would be attributes
			if p.Choices == nil {
				switch x := call.Attr(p.Name).(type) {
				case float32:
					c.Inputs[p.Name] = b.Constant(ir.Of([]float32{x}))
				case []float32:
					c.Inputs[p.Name] = b.Constant(ir.Of(x, len(x)))
				}
			}
		}
		return c
	}
	parts := map[string][]*ir.Value{"R": {r}}
	for _, v := range context().Relevance() {
		if v != nil {
			parts["out"] = append(parts["out"], v)
		}
	}
	a := context()
	a.Inputs = nil
	got := a.Account()
	parts["constants"], parts["kept"] = got.Constants, got.Kept
	for name, vs := range parts {
		for i, v := range vs {
			v = b.Op("Identity", v)
			v = b.Named(fmt.Sprint(name, i), v)
			g.Outputs = append(g.Outputs, v)
		}
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for name, x := range runModel(t, m, reference.NewDouble(), in) {
		sums[strings.TrimRight(name, "0123456789")] += total(floats(t, x))
	}
	return sums["R"], sums["out"], [2]float64{sums["constants"], sums["kept"]}
}
