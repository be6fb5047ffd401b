package ir

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSortIsStable(t *testing.T) {
	m := mustParse(t, `g (bool k, float[2] x) => (d) {
  a = Neg (x)  b = Exp (x)  c = Add (a, b)
  i = If <then_branch = t () => (q) { p = Neg (c) q = Neg (p) }> (k)
  d = Neg (i)  e = Neg (x)
}`)
	g := m.Graph
	node := func(name string) *Node { return g.Find(name).Def }
	branch := node("i").Attrs.Graph("then_branch")
	p, q := branch.Find("p").Def, branch.Find("q").Def
	for _, c := range []struct{ name, order, want string }{
		{"sorted already", "a b c i d e", "a b c i d e"},
		{"sorted another way", "e b a c i d", "e b a c i d"},
		{"a reader first", "c a b e i d", "a b c e i d"},
		{"what a branch reads", "i a b c d e", "a b c i d e"},
		{"backwards", "e d i c b a", "e a b c i d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var order []*Node
			for _, s := range strings.Fields(c.order) {
				order = append(order, node(s))
			}
			if err := g.Reorder(order); err != nil {
				t.Fatal(err)
			}
			if err := branch.Reorder([]*Node{q, p}); err != nil {
				t.Fatal(err)
			}
			if err := g.Sort(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for n := range g.Nodes() {
				got = append(got, n.Out[0].Name)
			}
			if d := cmp.Diff(c.want, strings.Join(got, " ")); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if err := Verify(m); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSortNamesACycle(t *testing.T) {
	m := mustParse(t, "g (float[2] x) => (c) { a = Neg (x) [n] b = Add (a, x) c = Neg (b) d = Neg (c) }")
	g := m.Graph
	g.Find("a").Def.SetInput(0, g.Find("c"))
	want := "nodes read each other in a cycle: Neg->a reads Neg->c reads Add[n] reads Neg->a"
	if err := g.Sort(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestCloneIsIndependent(t *testing.T) {
	m := mustParse(t, soundText)
	m.Closer = func() error { return fmt.Errorf("closed") }
	c := m.Clone()
	before := Hash(m)
	inlineAll(t, c)
	c.Graph.Rename(c.Graph.Find("a"), "renamed")
	c.Graph.Find("k").Def.Attrs.Graph("then_branch").Find("h").Def.Op.Name = "Exp"
	c.Funcs[0].Body.Find("y").Def.Op.Name = "Exp"
	c.Opsets["new"] = 1
	if Hash(m) != before {
		t.Error("changing the clone changes the original")
	}
	if err := Verify(m); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error("closing the clone closes the original")
	}
	if v := c.Graph.Find("w"); &v.Data.Raw[0] != &m.Graph.Find("w").Data.Raw[0] {
		t.Error("the clone has copied weights")
	}
}

func TestCloneKeepsTheOrderOfUses(t *testing.T) {
	m := mustParse(t, "g (float[2] x) => (c) { a = Neg (x) b = Exp (x) c = Add (a, b) }")
	x := m.Graph.Inputs[0]
	a := m.Graph.Find("a").Def
	a.SetInput(0, x) // now the last use
	var got []string
	for _, u := range m.Clone().Graph.Inputs[0].Uses() {
		got = append(got, u.Node.String())
	}
	if d := cmp.Diff([]string{"Exp->b", "Neg->a"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCloneOfABranchReadsTheSameValues(t *testing.T) {
	m := mustParse(t, soundText)
	branch := m.Graph.Find("k").Def.Attrs.Graph("then_branch")
	c, vals := CloneGraph(branch)
	h := branch.Find("h")
	if vals[h] == h || vals[h].Def.Input(0) != m.Graph.Find("b") {
		t.Error("the clone does not read b of the graph around it")
	}
	m.Graph.Find("k").Def.Attrs[0].Value = c
	m.Graph.Find("b").uses = m.Graph.Find("b").uses[1:] // the old branch's
	if err := Verify(m); err != nil {
		t.Error(err)
	}
}

func TestHashSeesEveryChange(t *testing.T) {
	base := mustParse(t, soundText)
	def := func(m *Model, name string) *Node { return m.Graph.Find(name).Def }
	for name, change := range map[string]func(m *Model){
		"operator":         func(m *Model) { def(m, "a").Op.Name = "Exp" },
		"input":            func(m *Model) { def(m, "b").SetInput(1, m.Graph.Find("x")) },
		"omitted input":    func(m *Model) { def(m, "b").SetInput(1, nil) },
		"attribute":        func(m *Model) { def(m, "y").Attrs = def(m, "y").Attrs.With("alpha", float32(2.5)) },
		"attribute's type": func(m *Model) { def(m, "y").Attrs = def(m, "y").Attrs.With("alpha", int64(2)) },
		"attribute's name": func(m *Model) { def(m, "y").Attrs = Attrs{{"beta", float32(2)}} },
		"name":             func(m *Model) { m.Graph.Rename(m.Graph.Find("a"), "other") },
		"alias":            func(m *Model) { m.Graph.Find("a").Aliases = []string{"other"} },
		"type":             func(m *Model) { m.Graph.Find("a").Type.Shape = nil },
		"known elements":   func(m *Model) { m.Graph.Find("a").Known = []Dim{N(1)} },
		"label":            func(m *Model) { def(m, "a").Name = "label" },
		"origin":           func(m *Model) { def(m, "a").Origin = "origin" },
		"role":             func(m *Model) { def(m, "a").Role = "role" },
		"scope":            func(m *Model) { def(m, "a").Scopes = []Scope{{"a", "A"}} },
		"order of nodes":   func(m *Model) { _ = m.Graph.Reorder([]*Node{def(m, "a"), def(m, "k"), def(m, "b"), def(m, "y")}) },
		"output":           func(m *Model) { m.Graph.Outputs[0] = m.Graph.Find("a") },
		"small constant":   func(m *Model) { m.Graph.Find("w").Data = Of([]float32{1, 3}, 2) },
		"shape":            func(m *Model) { m.Graph.Find("w").Data = Of([]float32{1, 2}, 2, 1) },
		"unused constant":  func(m *Model) { m.Graph.Const("u", Of([]float32{1})) },
		"branch": func(m *Model) {
			def(m, "k").Attrs.Graph("else_branch").Find("i").Def.SetInput(0, m.Graph.Find("a"))
		},
		"function body":      func(m *Model) { m.Funcs[0].Body.Find("y").Def.Op.Name = "Exp" },
		"function attribute": func(m *Model) { m.Funcs[1].Attrs = append(m.Funcs[1].Attrs, "beta") },
		"function default":   func(m *Model) { m.Funcs[1].Defaults = Attrs{{"alpha", float32(1)}} },
		"opset":              func(m *Model) { m.Opsets["lxt"] = 2 },
		"metadata":           func(m *Model) { m.Metadata = [][2]string{{"a", "b"}} },
	} {
		t.Run(name, func(t *testing.T) {
			m := base.Clone()
			if Hash(m) != Hash(base) {
				t.Fatal("a clone has another hash")
			}
			change(m)
			if Hash(m) == Hash(base) {
				t.Error("the hash is the same")
			}
		})
	}
	t.Run("big constant", func(t *testing.T) {
		a, b := mustParse(t, "g () => () {}"), mustParse(t, "g () => () {}")
		a.Graph.Const("w", Of(make([]float32, 100), 100))
		b.Graph.Const("w", Of(make([]float32, 100), 100))
		if Hash(a) == Hash(b) {
			t.Error("the hash does not tell where the bytes lie")
		}
	})
}

func TestDiff(t *testing.T) {
	base := "g (float[2] x, float[2] z) => (float[2] y) <float[2] w = {1, 2}> { [n] a = Softmax <axis = 1, f = 0.5> (x) b = Add (a, w) y = Mul (b, z) }"
	for _, c := range []struct{ name, text, want string }{
		{"the same", base, ""},
		{"other inner names and labels", "h (float[2] x, float[2] z) => (float[2] y) <float[2] v = {1, 2}> { q = Softmax <f = 0.5, axis = 1> (x) r = Add (q, v) y = Mul (r, z) }", ""},
		{"another name of an input", strings.ReplaceAll(base, "z", "zz"), "input 1 is z and zz"},
		{"another name of the output", strings.ReplaceAll(base, " y", " yy"), "output 0 is y and yy"},
		{"another type", "g (float[3] x, float[2] z) => (y) <float[2] w = {1, 2}> { a = Exp (z) b = Exp (z) y = Exp (z) }", "input 0 is float[2] x and float[3] x"},
		{"another operator", strings.Replace(base, "Add", "Sub", 1), "node 1, Add->b and Sub->b: other operators"},
		{"other operands", strings.Replace(base, "(b, z)", "(z, b)", 1), "node 2, Mul->y and Mul->y: input 0 is b and z"},
		{"another attribute", strings.Replace(base, "axis = 1", "axis = 2", 1), "node 0, Softmax[n] and Softmax[n]: attribute axis: 1 and 2"},
		{"another type of attribute", strings.Replace(base, "axis = 1", "axis = 1.0", 1), "node 0, Softmax[n] and Softmax[n]: attribute axis: 1 and 1"},
		{"a missing attribute", strings.Replace(base, ", f = 0.5", "", 1), "node 0, Softmax[n] and Softmax[n]: 2 and 1 attributes"},
		{"another constant", strings.Replace(base, "{1, 2}", "{1, 3}", 1), "node 1, Add->b and Add->b: input 1 is w and w"},
		{"one node more", strings.Replace(base, "b = Add", "c = Neg (z) b = Add", 1), "3 and 4 nodes; node 1 is Add->b and Neg->c"},
		{"another output", "g (float[2] x, float[2] z) => (float[2] y) <float[2] w = {1, 2}> { [n] y = Softmax <axis = 1, f = 0.5> (x) b = Add (y, w) c = Mul (b, z) }", "output 0 is y and y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := mustParse(t, base).Graph, mustParse(t, c.text).Graph
			if got := Diff(a, b); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if Equal(a, b) != (c.want == "") {
				t.Error("Equal and Diff disagree")
			}
		})
	}
}

func TestRemoveForgetsWhatBranchesRead(t *testing.T) {
	m := mustParse(t, "g (bool c, float[2] x) => () { a = Neg (x) y = If <then_branch = t () => (b) { b = Neg (a) }> (c) }")
	g := m.Graph
	for _, name := range []string{"y", "a"} {
		if err := g.Remove(g.Find(name).Def); err != nil {
			t.Error(err)
		}
	}
	if n := g.Inputs[1].NumUses(); n != 0 {
		t.Errorf("x has %d uses left", n)
	}
}

func TestReplaceUsesKeepsTheirOrder(t *testing.T) {
	m := mustParse(t, "g (float[2] x) => (y) { a = Neg (x) b = Neg (x) z = Add (a, b) w = Mul (a, a) y = Add (a, w) }")
	g := m.Graph
	a, b := g.Find("a"), g.Find("b")
	g.ReplaceUses(a, a)
	if n := a.NumUses(); n != 4 {
		t.Errorf("a has %d uses after it replaced itself, want 4", n)
	}
	g.ReplaceUses(a, b)
	if n := a.NumUses(); n != 0 {
		t.Errorf("a has %d uses left", n)
	}
	z, w, y := g.Find("z").Def, g.Find("w").Def, g.Find("y").Def
	want := []Use{{z, 1}, {z, 0}, {w, 0}, {w, 1}, {y, 0}}
	if got := b.Uses(); !slices.Equal(got, want) {
		t.Errorf("uses of b are %v, want %v", got, want)
	}
	if err := Verify(m); err != nil {
		t.Error(err)
	}
}

// A value that many nodes read is checked and replaced in time linear in them:
// this took minutes when each use was searched among all.
func TestManyUsesAreFast(t *testing.T) {
	m := mustParse(t, "g (float[2] x, float[2] y) => () {}")
	b := m.At(m.Graph, nil)
	for range 100000 {
		b.Neg(m.Graph.Inputs[0])
	}
	m.Graph.ReplaceUses(m.Graph.Inputs[0], m.Graph.Inputs[1])
	if err := Verify(m); err != nil {
		t.Error(err)
	}
	if n := m.Graph.Inputs[1].NumUses(); n != 100000 {
		t.Errorf("%d uses, want 100000", n)
	}
}

// Building and removing must not search all suffixes of a name again and
// again: this took minutes when it did.
func TestNamesAreFoundFast(t *testing.T) {
	m := mustParse(t, "g () => () {}")
	g, w := m.Graph, Of([]float32{1})
	b := m.At(g, nil)
	for range 20000 {
		b.Constant(w)
	}
	for range 20000 {
		if err := g.Remove(b.Constant(w).Def); err != nil {
			t.Fatal(err)
		}
		if err := g.Remove(g.root.next); err != nil { // frees "t" itself
			t.Fatal(err)
		}
		b.Constant(w)
	}
	if err := Verify(m); err != nil {
		t.Error(err)
	}
}

func TestDiffLooksIntoBranches(t *testing.T) {
	a := mustParse(t, soundText)
	b := a.Clone()
	if d := Diff(a.Graph, b.Graph); d != "" {
		t.Errorf("a clone differs: %s", d)
	}
	b.Graph.Find("k").Def.Attrs.Graph("else_branch").Find("i").Def.Op.Name = "Neg"
	want := "node 2, If->k and If->k: attribute else_branch: node 0, Exp->i and Neg->i: other operators"
	if d := Diff(a.Graph, b.Graph); d != want {
		t.Errorf("got  %s\nwant %s", d, want)
	}
}
