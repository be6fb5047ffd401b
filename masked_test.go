package lxtc_test

import (
	"math"
	"testing"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A mask of -∞ before a softmax takes no relevance: zennit's composites, which
// pass it as a gradient, must not make 0·∞ of it. Both forms are the same.
func TestInfiniteMasksTakeNoRelevance(t *testing.T) {
	m, err := ir.Parse(`<ir_version: 10, opset_import: ["" : 21]>
g (float[2,2] x) => (float[2,2] y)
<float[2,2] w = {1, 2, -1, 0.5}, float[2,2] mask = {0, -inf, 0, 0}>
{
  s = MatMul (x, w)
  m = Add (s, mask)
  p = Softmax (m)
  y = MatMul (p, x)
}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	composite, err := rules.Load("epsilon-plus")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []backend.Backend{reference.New(), gorgonia.New()} {
		var forms [2][]float64
		for i, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
			x, err := lxtc.FromIR(m).Explainer(t.Context(), b, lxtc.Options{
				Rules: composite, Form: form, Targets: []passes.Target{{Output: "y", Index: []int64{1, 0}}},
			}, backend.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			out, err := x.Run(t.Context(), map[string]*ir.Tensor{"x": ir.Of([]float32{1, 2, 3, -1}, 2, 2)})
			if err != nil {
				t.Fatal(err)
			}
			if forms[i], err = out["R:x"].Float64s(); err != nil {
				t.Fatal(err)
			}
		}
		// Equal but for ε, and 1e-10 at the border of converted rules: 6e-8.
		for i, g := range forms[0] {
			if e := forms[1][i]; !(math.Abs(g-e) <= 1e-6*(1+math.Abs(e))) {
				t.Errorf("%s: relevance of element %d is %g in gradient form, %g in explicit form", b.Name(), i, g, e)
			}
		}
	}
}
