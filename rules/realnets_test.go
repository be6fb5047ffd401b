package rules_test

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A realCase is a trained net as other tools have exported it, years ago: with
// biases that are nodes of their own, weights among the inputs, and scores that
// keep the axes of the picture.
type realCase struct {
	Models []struct{ File string }
	Runs   []struct {
		ID     string
		Target struct {
			Tensor string
			Index  []int64
			Seed   string
		}
		Input     []string `json:"relevance_input"`
		Tolerance struct {
			F32 float64 `json:"f32_impl_vs_f64_rel_l2"`
		}
	}
}

// realMap is one of zennit's composites. The box is that of the pixels: a digit's
// are 0 to 255, a photograph's have ImageNet's mean taken off.
func realMap(t *testing.T, id, net string) *rules.Map {
	t.Helper()
	box := map[string]string{
		"real_mnist_cntk": "zbox(0, 255, 1e-6)",
		"real_squeezenet": "zbox(-103.94/-116.78/-123.68, 151.06/138.22/131.32, 1e-6)",
	}[net]
	first, conv := "", map[string]string{
		"epsilon_all": "epsilon(1e-6, sign)", "epsilon_plus": "zplus(1e-6)", "epsilon_plus_flat": "zplus(1e-6)",
		"epsilon_alpha2_beta1": "alphabeta(2, 1e-6)", "epsilon_gamma_box": "gamma(0.25, 1e-6)",
	}[id]
	switch id {
	case "epsilon_plus_flat":
		first = "Conv if first => flat(1e-6)\n"
	case "epsilon_gamma_box":
		first = "Conv if first => " + box + "\n"
	}
	m, err := rules.Parse(id, first+"Conv => "+conv+"\nuse epsilon-plus\n", rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRealNets(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "shared", "fixtures", "vision-real", "*", "case.json"))
	if len(files) == 0 {
		t.Skip("no golden cases under ../../shared/fixtures/vision-real")
	}
	for _, file := range files {
		var c realCase
		readJSON(t, file, &c)
		dir := filepath.Dir(file)
		in, err := npy.ReadFile(filepath.Join(dir, "inputs.npz"))
		if err != nil {
			t.Fatal(err)
		}
		golden, err := npy.ReadFile(filepath.Join(dir, "relevance.npz"))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range c.Runs {
			if r.Target.Seed != "tensor value at index" {
				continue
			}
			x := r.Input[0]
			want := floats(t, tensorAs(t, golden, r.ID+"__"+x+"__f64", ir.Double))
			for _, model := range c.Models {
				if strings.Contains(model.File, "fp16") {
					continue // its input is rounded to half floats, by up to 0.06 of 255
				}
				t.Run(filepath.Base(dir)+"/"+r.ID+"/"+model.File, func(t *testing.T) {
					v := visionRun{
						model: filepath.Join(dir, model.File), in: map[string]string{x: x}, explain: x, form: passes.ExplicitForm,
						targets: []passes.Target{{Output: r.Target.Tensor, Index: r.Target.Index}}, rules: realMap(t, r.ID, filepath.Base(dir)),
					}
					if d := distance(v.run(t, in, gorgonia.New()), want); !(d <= r.Tolerance.F32) {
						t.Errorf("relevance is %.3g off, want at most %.3g", d, r.Tolerance.F32)
					}
					if len(want) > 1<<12 {
						return // minutes in float64
					}
					// Measured: 5e-16.
					if d := distance(v.run(t, in, reference.NewDouble()), want); !(d <= 1e-14) {
						t.Errorf("in float64, relevance is %.3g off, want at most 1e-14", d)
					}
				})
			}
		}
	}
}

// distance is the norm of the difference as a share of the norm.
func distance(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var diff, size float64
	for i, w := range want {
		diff, size = diff+(got[i]-w)*(got[i]-w), size+w*w
	}
	return math.Sqrt(diff / size)
}
