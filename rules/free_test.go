package rules_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// asFloat32 is how exact a free parameter is, an input of float32: a fixed one is the
// decimal number that the map has. 0.1 moves by 2e-8 of it.
var asFloat32 = cmpopts.EquateApprox(1e-6, 1e-12)

// A rule with a free parameter computes at each of its values what the rule
// with that number computes, for every numeric parameter of every rule.
func TestFreeParameters(t *testing.T) {
	for _, c := range cases {
		text := strings.Replace(c.rule, "EPS", "1e-2", 1)
		call, err := rules.Standard().Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range call.Rule.Params {
			if p.Choices != nil || strings.Contains(call.Args[i], "/") {
				continue
			}
			t.Run(fmt.Sprintf("%s of %s %s", p.Name, text, c.model), func(t *testing.T) {
				m := caseModel(t, c.model)
				in := inputsOf(m)
				f, _ := call.Float(p.Name)
				in["$p"] = ir.Of([]float32{float32(f)})
				free := rules.Call{Rule: call.Rule, Args: append([]string(nil), call.Args...)}
				free.Args[i] = "$p=77"
				if p.Refuse != nil && p.Refuse(77) != "" {
					free.Args[i] = "$p=0.9"
				}
				for _, form := range []passes.Form{passes.ExplicitForm, passes.GradientForm} {
					want := relevance(t, m, extra+"* => "+call.String(), form, in)
					if d := cmp.Diff(want, relevance(t, m, extra+"* => "+free.String(), form, in), asFloat32); d != "" {
						t.Errorf("%v form: the free parameter gives other numbers:\n%s", form, d)
					}
				}
			})
		}
	}
}

