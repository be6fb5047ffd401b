package rules_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// Maps for networks of Relu, on one of two layers:
//
//	x = (1, 2), h = (2+2, -1+2, 1-2) = (4, 1, -1), a = (4, 1, 0), y = 4 - 1 + 0 = 3
func TestMapsByHand(t *testing.T) {
	const net = `g (float[1,2] x) => (float[1,1] z) <float[2,3] v = {2, -1, 1, 1, 1, -1}, float[3,1] w = {1, -1, 2}> {
		h = MatMul (x, v)
		a = Relu (h)
		z = MatMul (a, w)
	}`
	const s = 3 / 3.1
	for _, tt := range []struct {
		name string
		want []float64
	}{
		{"gradient", []float64{9, 0}},                                            // R_a = 3 w = (3, -3, 6), R_h = (3, -3, 0)
		{"deconvnet", []float64{12, -3}},                                         // R_h = (3, 0, 6)
		{"guided-backprop", []float64{6, 3}},                                     // R_h = (3, 0, 0)
		{"excitation", []float64{1.5, 1.5}},                                      // R_a = (3, 0, 0), R_x = 3 (2, 2)/4
		{"deep-taylor", []float64{1.5, 1.5}},                                     // likewise
		{"epsilon-alpha2-beta1-flat", []float64{1.5, 1.5}},                       // R_a = (4, -1, 0), half of each
		{"captum", []float64{3, 0}},                                              // (2, 2) - (-1, 2)
		{"innvestigate-preset-a", []float64{8*s/4.1 + s/1.1, 8*s/4.1 - 2*s/1.1}}, // R_a = (4, -1, 0) s
		{"innvestigate-preset-b", []float64{8*s/4.1 + s/1.1, 8*s/4.1 - 2*s/1.1}}, // no convolution
		{"epsilon-plus", []float64{3, 0}},                                        // as captum
		{"gradient-input", []float64{3, 0}},                                      // likewise
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, net)
			in := map[string]*ir.Tensor{"x": fill(m, "x", []float64{1, 2}), "R:z": fill(m, "z", []float64{3})}
			got := relevance(t, m, "use "+tt.name, passes.ExplicitForm, in)["x"]
			// ε is 1e-6 where the numbers have none.
			if d := worst(got, tt.want); !(d <= 2e-6) {
				t.Errorf("relevance is %v, want %v", got, tt.want)
			}
		})
	}
}

// A rule that changes weights refuses what is linear without having any: the
// mean and variance of a normalization, a divisor, an addend.
func TestNoWeights(t *testing.T) {
	for _, nodes := range []string{"z = Div (x, b)", "z = Sub (x, b)", "z = BatchNormalization (x, b, b, b, b)"} {
		m := caseModel(t, nodes)
		rm, err := rules.Parse("test.rules", "* => zplus", rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		opt := passes.Options{Rules: rm, Explain: []string{"x"}, Targets: []passes.Target{{Output: "z", Seed: true}}}
		if _, err = bare().Run(context.Background(), m, opt, passes.Driver{}); err == nil || !strings.Contains(err.Error(), "rule zplus changes weights, and input 1 of") {
			t.Errorf("%s: error %v, want that input 1 is no weight", nodes, err)
		}
	}
}

// Bounds of three colours do not fit a grey picture, and a list is never
// broadcast to what has another length.
func TestListsOfAnotherLength(t *testing.T) {
	for _, tt := range []struct{ rule, image, want string }{
		{"zbox(-1/-2/-3, 1/2/3)", "float[1,1,2,2] x", "3 numbers for low, where axis 1 has 1"},
		{"zbox(-1/-2/-3, 1)", "float[1,2,2,2] x", "3 numbers for low, where axis 1 has 2"},
		{"zbox(-1, 1/2)", "float[1,3,2,2] x", "2 numbers for high, where axis 1 has 3"},
		{"gamma(0.1/0.2)", "float[1,3,2,2] x", "2 numbers for gamma, where axis 1 has 3"},
		{"zbox(-1/-2/-3, 1/2/3)", "float[1,3,2,2] x", ""},
		{"zbox($low[3], 1)", "float[1,2,2,2] x", "3 numbers for low, where axis 1 has 2"},
		{"gamma($g=0.1/0.2)", "float[1,3,2,2] x", "2 numbers for gamma, where axis 1 has 3"},
		{"zbox(-1, 1)", "float[1,1,2,2] x", ""},
		{"gamma(0.1/0.2/0.3)", "float[1,3,2,2] x", ""},
	} {
		m, err := ir.Parse("g ("+tt.image+", float[3,C,1,1] w) => (float[1,3,2,2] z) {\n  z = Conv (x, w)\n}", ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		rm, err := rules.Parse("test.rules", "* => "+tt.rule, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		opt := passes.Options{Rules: rm, Explain: []string{"x"}, Targets: []passes.Target{{Output: "z", Seed: true}}}
		_, err = bare().Run(context.Background(), m, opt, passes.Driver{})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s of %s: %v", tt.rule, tt.image, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: error %v, want %q", tt.rule, tt.image, err, tt.want)
		}
	}
}

// What `lxtc rules NAME > my.rules` prints is the map.
func TestSourcesAreMaps(t *testing.T) {
	for _, name := range rules.Builtin() {
		text, err := rules.Source(name)
		if err != nil {
			t.Fatal(err)
		}
		mine, err := rules.Parse("my.rules", text, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		m, err := rules.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(mine.Lines) != len(m.Lines) {
			t.Fatalf("%s: %d lines, want %d", name, len(mine.Lines), len(m.Lines))
		}
		for i, l := range m.Lines {
			if got := mine.Lines[i]; got.Text != l.Text || got.Call.String() != l.Call.String() {
				t.Errorf("%s: line %q is read as %s, want %s", name, got.Text, got.Call, l.Call)
			}
		}
	}
}
