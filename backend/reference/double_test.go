package reference_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// Numbers of attributes count as they were written, and so do those of formulas;
// what a file stores, what data are compared with, and everything in a run that
// rounds to float32, counts as it is stored.
func TestNumbersInDouble(t *testing.T) {
	const (
		stored = float64(float32(0.1)) // 0.100000001490116
		third  = 1.0 / 3
	)
	x := map[string]*ir.Tensor{"x": ir.Of([]float32{-1}, 1)}
	tenth := map[string]*ir.Tensor{"x": ir.Of([]float32{0.1}, 1)}
	for _, tt := range []struct {
		name, node     string
		in             map[string]*ir.Tensor
		double, single float64 // what NewDouble gives, and New
	}{
		{"attribute", "y = LeakyRelu <alpha = 0.1> (x)", x, -0.1, -stored},
		{"default of an attribute", "y = LeakyRelu (x)", x, -0.01, -float64(float32(0.01))},
		{"attribute of a constant", "a = Constant <value_float = 0.1> () y = Mul (x, a)", x, -0.1, -stored},
		{"list of a constant", "a = Constant <value_floats = [0.1]> () y = Mul (x, a)", x, -0.1, -stored},
		{"attribute of a function", "y = lxt.Scaled <by = 0.1> (x)", x, -0.1, -stored},
		{"tensor of a constant", "a = Constant <value = float[1] {0.1}> () y = Mul (x, a)", x, -stored, -stored},
		{"weight", "y = Mul (x, w)", x, -stored, -stored},
		{"input", "y = Neg (x)", tenth, -stored, -stored},
		{"threshold", "y = ThresholdedRelu <alpha = 0.1> (x)", tenth, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse(`<ir_version: 10, opset_import: ["" : 20, "lxt" : 1]>
g (float[1] x) => (float[1] y) <float[1] w = {0.1}> { `+tt.node+` }
<domain: "lxt", opset_import: ["" : 20]>
Scaled <by> (x) => (y) { c = Constant <value_float: float = @by> () y = Mul (x, c) }`, ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			got := []float64{only(t, reference.NewDouble(), m, tt.in), only(t, reference.New(), m, tt.in)}
			if d := cmp.Diff([]float64{tt.double, tt.single}, got); d != "" {
				t.Errorf("in double precision and in float32 (-want +got):\n%s", d)
			}
		})
	}

	m, err := ir.Parse("g (float[1] x) => (float[1] y) { y = Neg (x) }", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	b := m.At(m.Graph, nil)
	m.Graph.Outputs[0] = b.Named("z", b.Scale(m.Graph.Outputs[0], third))
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float64{third, float64(float32(third))}, []float64{only(t, reference.NewDouble(), m, x), only(t, reference.New(), m, x)}); d != "" {
		t.Errorf("number of a formula, in double precision and in float32 (-want +got):\n%s", d)
	}
}

// only runs m and returns the one element of its one output.
func only(t *testing.T, b backend.Backend, m *ir.Model, in map[string]*ir.Tensor) float64 {
	t.Helper()
	out, err := backend.Run(t.Context(), b, m, backend.Options{}, in)
	if err != nil {
		t.Fatal(err)
	}
	x, ok := out[m.Graph.Outputs[0].Name].Item()
	if !ok {
		t.Fatalf("outputs are %v, want one element", out)
	}
	return x
}

// Constants are folded for every backend, as recognizers want to see them, and for
// NewDouble they remember what they were before rounding.
func TestEvalFor(t *testing.T) {
	tenth, err := ir.Scalar(ir.Float, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	one, three := ir.Of([]float32{1}), ir.Of([]float32{3})
	for _, tt := range []struct {
		name, op string
		in       []*ir.Tensor
		exact    []float64
	}{
		{"float32 holds the result", "Add", []*ir.Tensor{one, three}, nil},
		{"float32 rounds it", "Div", []*ir.Tensor{one, three}, []float64{1. / 3}},
		{"float32 has rounded an operand", "Neg", []*ir.Tensor{tenth}, []float64{-0.1}},
		{"no number at all", "Log", []*ir.Tensor{ir.Of([]float32{float32(math.Inf(-1))})}, nil},
		{"integers", "Add", []*ir.Tensor{ir.Of([]int64{1}), ir.Of([]int64{2})}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &ir.Node{Op: ir.OpName{Name: tt.op}}
			for b, exact := range map[backend.Backend][]float64{reference.NewDouble(): tt.exact, reference.New(): nil} {
				got, err := reference.EvalFor(b)(n, tt.in)
				if err != nil || len(got) != 1 {
					t.Fatalf("for %#v: %v, %v", b, got, err)
				}
				if d := cmp.Diff(exact, got[0].Exact); d != "" {
					t.Errorf("for %#v it remembers (-want +got):\n%s", b, d)
				}
			}
		})
	}
}
