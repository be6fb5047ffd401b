package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A ruleCase is one rule on one tiny model, computed by zennit, LXT or
// autograd in float64.
type ruleCase struct {
	ID         string
	Model, Op  string
	Rule       goldenRule
	Stabilizer string            `json:"stabilizer_convention"`
	Impl       string            // "relevance", or "gradient" in and out
	Inputs     map[string]string // keys of the arrays
	Out        string            `json:"relevance_out"`
	Expected   map[string]string
	TolF64     float64 `json:"tol_f64"`
	TolF32     float64 `json:"tol_f32"`
}

type goldenRule struct {
	Name                string
	Epsilon, Stabilizer float64
	Gamma, Alpha        float64
	Low, High           any
	ZeroParams          []string `json:"zero_params"`
}

// TestRules compares every rule with golden numbers on single operators, each
// within the tolerance of its case: 1e-9 or 1e-8 in float64, and for float32 what the
// tools' own float32 is off, or 1e-5.
func TestRules(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "fixtures", "rules")
	text, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Skipf("no golden cases: %v", err)
	}
	var file struct{ Cases []ruleCase }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	data, err := npy.ReadFile(filepath.Join(dir, "cases.npz"))
	if err != nil {
		t.Fatal(err)
	}
	runtime := newRuntime(t)
	var passed, failed int
	for _, c := range file.Cases {
		ok := t.Run(c.ID, func(t *testing.T) {
			c.check(t, dir, data, reference.NewDouble(), c.TolF64)
			c.check(t, dir, data, gorgonia.New(), c.TolF32)
			if runtime != nil {
				c.check(t, dir, data, runtime, c.TolF32)
			}
		})
		if ok {
			passed++
		} else {
			failed++
		}
	}
	t.Logf("%d passed, %d failed", passed, failed)
}

func (c *ruleCase) check(t *testing.T, dir string, data npy.Archive, b backend.Backend, limit float64) {
	t.Helper()
	m, err := onnx.Load(filepath.Join(dir, c.Model))
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{}
	for name, key := range c.Inputs {
		in[name] = tensorAs(t, data, key, ir.Float)
	}
	opt := suited(b, m, passes.Options{Rules: c.rules(t), Explain: slices.Sorted(maps.Keys(c.Expected))})
	output := m.Graph.Outputs[0].Name
	opt.Targets = []passes.Target{{Output: output, Seed: true}}
	pipeline := passes.Default()
	prefix := "R:"
	if c.Impl == "gradient" {
		opt.Form, prefix = passes.GradientForm, "G:"
		pipeline = gradientsIn(pipeline)
	} else {
		opt.Form = passes.ExplicitForm
	}
	if _, err := pipeline.Run(context.Background(), m, opt, passes.Driver{Strict: true}); err != nil {
		t.Fatal(err)
	}
	in["R:"+output] = tensorAs(t, data, c.Out, ir.Float)
	got := runModel(t, m, b, in)
	for name, key := range c.Expected {
		want := floats(t, tensorAs(t, data, key, ir.Double))
		if strings.HasPrefix(c.ID, "matmul_const") {
			for i := range want { // LXT gives the other half to the constant
				want[i] *= 2
			}
		}
		if d := worst(floats(t, got[prefix+name]), want); !(d <= limit) {
			t.Errorf("%s: relevance of %s is %.3g off, want at most %.3g", b.Name(), name, d, limit)
		}
	}
}

// gradientsIn returns a pipeline whose seed is a gradient that comes with the
// inputs, and whose outputs are gradients too, under "G:" and the name.
func gradientsIn(p passes.Pipeline) passes.Pipeline {
	p = slices.Clone(p)
	for i := range p {
		switch p[i].Name {
		case "seed":
			p[i].Run = func(c *passes.Context, m *ir.Model) error {
				for _, t := range c.Targets {
					y := m.Graph.Find(t.Output)
					b := m.At(m.Graph, nil)
					b.Named("seed:"+t.Output, b.Op("Identity", m.Graph.Input("R:"+t.Output, y.Type)))
					c.Did("seed", t.Output, "gradient")
				}
				return nil
			}
		case "relevance":
			run := p[i].Run
			p[i].Run = func(c *passes.Context, m *ir.Model) error {
				if err := run(c, m); err != nil {
					return err
				}
				for _, r := range slices.Clone(m.Graph.Outputs) {
					if name, ok := strings.CutPrefix(r.Name, "R:"); ok {
						b := m.At(m.Graph, nil)
						m.Graph.Outputs = append(m.Graph.Outputs, b.Named("G:"+name, b.Op("Identity", r.Def.In[1])))
					}
				}
				return nil
			}
		}
	}
	return p
}

