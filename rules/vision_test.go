package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
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
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A visionCase is a convnet or vision transformer with one input x and one
// output y, and relevance by zennit or LXT in float64.
type visionCase struct {
	Slot                 string  // "relevance", or "gradient": R is x∘G
	Target               []int64 // a class for each row
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
	runtime := newRuntime(t)
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
						v := visionRun{model: filepath.Join(dir, model), explain: "x", in: map[string]string{"x": "x"}, rules: comp.rules(t, c.Slot)}
						if c.Slot == "relevance" {
							v.form = passes.ExplicitForm
						}
						for row, class := range c.Target {
							v.targets = append(v.targets, passes.Target{Output: "y", Index: []int64{int64(row), class}})
						}
						want := floats(t, tensorAs(t, data, "R|"+name, ir.Double))
						limits := map[backend.Backend]float64{reference.NewDouble(): comp.TolF64, gorgonia.New(): comp.TolF32}
						if runtime != nil {
							limits[runtime] = comp.TolF32
						}
						for b, limit := range limits {
							d := worst(v.run(t, data, b), want)
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
		return fmt.Sprintf("zbox(%s, %s, %g)", list(r.Low), list(r.High), r.Stabilizer)
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
	model   string
	in      map[string]string // inputs, and the arrays that they are
	explain string
	targets []passes.Target
	form    passes.Form
	rules   *rules.Map
}

func (v *visionRun) run(t *testing.T, data npy.Archive, b backend.Backend) []float64 {
	t.Helper()
	m, err := onnx.Load(v.model)
	if err != nil {
		t.Fatal(err)
	}
	opt := suited(b, m, passes.Options{Rules: v.rules, Form: v.form, Explain: []string{v.explain}, Targets: v.targets})
	if _, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{Strict: true}); err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{}
	for name, key := range v.in {
		in[name] = tensorAs(t, data, key, ir.Float)
	}
	return floats(t, runModel(t, m, b, in)["R:"+v.explain])
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

// TestOpenCLIP compares image relevance of an image and text model over LXT's
// grid of gammas, in both forms. Heatmaps are compared as they are drawn,
// relative to their largest value, because LXT's explicit form starts from 1
// and loses half at each product with a constant.
func TestOpenCLIP(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "fixtures", "vision", "openclip_vit_g14")
	data, err := npy.ReadFile(filepath.Join(dir, "case.npz"))
	if err != nil {
		t.Skipf("no golden case: %v", err)
	}
	runtime := newRuntime(t)
	convs, linears := floats(t, tensorAs(t, data, "conv_gammas", ir.Double)), floats(t, tensorAs(t, data, "lin_gammas", ir.Double))
	for _, form := range []passes.Form{passes.ExplicitForm, passes.GradientForm} {
		want := floats(t, tensorAs(t, data, "heat_"+form.String(), ir.Double))
		size := len(want) / len(convs)
		for _, model := range []string{"model.onnx", "model_ts.onnx"} {
			for i := range convs {
				// The limits are those of the golden file, from LXT's own float32. Not
				// all is run each time: the exports have the same numbers.
				limits := map[backend.Backend]float64{}
				some := i%7 == 0 || runtime != nil
				if model == "model.onnx" || some {
					limits[gorgonia.New()] = 2e-4
				}
				if form == passes.GradientForm && some {
					limits[reference.NewDouble()] = 2e-6
				}
				if runtime != nil {
					limits[runtime] = 2e-4
				}
				t.Run(fmt.Sprintf("%v/%s/%g,%g", form, model, convs[i], linears[i]), func(t *testing.T) {
					v := visionRun{
						model: filepath.Join(dir, model), in: map[string]string{"image": "image", "text": "text"},
						explain: "image", targets: []passes.Target{{Output: "logits", Index: []int64{0, 1}}},
						form: form, rules: openCLIP(t, fmt.Sprint(convs[i]), fmt.Sprint(linears[i])),
					}
					for b, limit := range limits {
						got := v.run(t, data, b)
						heat := make([]float64, size)
						for k, r := range got { // over channels, of which there are 3
							heat[k%size] += r
						}
						d := worst(scaled(heat), scaled(want[i*size:(i+1)*size]))
						t.Logf("%s: %.2g (at most %.2g)", b.Name(), d, limit)
						if !(d <= limit) {
							t.Errorf("%s: the heatmap is %.3g off, want at most %.3g", b.Name(), d, limit)
						}
					}
				})
			}
		}
	}
}

// scaled divides by the largest absolute value.
func scaled(x []float64) []float64 {
	top := 0.0
	for _, v := range x {
		top = max(top, math.Abs(v))
	}
	y := slices.Clone(x)
	for i := range y {
		y[i] /= top
	}
	return y
}

// openCLIP is LXT's map for vision transformers, with gammas for the patches and for
// the feed-forward layers.
func openCLIP(t *testing.T, conv, linear string) *rules.Map {
	t.Helper()
	m, err := rules.Parse("openclip.rules", strings.NewReplacer("CONV", conv, "LINEAR", linear).Replace(openCLIPMap), rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}
