package ir

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInline(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"names stay, types follow, attributes arrive", `
g (float[2,3] x, float[3] z) => (float[2,3] out) { h = lxt.F <eps = 0.5> (x, z) out = Neg (h) }
<domain: "lxt"> F <eps, mode: int = 7, gone> (a, b) => (c) {
  e = Constant <value_float: float = @eps> ()
  x = Add (b, e)
  c = Mul <mode: int = @mode, gone: int = @gone> (a, x)
}`, `
g (float[2,3] x, float[3] z) => (float[2,3] out) {
  e = Constant <value_float: float = 0.5> ()
  x_2 = Add (z, e)
  h = Mul <mode: int = 7> (x, x_2)
  out = Neg (h)
}`},
		{"an output that is an input, and one that comes twice", `
g (float[2] x) => (float[2] a, float[2] b, float[2] c) { a, b, c = lxt.F (x) }
<domain: "lxt"> F (x) => (x, y, y) { y = Neg (x) }`, `
g (float[2] x) => (float[2] a, float[2] b, float[2] c) {
  b = Neg (x)
  a = Identity (x)
  c = Identity (b)
}`},
		{"outputs that the call omits", `
g (float[2] x) => (float[2] b) { "", b = lxt.F (x) }
<domain: "lxt"> F (x) => (y, z, w) { y = Neg (x) z = Exp (y) w = Neg (z) }`, `
g (float[2] x) => (float[2] b) {
  y = Neg (x)
  b = Exp (y)
  w = Neg (b)
}`},
		{"inputs that the call omits", `
g (float[2] x, float hi) => (float[2] a, float[2] b) { a = lxt.F (x, , hi) b = lxt.F (x) }
<domain: "lxt"> F (x, lo, hi) => (y) { y = Clip (x, lo, hi) }`, `
g (float[2] x, float hi) => (float[2] a, float[2] b) {
  a = Clip (x, "", hi)
  b = Clip (x)
}`},
		{"constants that types depend on", `
g (float[6] x) => (y) <int64[2] s = {2, 3}> { y = lxt.F (x, s) }
<domain: "lxt"> F (x, s) => (y) { y = Reshape (x, s) }`, `
g (float[6] x) => (float[2,3] y)
  <int64[2] s = {2, 3}>
{
  y = Reshape (x, s)
}`},
		{"branches that read the function's values", `
g (bool c, float[2] x) => (float[2] y) { y = lxt.F <alpha = 0.5> (c, x) }
<domain: "lxt"> F <alpha> (c, x) => (z) {
  n = Neg (x)
  z = If <then_branch = t () => (a) { k = Constant <value_float: float = @alpha> () a = Mul (n, k) }, else_branch = e () => (b) { b = Exp (x) }> (c)
}`, `
g (bool c, float[2] x) => (float[2] y) {
  n = Neg (x)
  y = If <then_branch: graph = t () => (float[2] a) {
      k = Constant <value_float: float = 0.5> ()
      a = Mul (n, k)
    }, else_branch: graph = e () => (float[2] b) {
      b = Exp (x)
    }> (c)
}`},
		{"an operator's body", `
g (float[2] x) => (float[2] y) { [act] y = Swish <alpha = 2.0> (x) }`, `
g (float[2] x) => (float[2] y) {
  t = Constant <value: tensor = float {2.0}> ()
  t_2 = Mul (x, t)
  t_3 = Sigmoid (t_2)
  [act] y = Mul (x, t_3)
}`},
		{"a body that returns its input", `
g (float[2] x) => (float[2] y) { y = lxt.Same (x) }`, `
g (float[2] x) => (float[2] y) {
  y = Identity (x)
}`},
		{"a body that returns a value twice", `
g (float[2] x) => (float[2] y, float[2] z) { y, z = lxt.Twice (x) }`, `
g (float[2] x) => (float[2] y, float[2] z) {
  y = Add (x, x)
  z = Identity (y)
}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mustParse(t, c.in)
			for n := range m.Graph.Nodes() {
				if m.Func(n.Op) != nil || m.Ops.Lookup(n.Op).Body != nil {
					if err := Inline(m, n); err != nil {
						t.Fatal(err)
					}
				}
			}
			if d := cmp.Diff(strings.TrimSpace(c.want), strings.TrimSpace(GraphText(m.Graph))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if err := Verify(m); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInlineCallWithinAFunction(t *testing.T) {
	m := mustParse(t, `g (float[2] x) => (y) { y = lxt.F <alpha = 3.0> (x) }
<domain: "lxt"> G <beta> (x) => (y) { b = Constant <value_float: float = @beta> () y = Mul (x, b) }
<domain: "lxt"> F <alpha> (x) => (z) { y = lxt.G <beta: float = @alpha> (x) z = Neg (y) }`)
	f := m.Func(OpName{"lxt", "F"})
	if err := Inline(m, f.Body.Find("y").Def); err != nil {
		t.Fatal(err)
	}
	want := `<alpha> (v0) => (v3) {
  v1 = Constant <value_float: float = @alpha> ()
  v2 = Mul (v0, v1)
  v3 = Neg (v2)
}
`
	if d := cmp.Diff(want, FuncText(f)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := Verify(m); err != nil {
		t.Error(err)
	}
}

func TestInlinedNodesInherit(t *testing.T) {
	for name, text := range map[string]string{
		"function": `g (float[2] x) => (float[2] y) { y = lxt.F (x) }
<domain: "lxt"> F (x) => (z, x) { [first] a = Neg (x) z = Exp (a) }`,
		"body": `g (float[2] x) => (float[2] y) { y = Swish (x) }`,
	} {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, text)
			y := m.Graph.Outputs[0]
			y.Aliases = []string{"old name"}
			call := y.Def
			call.Name, call.Origin, call.Role = "layer/act", "swap/act <- Act->y", "gate"
			call.Scopes = []Scope{{"layer", "Layer"}}
			if f := m.Funcs; len(f) > 0 {
				f[0].Body.Outputs[0].Def.Scopes = []Scope{{"inner", "Exp"}}
			}
			if err := Inline(m, call); err != nil {
				t.Fatal(err)
			}
			if m.Graph.Outputs[0] != y || !y.Named("old name") || y.Def == call || call.Graph() != nil {
				t.Error("the output is not the value it was, or the call is still there")
			}
			for n := range m.Graph.Nodes() {
				if n.Origin != call.Origin || n.Role != "gate" || n.Scopes[0] != call.Scopes[0] {
					t.Errorf("%v has origin %q, role %q, scopes %v", n, n.Origin, n.Role, n.Scopes)
				}
			}
			if y.Def.Name != "layer/act" {
				t.Errorf("the node of the output is labelled %q", y.Def.Name)
			}
			if name == "function" {
				if got := m.Graph.root.next.Name; got != "layer/act/first" {
					t.Errorf("the first node is labelled %q", got)
				}
				if d := cmp.Diff([]Scope{{"layer", "Layer"}, {"inner", "Exp"}}, y.Def.Scopes); d != "" {
					t.Errorf("scopes (-want +got):\n%s", d)
				}
			}
		})
	}
}

func TestInlineThatFailsChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name, text string
		spoil      func(m *Model)
		want       string
	}{
		{"no body", "g (float[2] x) => (float[2] y) { y = Neg (x) }", nil, "inline Neg->y: Neg has no body"},
		{"a body that fails", "g (float[2] x) => (float[2] y) { y = lxt.Bad (x) }", nil, "inline lxt.Bad->y: bad to the bone"},
		{"inference", `g (float[2] x) => (y) { y = lxt.F (x, x) }
<domain: "lxt"> F (a, b) => (c) { d = Neg (a) e = Add (d, b) c = Exp (e) }`, func(m *Model) {
			n := m.Graph.Outputs[0].Def
			n.SetInput(1, m.Graph.Input("z", TypeOf(Float, 3)))
		}, "inline lxt.F->y: Add->e: dimensions 3 and 2 do not broadcast"},
		{"a contradiction at the output", `g (float[2] x) => (y) { y = lxt.F (x) }
<domain: "lxt"> F (a) => (c) { c = If <then_branch = t () => (d) { d = Neg (a) }> (a) }`, func(m *Model) {
			m.Graph.Outputs[0].Type = TypeOf(Float, 9)
		}, "inline lxt.F->y: If->y: output 0 (y): type float[9] is inferred as float[2]"},
		{"an output that is an omitted input", `g (float[2] x) => (a) { a, b = lxt.F (x, x) }
<domain: "lxt"> F (a, b) => (c, b) { c = Neg (a) }`, func(m *Model) {
			m.Graph.Outputs[0].Def.SetInput(1, nil)
		}, "inline lxt.F->a: output 1 is input b, which is omitted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mustParse(t, c.text)
			if c.spoil != nil {
				c.spoil(m)
			}
			text, hash := m.Text(), Hash(m)
			err := Inline(m, m.Graph.Outputs[0].Def)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if Hash(m) != hash {
				t.Errorf("the graph is another:\n%s", cmp.Diff(text, m.Text()))
			}
			for v := range m.Graph.Values() {
				for _, u := range v.uses {
					if u.Node.graph == nil || u.Node.In[u.Index] != v {
						t.Errorf("%s is left with a use by %v", v, u.Node)
					}
				}
			}
		})
	}
}

func TestInstantiate(t *testing.T) {
	m := mustParse(t, `g (float[6] x, int64[2] s) => (y) <int64[2] c = {2, 3}> { y = lxt.F <alpha = 2.0> (x, c) }
<domain: "lxt"> F <alpha> (x, s, more) => (y, s) { k = Constant <value_float: float = @alpha> () r = Reshape (x, s) y = Clip (r, k, more) }`)
	f := m.Funcs[0]
	before := Hash(m)
	g, err := Instantiate(m, f, m.Graph.Find("y").Def)
	if err != nil {
		t.Fatal(err)
	}
	want := `_ (float[6] x, int64[2] s, more) => (float[2,3] y, int64[2] s) {
  k = Constant <value_float: float = 2.0> ()
  r = Reshape (x, s)
  y = Clip (r, k)
}
`
	g.Name = ""
	if d := cmp.Diff(want, GraphText(g)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if g.Inputs[1].IsConst() {
		t.Error("an input is left with data")
	}
	if err := Verify(&Model{Graph: g, Ops: m.Ops}); err != nil {
		t.Error(err)
	}
	if Hash(m) != before {
		t.Error("the model has changed")
	}
	if err := Verify(m); err != nil {
		t.Error(err)
	}
}

// One operation is a model with 1000 calls one after the other: built, cloned
// and inlined.
func BenchmarkInline(b *testing.B) {
	m := mustParse(b, `g (float[2,3] x, float[3] z) => (y) { y = lxt.F <eps = 0.5> (x, z) }
<domain: "lxt"> F <eps> (a, b) => (c) {
  e = Constant <value_float: float = @eps> () s = Add (b, e) d = Div (a, s) n = Neg (d) c = Mul (n, a)
}`)
	bl := m.At(m.Graph, nil)
	v := m.Graph.Outputs[0]
	for range 1000 {
		v = bl.Node(OpName{"lxt", "F"}, Attrs{{"eps", float32(0.5)}}, v, m.Graph.Inputs[1]).Out[0]
	}
	if bl.Err() != nil {
		b.Fatal(bl.Err())
	}
	for b.Loop() {
		inlineAll(b, m.Clone())
	}
}

func BenchmarkWholeModel(b *testing.B) {
	m := randomModel(rand.New(rand.NewPCG(1, 1)), 4000)
	text := printed(b, m, PrintOptions{Weights: true})
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			mustParse(b, text)
		}
	})
	b.Run("print", func(b *testing.B) {
		for b.Loop() {
			m.Text()
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if err := Verify(m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			Hash(m)
		}
	})
	b.Run("clone", func(b *testing.B) {
		for b.Loop() {
			m.Clone()
		}
	})
}