// rules is the map of a case: its rule for the operator in question, and what
// the golden tools do around it.
func (c *ruleCase) rules(t *testing.T) *rules.Map {
	t.Helper()
	eps := c.Rule.Epsilon + c.Rule.Stabilizer // a case has one of them
	bias := "keep"
	if slices.Contains(c.Rule.ZeroParams, "bias") {
		bias = "zero"
	}
	name, dialect := c.Rule.Name, ""
	switch {
	case name == "epsilon" && c.Op == "ReduceMean":
		name = "mean"
	case strings.HasPrefix(c.ID, "matmul_const"): // R/(2z + ε) is half of R/(z + ε/2)
		name, eps = "epsilon", eps/2
	}
	if c.Impl == "gradient" {
		dialect = "lxt, " // divides by x
		switch name {
		case "epsilon": // with ε, which the gradient form of epsilon has not
			name, c.Rule.Gamma = "gamma", 0
		case "gradient": // of gradients, not of relevance
			name = "move"
		}
	}
	var text string
	switch name {
	case "epsilon":
		text = "* => epsilon(EPS, STAB, BIAS)"
	case "norm", "mean":
		text = "* => " + name + "(EPS, STAB)"
	case "gamma":
		text = fmt.Sprintf("LINEAR => gamma(%g, DIALECT EPS, STAB, BIAS)", c.Rule.Gamma)
	case "zplus":
		text = "LINEAR => zplus(DIALECT EPS, STAB, BIAS)"
	case "wsquare":
		text = "LINEAR => wsquare(EPS, STAB, BIAS)"
	case "alphabeta":
		text = fmt.Sprintf("LINEAR => alphabeta(%g, DIALECT EPS, STAB, BIAS)", c.Rule.Alpha)
	case "zbox":
		text = fmt.Sprintf("LINEAR => zbox(%s, %s, EPS, STAB)", list(c.Rule.Low), list(c.Rule.High))
	case "flat":
		text = "LINEAR, AveragePool, GlobalAveragePool, ReduceMean => flat(EPS, STAB)"
	case "gradient", "pass", "uniform", "move":
		text = "* => " + name
	case "identity", "identity_ratio":
		text = "ReduceL2 => stop\nRMSNormalization, LpNormalization => norm-identity\n* => identity(lxt)"
	case "softmax_taylor":
		text = "Softmax => taylor\nDiv => identity\nAdd => identity"
	case "matmul_uniform":
		text = "MatMul => bilinear(1e-8, none)"
	case "matmul_uniform_epsilon":
		text = "MatMul => bilinear(EPS, STAB)"
	case "layernorm_epsilon", "layernorm_stop_sigma":
		text = "LayerNormalization => layernorm-epsilon(1e-6, plus)"
	case "rmsnorm_stop_statistics":
		text = "RMSNormalization => norm-identity"
	case "normalize_stop_norm":
		text = "ReduceL2 => stop\n* => move"
	case "attnlrp_gate":
		text = "Swish => identity(lxt)\nMul => uniform"
	default:
		t.Fatalf("no map for rule %s", c.Rule.Name)
	}
	text = strings.NewReplacer("EPS", fmt.Sprint(eps), "STAB", c.Stabilizer, "BIAS", bias, "DIALECT ", dialect,
		"LINEAR", "Conv, ConvTranspose, Gemm, MatMul, lxt.Linear").Replace(text)
	m, err := rules.Parse("case.rules", text, rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// list writes nested lists of numbers as a rule map does.
func list(x any) string {
	xs, nested := x.([]any)
	if !nested {
		return fmt.Sprint(x)
	}
	parts := make([]string, len(xs))
	for i, x := range xs {
		parts[i] = list(x)
	}
	return strings.Join(parts, "/")
}

func runModel(t *testing.T, m *ir.Model, b backend.Backend, in map[string]*ir.Tensor) map[string]*ir.Tensor {
	t.Helper()
	out, err := backend.Run(context.Background(), b, m, backend.Options{}, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tensorAs reads an array with the given floating point type; integers stay.
func tensorAs(t *testing.T, data npy.Archive, key string, elem ir.DType) *ir.Tensor {
	t.Helper()
	a, ok := data.Get(key)
	if !ok {
		t.Fatalf("no array is called %q", key)
	}
	x, err := arrays.Tensor(a)
	if err == nil && x.Elem.IsFloat() {
		x, err = arrays.Convert(x, elem)
	}
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return x
}

func floats(t *testing.T, x *ir.Tensor) []float64 {
	t.Helper()
	if x == nil {
		t.Fatal("an output is missing")
	}
	f, err := x.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// worst is the largest difference over the largest wanted value.
func worst(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var diff, size float64
	for i, w := range want {
		diff, size = max(diff, math.Abs(got[i]-w)), max(size, math.Abs(w))
	}
	if size == 0 {
		return diff
	}
	return diff / size
}
