package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A visionCase is a convnet or vision transformer with one input x and one
// output y, and relevance by zennit or LXT in float64.
type visionCase struct {
	Slot                 string // "relevance", or "gradient": x∘G is compared
	Composites, Variants map[string]composite
}

type composite struct {
	Rules  []mapped
	TolF64 float64 `json:"tol_f64"`
	TolF32 float64 `json:"tol_f32"`
}

type mapped struct {
	Match struct {
		Op    oneOrMore
		Scope oneOrMore
		First bool
	}
	Rule goldenRule
}

type oneOrMore []string

func (s *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// TestVision compares whole nets under zennit's composites, each as the dynamo
// and the TorchScript exporter of PyTorch write it.
func TestVision(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "shared", "fixtures", "vision", "*", "case.json"))
	if len(files) == 0 {
		t.Skip("no golden cases under ../../shared/fixtures/vision")
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		if filepath.Base(dir) == "openclip_vit_g14" {
			continue // TestOpenCLIP
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var c visionCase
			readJSON(t, file, &c)
			data, err := npy.ReadFile(filepath.Join(dir, "case.npz"))
			if err != nil {
				t.Fatal(err)
			}
			all := c.Composites
			if all == nil {
				all = c.Variants
			}
			for name, comp := range all {
				for _, model := range []string{"model.onnx", "model_ts.onnx"} {
					t.Run(name+"/"+model, func(t *testing.T) {
						v := visionRun{model: filepath.Join(dir, model), explain: "x", output: "y", rules: comp.rules(t, c.Slot), seed: "relevance_out"}
						v.in = map[string]string{"x": "x"}
						v.gradient = c.Slot == "gradient"
						if v.gradient {
							v.seed = "gradient_out"
						}
						want := floats(t, tensorAs(t, data, "R|"+name, ir.Double))
						for b, limit := range map[backend.Backend]float64{reference.NewDouble(): comp.TolF64, gorgonia.New(): comp.TolF32} {
							d := worst(floats(t, v.run(t, data, b)), want)
							t.Logf("%s: %.2g (at most %.2g)", b.Name(), d, limit)
							if !(d <= limit) {
								t.Errorf("%s: relevance is %.3g off, want at most %.3g", b.Name(), d, limit)
							}
						}
					})
				}
			}
		})
	}
}

// rules writes a composite as a rule map.
func (c composite) rules(t *testing.T, slot string) *rules.Map {
	t.Helper()
	var sb strings.Builder
	for _, l := range c.Rules {
		ops := slices.Clone(l.Match.Op)
		if slices.Contains(ops, "MatMul") {
			ops = append(ops, "lxt.Linear")
		}
		line := strings.Join(ops, ", ")
		if line == "" {
			line = "*"
		}
		globs := l.Match.Scope
		if len(globs) == 0 {
			globs = []string{"*"}
		}
		for _, glob := range globs {
			fmt.Fprintf(&sb, "%s %q", line, glob)
			if l.Match.First {
				sb.WriteString(" if first")
			}
			fmt.Fprintf(&sb, " => %s\n", l.Rule.text(t, slot))
		}
	}
	m, err := rules.Parse("composite.rules", sb.String(), rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (r goldenRule) text(t *testing.T, slot string) string {
	t.Helper()
	switch r.Name {
	case "epsilon":
		return fmt.Sprintf("epsilon(%g)", r.Epsilon)
	case "norm":
		return fmt.Sprintf("epsilon(%g)", r.Stabilizer)
	case "gamma":
		return fmt.Sprintf("gamma(%g, %g)", r.Gamma, r.Stabilizer)
	case "alphabeta":
		return fmt.Sprintf("alphabeta(%g, %g)", r.Alpha, r.Stabilizer)
	case "zbox":
		return fmt.Sprintf("zbox(%g, %g, %g)", r.Low, r.High, r.Stabilizer)
	case "zplus", "flat":
		return fmt.Sprintf("%s(%g)", r.Name, r.Stabilizer)
	case "gradient":
		if slot == "gradient" {
			return "move" // of gradients, not of relevance
		}
		return "gradient"
	case "layernorm_stop_sigma":
		return "layernorm-epsilon"
	case "identity_ratio":
		return "identity"
	case "pass", "stop":
		return r.Name
	}
	t.Fatalf("no rule stands for %s", r.Name)
	return ""
}

// A visionRun is one model under one map.
type visionRun struct {
	model, explain, output string
	in                     map[string]string // inputs, and the arrays that they are
	seed                   string            // the array that relevance, or the gradient, starts from
	seedData               *ir.Tensor        // in place of seed
	gradient               bool
	rules                  *rules.Map
}

func (v *visionRun) run(t *testing.T, data npy.Archive, b backend.Backend) *ir.Tensor {
	t.Helper()
	m, err := onnx.Load(v.model)
	if err != nil {
		t.Fatal(err)
	}
	opt := passes.Options{
		Rules: v.rules, Form: passes.ExplicitForm, Explain: []string{v.explain}, Eval: reference.Eval, Supports: b.Supports,
		Targets: []passes.Target{{Output: v.output, Seed: true}},
	}
	pipeline := passes.Default()
	if v.gradient {
		opt.Form, pipeline = passes.GradientForm, gradientsIn(pipeline)
	}
	if _, err := pipeline.Run(context.Background(), m, opt, passes.Driver{Strict: true}); err != nil {
		t.Fatal(err)
	}
	seed := v.seedData
	if seed == nil {
		seed = tensorAs(t, data, v.seed, ir.Float)
		if b.Name() == "reference" { // which computes in float64
			seed = tensorAs(t, data, v.seed, ir.Double)
		}
	}
	in := map[string]*ir.Tensor{"R:" + v.output: seed}
	for name, key := range v.in {
		in[name] = tensorAs(t, data, key, ir.Float)
	}
	return runModel(t, m, b, in)["R:"+v.explain]
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