// What a run does not give has its default, and without one is missing.
func TestFreeDefaults(t *testing.T) {
	m := caseModel(t, "z = MatMul (x, w)")
	for _, b := range []backend.Backend{reference.New(), gorgonia.New()} {
		run := func(rule string, given ...float32) (map[string]*ir.Tensor, error) {
			rm, err := rules.Parse("test.rules", "* => "+rule, rules.Standard())
			if err != nil {
				t.Fatal(err)
			}
			c := m.Clone()
			opt := passes.Options{Rules: rm, Form: passes.ExplicitForm, Targets: []passes.Target{{Output: "z", Seed: true}}, Supports: b.Supports, Eval: reference.Eval}
			if _, err := passes.Default().Run(context.Background(), c, opt, passes.Driver{Strict: true}); err != nil {
				t.Fatal(err)
			}
			s, err := backend.Open(b, c, backend.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			in := inputsOf(m)
			if len(given) > 0 {
				in["$gamma"] = ir.Of(given[:1])
			}
			return s.Run(context.Background(), in)
		}
		fixed, err := run("gamma(0.5)")
		if err != nil {
			t.Fatal(err)
		}
		got, err := run("gamma($gamma=0.5)")
		if err != nil {
			t.Fatal(err)
		}
		if d := worst(floats(t, got["R:x"]), floats(t, fixed["R:x"])); d > 1e-6 { // float32, another order of sums
			t.Errorf("%s: the default gives relevance %g off", b.Name(), d)
		}
		other, err := run("gamma($gamma=0.5)", 3)
		if err != nil {
			t.Fatal(err)
		}
		if d := worst(floats(t, other["R:x"]), floats(t, fixed["R:x"])); d < 1e-3 {
			t.Errorf("%s: another gamma gives the same relevance", b.Name())
		}
		if _, err := run("gamma($gamma)"); err == nil || !strings.Contains(err.Error(), `input "$gamma" is missing`) {
			t.Errorf("%s: error %v, want that $gamma is missing", b.Name(), err)
		}
	}
}

func TestMapFree(t *testing.T) {
	m, err := rules.Parse("my.rules", "Conv => gamma($conv)\nGemm => gamma($lin=0.1, $eps=1e-6)\nMatMul => gamma($conv=0.5)\nConv => zbox($low[2], $high=1/2)\nEinsum => zbox(low=$low[2]=3)\n* => stop", rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range m.Free() {
		s := f.Name
		if f.Default != nil {
			s += fmt.Sprint("=", f.Default)
		}
		got = append(got, s)
	}
	if d := cmp.Diff([]string{"$conv=[0.5]", "$lin=[0.1]", "$eps=[1e-06]", "$low=[3 3]", "$high=[1 2]"}, got); d != "" {
		t.Error(d)
	}
}

// A free list computes at each of its values what the rule with that list
// computes: one number for each channel, along the axis that numbers them.
func TestFreeLists(t *testing.T) {
	for _, tt := range []struct {
		free, fixed, model string
		p                  []float32
	}{
		{"gamma($p[4]=7)", "gamma(0/0.5/1/4)", "z = lxt.Linear (x, w, b)", []float32{0, 0.5, 1, 4}},
		{"alphabeta($p[4])", "alphabeta(1/2/1.5/3)", "z = MatMul (x, w)", []float32{1, 2, 1.5, 3}},
		{"zbox($p[4], 3)", "zbox(-2/-3/-4/-5, 3)", "z = MatMul (x, w)", []float32{-2, -3, -4, -5}},
		{"zbox($p=0/0/0, 3)", "zbox(-2/-3/-4, 3)", "z = MatMul (w3, x)", []float32{-2, -3, -4}},
		{"zbox($p[3], 3)", "zbox(-2/-3/-4, 3)", "z = Gemm <transA = 1> (x, w3)", []float32{-2, -3, -4}},
		{"zbox(-2, $p[2])", "zbox(-2, 2/3)", "z = Conv (pic, k, c2)", []float32{2, 3}},
		{"gamma($p[2])", "gamma(0.1/2)", "z = Conv (pic, k, c2)", []float32{0.1, 2}},
	} {
		t.Run(tt.free+" "+tt.model, func(t *testing.T) {
			m := absorberModel(t, tt.model)
			in := inputsOf(m)
			want := relevance(t, m, "* => "+tt.fixed, passes.ExplicitForm, in)
			in["$p"] = ir.Of(tt.p, len(tt.p))
			if d := cmp.Diff(want, relevance(t, m, "* => "+tt.free, passes.ExplicitForm, in), asFloat32); d != "" {
				t.Errorf("the free list gives other numbers:\n%s", d)
			}
		})
	}
}

// A whole grid is one compilation: LXT's 15 pairs of gammas for OpenCLIP.
func TestOpenCLIPGrid(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "fixtures", "vision", "openclip_vit_g14")
	data, err := npy.ReadFile(filepath.Join(dir, "case.npz"))
	if err != nil {
		t.Skipf("no golden case: %v", err)
	}
	convs, linears := floats(t, tensorAs(t, data, "conv_gammas", ir.Double)), floats(t, tensorAs(t, data, "lin_gammas", ir.Double))
	if len(convs) != 15 {
		t.Fatalf("the grid has %d points, want 15", len(convs))
	}
	rm, err := rules.Parse("grid.rules", strings.NewReplacer("CONV", "$conv", "LINEAR", "$linear").Replace(openCLIPMap), rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	b := gorgonia.New()
	for _, form := range []passes.Form{passes.ExplicitForm, passes.GradientForm} {
		m, err := onnx.Load(filepath.Join(dir, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		opt := passes.Options{
			Rules: rm, Form: form, Explain: []string{"image"}, Targets: []passes.Target{{Output: "logits", Index: []int64{0, 1}}},
			Eval: reference.Eval, Supports: b.Supports,
		}
		if _, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{Strict: true}); err != nil {
			t.Fatal(err)
		}
		s, err := backend.Open(b, m, backend.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		want := floats(t, tensorAs(t, data, "heat_"+form.String(), ir.Double))
		size := len(want) / len(convs)
		for i := range convs {
			out, err := s.Run(context.Background(), map[string]*ir.Tensor{
				"image": tensorAs(t, data, "image", ir.Float), "text": tensorAs(t, data, "text", ir.Float),
				"$conv": ir.Of([]float32{float32(convs[i])}), "$linear": ir.Of([]float32{float32(linears[i])}),
			})
			if err != nil {
				t.Fatal(err)
			}
			heat := make([]float64, size)
			for k, r := range floats(t, out["R:image"]) { // over channels
				heat[k%size] += r
			}
			// The tolerance of the golden file, from LXT's own float32.
			if d := worst(scaled(heat), scaled(want[i*size:(i+1)*size])); !(d <= 2e-4) {
				t.Errorf("%v form, gammas %g and %g: the heatmap is %.3g off, want at most 2e-4", form, convs[i], linears[i], d)
			}
		}
	}
}

// openCLIPMap is LXT's map for OpenCLIP, with CONV and LINEAR for its gammas.
const openCLIPMap = `
Conv                             => gamma(CONV)
Gemm, lxt.Linear "*c_fc*"        => gamma(LINEAR)
Gemm, lxt.Linear "*c_proj*"      => gamma(LINEAR)
Softmax                          => stop
MatMul if role(attention.context) => epsilon(1e-6, plus)
MatMul, Mul                      => epsilon(5e-9, plus)
use attnlrp
`
