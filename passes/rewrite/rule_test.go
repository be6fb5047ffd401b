package rewrite

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// negExp replaces -exp(x) by Softplus(x), which is wrong and easy to see.
func negExp() *Rule {
	return &Rule{
		Name:  "neg-exp",
		Match: MustParse("y = Neg (Exp (x))"),
		With:  func(b *ir.Builder, m *Match) *ir.Value { return b.Op("Softplus", m.Get("x")) },
	}
}

func TestApply(t *testing.T) {
	refuse := negExp()
	refuse.If = func(*Match) error { return errors.New("not today") }
	widen := negExp()
	widen.With = func(b *ir.Builder, m *Match) *ir.Value {
		return b.Op("Unsqueeze", b.Op("Softplus", m.Get("x")), b.Ints(0))
	}
	operand := negExp()
	operand.With = func(b *ir.Builder, m *Match) *ir.Value { return m.Get("x") }
	keepE := func(v *ir.Value) bool { return v.Name == "e" }
	for _, tt := range []struct {
		name, in string
		rule     *Rule
		keep     func(*ir.Value) bool
		want     string
		log      []string
	}{
		{
			"a match is replaced, and its inside goes", "g (float x) => (float y) { e = Exp (x) y = Neg (e) }", negExp(), nil,
			"g (float x) => (float y) {\n  y = Softplus (x)\n}\n",
			[]string{"did neg-exp: Neg->y, Softplus->t"},
		},
		{
			"what others read stays", "g (float x) => (float y, float z) { e = Exp (x) y = Neg (e) z = Abs (e) }", negExp(), nil,
			"g (float x) => (float y, float z) {\n  e = Exp (x)\n  y = Softplus (x)\n  z = Abs (e)\n}\n",
			[]string{"did neg-exp: Neg->y, Softplus->t"},
		},
		{
			"an inside that is an output refuses", "g (float x) => (float y, float e) { e = Exp (x) y = Neg (e) }", negExp(), nil,
			"g (float x) => (float y, float e) {\n  e = Exp (x)\n  y = Neg (e)\n}\n",
			[]string{"not neg-exp: Neg->y: e, which is explained or an output, lies inside"},
		},
		{
			"a kept inside refuses", "g (float x) => (float y) { e = Exp (x) y = Neg (e) }", negExp(), keepE,
			"g (float x) => (float y) {\n  e = Exp (x)\n  y = Neg (e)\n}\n",
			[]string{"not neg-exp: Neg->y: e, which is explained or an output, lies inside"},
		},
		{
			"a condition refuses", "g (float x) => (float y) { e = Exp (x) y = Neg (e) }", refuse, nil,
			"g (float x) => (float y) {\n  e = Exp (x)\n  y = Neg (e)\n}\n",
			[]string{"not neg-exp: Neg->y: not today"},
		},
		{
			"a replacement of another shape is taken back", "g (float x) => (float y) { e = Exp (x) y = Neg (e) }", widen, nil,
			"g (float x) => (float y) {\n  e = Exp (x)\n  y = Neg (e)\n}\n",
			[]string{"not neg-exp: Neg->y: it would be float[1], and y is float"},
		},
		{
			"an operand stands for an output", "g (float x) => (float y) { e = Exp (x) y = Neg (e) }", operand, nil,
			"g (float x) => (float y) {\n  y = Identity (x)\n}\n",
			[]string{"did neg-exp: Neg->y, <nil>"},
		},
		{
			"twice in a chain", "g (float x) => (float y) { a = Exp (x) b = Neg (a) c = Exp (b) y = Neg (c) }", negExp(), nil,
			"g (float x) => (float y) {\n  b = Softplus (x)\n  y = Softplus (b)\n}\n",
			[]string{"did neg-exp: Neg->b, Softplus->t", "did neg-exp: Neg->y, Softplus->t"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse(tt.in, ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			var log []string
			err = Apply(m, "test", []*Rule{tt.rule}, Log{
				Did: func(r *Rule, from, to *ir.Node) {
					if to == nil {
						log = append(log, fmt.Sprintf("did %s: %v, <nil>", r.Name, from))
						return
					}
					log = append(log, fmt.Sprintf("did %s: %v, %v", r.Name, from, to))
				},
				Skipped: func(r *Rule, at *ir.Node, why string) {
					log = append(log, fmt.Sprintf("not %s: %v: %s", r.Name, at, why))
				},
				Keep: tt.keep,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := ir.Verify(m); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(tt.want, ir.GraphText(m.Graph)); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.log, log); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestApplyKeepsCommonScopes(t *testing.T) {
	m, err := ir.Parse("g (float x) => (float y) { e = Exp (x) y = Neg (e) }", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	outer, inner := ir.Scope{Name: "layer.0", Class: "Layer"}, ir.Scope{Name: "layer.0.act", Class: "Act"}
	y := m.Graph.Outputs[0].Def
	y.Name, y.Scopes = "label", []ir.Scope{outer}
	y.In[0].Def.Scopes = []ir.Scope{outer, inner}
	if err := Apply(m, "test", []*Rule{negExp()}, Log{Did: func(*Rule, *ir.Node, *ir.Node) {}}); err != nil {
		t.Fatal(err)
	}
	got := m.Graph.Outputs[0].Def
	if d := cmp.Diff([]ir.Scope{outer}, got.Scopes); d != "" {
		t.Errorf("scopes:\n%s", d)
	}
	if got.Name != "label" || got.Origin != "test/neg-exp <- Neg[label]" {
		t.Errorf("name %q and origin %q", got.Name, got.Origin)
	}
}

// An error of a replacement says where it was built.
func TestApplyError(t *testing.T) {
	m, err := ir.Parse("g (float x) => (float y) { e = Exp (x) y = Neg (e) }", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	r := negExp()
	r.With = func(b *ir.Builder, m *Match) *ir.Value { return b.Op("NoSuchOperator", m.Get("x")) }
	err = Apply(m, "test", []*Rule{r}, Log{})
	if want := "neg-exp at Neg->y: unknown operator NoSuchOperator"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
