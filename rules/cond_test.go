package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b.c", true},
		{"a*c", "abbc", true},
		{"a*c", "ac", true},
		{"a*c", "acb", false},
		{"*mlp*", "layer.0.mlp.fc", true},
		{"?", "a", true},
		{"?", "", false},
		{"?b", "ab", true},
		{"a*b*c", "a.b.b.c", true},
		{"a*b*c", "a.c", false},
		{"*a*a*a*a*a*b", strings.Repeat("a", 100), false},
		{"[a]", "a", false},
	} {
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("glob(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

// Each condition holds for some nodes of a graph, named by their first output.
func TestConditions(t *testing.T) {
	m, err := ir.Parse(`g (float[2,2] x, float[2,2] side) => (float[2,2] y) <float[2,2] w = {1,2,3,4}, int64[1] minus = {-1}> {
		a = MatMul (x, w)
		s = Sigmoid (a)
		m = Mul (s, x)
		t = Tanh (side)
		q = Mul (t, x)
		p = Pow (q, q)
		v = Reshape <allowzero = 0> (m, minus)
		y = Sub (x, m)
	}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) *ir.Node { return m.Graph.Find(name).Def }
	find("a").Role = "attention.scores"
	find("a").Name = "/layer.0/attn/MatMul"
	find("v").Scopes = []ir.Scope{{Name: "layer.0", Class: "transformers.models.llama.LlamaLayer"}, {Name: "layer.0.mlp"}}
	live := map[*ir.Value]bool{}
	for _, name := range []string{"x", "a", "s", "m", "q", "p", "v", "y"} {
		live[m.Graph.Find(name)] = true
	}
	for _, tt := range []struct{ line, want string }{
		{"* if linear", "a s q v"},
		{"* if bilinear", "m p y"},
		{"* if const(0)", "t q"},
		{"* if const(1)", "a v"},
		{"* if live(1)", "m q p y"},
		{"* if live(7)", ""},
		{"* if rank(1)", "v"},
		{"* if not rank(2)", "v"},
		{"* if gate", "s t"},
		{"* if attr(allowzero=0)", "v"},
		{"* if attr(allowzero=1)", ""},
		{"* if role(attention.*)", "a"},
		{`* if role("attention.scores")`, "a"},
		{"* if class(LlamaLayer)", "v"},
		{"* if class(*.LlamaLayer)", "v"},
		{"* if class(Llama)", ""},
		{"* if first", "a"},
		{"* if last", "y"},
		{"Mul, Pow if bilinear", "m p"},
		{"Mul if live(0), live(1)", "m"},
		{`* "*attn*"`, "a"},
		{`* "layer.0.m?p"`, "v"},
		{`MatMul "*mlp*"`, ""},
	} {
		t.Run(tt.line, func(t *testing.T) {
			rm, err := Parse("test.rules", tt.line+" => stop", Standard())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for n := range m.Graph.Nodes() {
				flows := func(v *ir.Value) bool { return live[v] }
				s := Subject{Node: n, Flows: flows, Depends: flows, First: n == find("a"), Last: n == find("y")}
				if rm.Lookup(s) != nil {
					got = append(got, n.Out[0].Name)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(strings.Fields(tt.want)) {
				t.Errorf("it holds for %v, want %s", got, tt.want)
			}
		})
	}
}

// A scatter that adds is a sum, which shares; one that writes moves.
func TestScatters(t *testing.T) {
	m, err := ir.Parse(`g (float[3,2] x, float[1,2] u) => (float[3,2] y) <int64[1,1] at = {1}> {
		a = ScatterND <reduction = "add"> (x, at, u)
		y = ScatterND (a, at, u)
	}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	rm, err := Load("attnlrp")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "epsilon", "y": "move"} {
		all := func(*ir.Value) bool { return true }
		line := rm.Lookup(Subject{Node: m.Graph.Find(name).Def, Flows: all, Depends: all})
		if line == nil || line.Call.Rule.Name != want {
			t.Errorf("%s: %+v, want %s", name, line, want)
		}
	}
}

func TestConditionsAreListed(t *testing.T) {
	for _, c := range Conditions() {
		if c[0] == "" || c[1] == "" {
			t.Errorf("condition %q: want a name and a doc, got %q", c[0], c[1])
		}
	}
}
