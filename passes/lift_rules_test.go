package passes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// Every number of every rule may be free and have several values at once, wherever
// the rule may be bound, and no weight is there more than once for that.
func TestLiftOfEveryRule(t *testing.T) {
	var lifted int
	for _, text := range []string{
		"lxt.Linear (x, w, b)", "MatMul (x, w)", "MatMul (x, u)", "Gemm (x, w, b)", "Conv (pic, k, c)", "ConvTranspose (pic, k)", "Mul (x, u)", "Add (x, u)",
		"Relu (x)", "Gelu (x)", "Softmax (x)", "LayerNormalization (x, b)", "RMSNormalization (x, b)", "ReduceMean <keepdims = 0> (x)",
		"MaxPool <kernel_shape = [2, 2]> (pic)", "AveragePool <kernel_shape = [2, 2]> (pic)", "GlobalAveragePool (pic)",
	} {
		for _, rule := range rules.Standard() {
			for _, p := range rule.Params {
				rm, err := rules.Parse("free.rules", fmt.Sprintf("* => %s(%s=$p)", rule.Name, p.Name), rules.Standard())
				if err != nil {
					continue // a word is no number
				}
				for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
					m, err := ir.Parse(fmt.Sprintf(`g (float[4,4] x, float[4,4] u, float[1,2,4,4] pic) => (float[] z)
<float[4,4] w = {1, -2, 3, 4, 1, 2, 3, -4, 1, 2, 3, 4, -1, 2, 3, 4}, float[4] b = {1, 1, 1, -1}, float[2,2,1,1] k = {1, 2, -3, 4}, float[2] c = {1, 2}>
{ z = %s }`, text), ops.Standard())
					if err != nil {
						t.Fatal(err)
					}
					opt := passes.Options{Rules: rm, Form: form, Targets: []passes.Target{{Output: "z", Seed: true}}, Eval: reference.Eval, Supports: gorgonia.New().Supports}
					if _, err := passes.Default().Run(t.Context(), m, opt, passes.Driver{}); err != nil || m.Graph.Find("$p") == nil {
						continue // the rule is not for the operator, or needs no such number there
					}
					many, _, err := passes.Lift(m, []string{"$p"}, ir.Sym("points"))
					if err != nil {
						t.Errorf("%s of %s for %s, %v form: %v", p.Name, rule.Name, text, form, err)
						continue
					}
					lifted++
					for n := range many.Graph.Nodes() {
						second := n.Input(1)
						if strings.HasPrefix(n.Op.Name, "MatMul") && onlyOf(second, "$p", "w", "b") && second.Type.Rank() > 2 {
							t.Errorf("%s of %s for %s, %v form: %v reads a weight for each value", p.Name, rule.Name, text, form, n)
						}
					}
				}
			}
		}
	}
	if lifted < 200 {
		t.Errorf("%d cases, want those of all rules", lifted)
	}
}

// onlyOf reports whether v is computed from the named values alone.
func onlyOf(v *ir.Value, names ...string) bool {
	if v.Def == nil {
		for _, name := range names {
			if v.Name == name {
				return true
			}
		}
		return false
	}
	for _, x := range v.Def.In {
		if x != nil && x.Data == nil && !onlyOf(x, names...) {
			return false
		}
	}
	return true
}
