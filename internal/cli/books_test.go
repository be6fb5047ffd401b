package cli

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// published is what a reader of `lxtc check --json` has.
type published struct {
	Passed                                         bool
	Seeded, Explained, Absorbed, Unaccounted, Size float64
	Largest                                        float64
	By                                             map[string]float64
	Layers                                         []struct {
		Layer          string
		Absorbed, Left float64
		By             map[string]float64
	}
	Nodes []struct {
		Node                                       string
		In, Out, Lost, Absorbed, Magnitude, Spread float64
		By                                         map[string]float64
	}
}

// Every unit of relevance is accounted for, by cause, at every node and in every
// layer, to the precision of float32: on transformers and convnets, with residuals, a
// class token, several targets and several explained tensors, and rule maps of every
// kind.
func TestEveryUnitIsAccountedFor(t *testing.T) {
	testdata := filepath.Join("..", "..", "testdata", "onnx")
	for _, c := range []struct {
		model string
		args  []string
		want  []string // causes that there must be
	}{
		{"tinylm", []string{"--text", "The capital of France is"}, []string{bySoftmax}},
		{"tinylm", []string{"--text", "The capital of France is", "-r", "cp-lrp", "--trace"}, nil},
		{"tinylm", []string{"--text", "The capital of France is", "--target", "logits[3@1]", "--target", "logits[5@-1]", "-r", "attnlrp(eps=1e-2)"}, []string{bySoftmax, byEpsilon}},
		{"digits-vit", nil, []string{bySoftmax, byBias, byConstant}},
		{"digits-vit", []string{"-r", "attnlrp-vit"}, []string{byBias, byConstant}},
		{"digits-vit", []string{"--neutral"}, []string{byConstant}},
		{"digits-vit", []string{"--neutral", "-r", "epsilon-plus"}, []string{byConstant}},
		{"digits-cnn", []string{"-r", "epsilon-plus"}, []string{byBias}},
		{"digits-cnn", []string{"-r", "epsilon-alpha2-beta1"}, []string{byBias, byEpsilon}}, // some outputs have no contribution of a sign,
		{"digits-cnn", []string{"--neutral", "-r", "epsilon-alpha2-beta1"}, nil},
		{"digits-cnn", []string{"--neutral", "-r", "epsilon-plus-flat"}, nil},
	} {
		args := append([]string{"check", filepath.Join(testdata, c.model), "--json", "-q"}, c.args...)
		if strings.HasPrefix(c.model, "digits") {
			args = append(args, "--image", filepath.Join(testdata, "digits-cnn", "digit.png"))
		}
		t.Run(c.model+" "+strings.Join(c.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := Run(t.Context(), args, strings.NewReader(""), &stdout, &stderr); code != exitOK {
				t.Fatalf("exit code %d: %s%s", code, &stderr, &stdout)
			}
			var v published
			if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			near := func(what string, got, want, limit float64) {
				t.Helper()
				if !(math.Abs(got-want) <= limit*v.Largest) {
					t.Errorf("%s: %.9g, want %.9g", what, got, want)
				}
			}
			total := func(by map[string]float64) (sum float64) {
				for _, x := range by {
					sum += x
				}
				return sum
			}
			// Sums of float32; the worst of exported networks is 1e-6.
			near("what is explained and absorbed", v.Explained+v.Absorbed, v.Seeded, 2e-6)
			near("what is absorbed", total(v.By), v.Absorbed, 1e-12)
			ofNodes, ofLayers, left := map[string]float64{}, map[string]float64{}, v.Seeded
			for _, n := range v.Nodes {
				near(n.Node+" receives", n.Out+total(n.By)+n.Lost, n.In, 1e-12)
				if size := max(n.Magnitude, n.Spread); !(math.Abs(n.Lost) <= 2e-6*size) {
					t.Errorf("%s loses %g of %g", n.Node, n.Lost, size)
				}
				for cause, x := range n.By {
					ofNodes[cause] += x
				}
			}
			for _, l := range v.Layers {
				left -= l.Absorbed
				near("left behind layer "+l.Layer, l.Left, left, 1e-12)
				for cause, x := range l.By {
					ofLayers[cause] += x
				}
			}
			near("left behind all layers", left, v.Explained, 2e-6)
			for cause, x := range v.By {
				near(cause+" at nodes", ofNodes[cause], x, 1e-12)
				near(cause+" in layers", ofLayers[cause], x, 1e-12)
			}
			var got []string
			for _, cause := range causes {
				if math.Abs(v.By[cause]) > 1e-5*v.Largest {
					got = append(got, cause)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("causes (-want +got):\n%s", d)
			}
		})
	}
}

// What an operator loses for no reason is a leak; what a constant or ε takes is none,
// however large it is, unless nothing may take any.
func TestLeaks(t *testing.T) {
	numbers := func(in, out, constants, kept float64) []float64 {
		return []float64{in, math.Abs(in), out, math.Abs(out), constants, kept}
	}
	for _, c := range []struct {
		name  string
		e     entry
		x     []float64
		by    map[string]figure
		leaks int
	}{
		{"a bias and ε", entry{constant: byBias}, numbers(8, 3, 4, 1), map[string]figure{byBias: 4, byEpsilon: 1}, 0},
		{"a millionth of it", entry{constant: byBias}, numbers(8, 3, 4, 1-8e-6), map[string]figure{byBias: 4, byEpsilon: 1 - 8e-6}, 0},
		{"more", entry{constant: byBias}, numbers(8, 3, 4, 0.9), map[string]figure{byBias: 4, byEpsilon: 0.9}, 1},
		{"more, of half floats", entry{constant: byBias, half: true}, numbers(8, 3, 4, 0.9), map[string]figure{byBias: 4, byEpsilon: 0.9}, 0},
		{"a rule that does not conserve", entry{cause: byRule}, numbers(8, 3, 0, 0), map[string]figure{byRule: 5}, 0},
		{"where nothing may be kept", entry{constant: byBias, strict: true}, numbers(8, 3, 4, 1), map[string]figure{}, 1},
		{"where data moves to a class token", entry{constant: byConstant, strict: true, moves: true}, numbers(8, 3, 5, 0), map[string]figure{byConstant: 5}, 0},
		{"NaN", entry{}, numbers(8, 3, math.NaN(), 0), map[string]figure{byEpsilon: 0}, 1},
		{"of what is not finite", entry{}, numbers(math.Inf(1), 3, 0, 0), map[string]figure{}, 0},
	} {
		p := c.e.post(c.x)
		if d := cmp.Diff(c.by, p.By); d != "" && c.name != "NaN" {
			t.Errorf("%s: kept (-want +got):\n%s", c.name, d)
		}
		if ls := leaks([]posting{p}, 0); len(ls) != c.leaks {
			t.Errorf("%s: %d leaks, want %d", c.name, len(ls), c.leaks)
		}
	}
}
