package passes_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// The formula of a rule that looks at signs has one product each way where the
// input is known not to be negative, and two elsewhere.
func TestSignsAreKnown(t *testing.T) {
	for _, tt := range []struct {
		name, nodes string // from x to a
		products    int    // of zplus at z = a w, each way
	}{
		{"an input", "a = Identity (x)", 2},
		{"behind Relu", "a = Relu (x)", 1},
		{"behind Relu and what keeps signs", "r = Relu (x) t = Transpose (r) a = Transpose (t)", 1},
		{"behind Relu and a shift below zero", "r = Relu (x) a = Sub (r, c)", 2},
		{"behind Relu and a shift above zero", "r = Relu (x) a = Add (r, c)", 1},
		{"a sum of an input", "r = Relu (x) a = Add (r, x)", 2},
		{"a sum of two", "r = Relu (x) s = Sigmoid (x) a = Add (r, s)", 1},
		{"clipped at 0", "a = Clip (x, zero)", 1},
		{"clipped below 0", "a = Clip (x, minus)", 2},
		{"clipped above only", `a = Clip (x, "", c0)`, 2},
		{"a product of an input with itself", "a = Mul (x, x)", 2},
		{"the logarithm of a sum of exponentials", "e = ReduceLogSumExp (x, axes) a = Add (e, c)", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse(`g (float[2,2] x) => (float[2,2] z)
				<float[2,2] w = {1, -2, 3, -4}, float[2] c = {0.5, 1}, float zero = {0}, float minus = {-1}, float c0 = {1}, int64[1] axes = {1}>
				{ `+tt.nodes+` z = MatMul (a, w) }`, ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			rm, err := rules.Parse("test.rules", "MatMul => zplus\n* => gradient", rules.Standard())
			if err != nil {
				t.Fatal(err)
			}
			opt := passes.Options{Rules: rm, Form: passes.ExplicitForm, Targets: []passes.Target{{Output: "z", Index: []int64{0, 0}}}}
			var p passes.Pipeline
			for _, name := range []string{"target", "swap", "seed", "relevance"} {
				pass, _ := passes.Default().Lookup(name)
				p = append(p, pass)
			}
			if _, err := p.Run(context.Background(), m, opt, passes.Driver{Strict: true}); err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(m.Funcs, func(f *ir.Func) bool { return strings.HasPrefix(f.Op.Name, "Zplus") })
			if i < 0 {
				t.Fatal("no function is called Zplus…")
			}
			if got := strings.Count(ir.FuncText(m.Funcs[i]), "MatMul ("); got != 2*tt.products {
				t.Errorf("the formula has %d products, want %d", got, 2*tt.products)
			}
		})
	}
}
