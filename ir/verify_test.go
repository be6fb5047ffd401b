package ir

import (
	"fmt"
	"strings"
	"testing"
)

// soundText has one of each thing that Verify looks at.
const soundText = `
main (bool c, float[2] x) => (float[2] y, float[2] k) <float[2] w = {1, 2}> {
  a = Neg (x)
  b = Add (a, w)
  k = If <then_branch = t () => (float[2] i) { h = Neg (b) i = Exp (h) }, else_branch = e () => (float[2] i) { i = Exp (x) }> (c)
  y = lxt.F <alpha = 2.0> (b)
}
<domain: "lxt"> G (x) => (y) { y = Neg (x) }
<domain: "lxt"> F <alpha> (x) => (z) { s = Constant <value_float: float = @alpha> () y = lxt.G (x) z = Mul (s, y) }
`

func TestVerify(t *testing.T) {
	def := func(m *Model, name string) *Node { return m.Graph.Find(name).Def }
	branch := func(m *Model) *Graph { return def(m, "k").Attrs.Graph("then_branch") }
	for _, c := range []struct {
		name  string
		spoil func(m *Model)
		want  []string // lines of the error
	}{
		{"nothing wrong", func(m *Model) {}, nil},
		{"no graph", func(m *Model) { m.Graph = nil }, []string{"there is no main graph"}},
		{"a node before what it reads", func(m *Model) {
			g := m.Graph
			n := def(m, "a")
			order := []*Node{def(m, "b"), n, def(m, "k"), def(m, "y")}
			if err := g.Reorder(order); err != nil {
				panic(err)
			}
		}, []string{"Add->b: input 0 (a) is read before it is computed"}},
		{"a value of another graph", func(m *Model) {
			def(m, "b").SetInput(0, branch(m).Find("h"))
		}, []string{
			"Add->b: input 0 (h) is not a value of its graph",
		}},
		{"a value of no graph", func(m *Model) {
			def(m, "b").SetInput(0, &Value{Name: "stray", Type: TypeOf(Float, 2)})
		}, []string{"Add->b: input 0 (stray) is not a value of its graph"}},
		{"an input written past SetInput", func(m *Model) {
			def(m, "b").In[0] = m.Graph.Find("x")
		}, []string{
			"Add->b: input 0 (x) was not set by SetInput",
			"value a counts a use by Add->b, which does not read it",
		}},
		{"a use that is counted twice", func(m *Model) {
			x := m.Graph.Find("x")
			x.uses = append(x.uses, x.uses[0])
		}, []string{"value x counts its use by Neg->a twice"}},
		{"a use by a removed node", func(m *Model) {
			x := m.Graph.Find("x")
			x.uses = append(x.uses, Use{&Node{Op: OpName{Name: "Exp"}, In: []*Value{x}}, 0})
		}, []string{"value x counts a use by Exp, which is not in the model"}},
		{"an output of another node", func(m *Model) {
			m.Graph.Find("a").Def = def(m, "b")
		}, []string{"Neg->a: its output a is defined by Add->b"}},
		{"a value defined twice", func(m *Model) {
			m.Graph.Inputs = append(m.Graph.Inputs, m.Graph.Find("a"))
		}, []string{
			"value a is defined twice",
			"input a is also a constant or the output of a node",
		}},
		{"a name taken twice", func(m *Model) { m.Graph.Find("a").Name = "x" }, []string{"two values are called x"}},
		{"no name", func(m *Model) { m.Graph.Find("a").Name = "" }, []string{"a value of type float[2] has no name"}},
		{"a name past Rename", func(m *Model) { m.Graph.Find("a").Name = "new" }, []string{
			"graph main does not know that the name new is taken; use Rename",
		}},
		{"a nil input", func(m *Model) { m.Graph.Inputs = append(m.Graph.Inputs, nil) }, []string{
			"an input or constant of graph main is nil",
		}},
		{"an input that is a constant", func(m *Model) { m.Graph.Find("x").Data = m.Graph.Find("w").Data }, []string{
			"input x is also a constant or the output of a node",
		}},
		{"an output that has data", func(m *Model) { m.Graph.Find("a").Data = m.Graph.Find("w").Data }, []string{
			"Neg->a: its output a has data",
		}},
		{"a constant without data", func(m *Model) { m.Graph.Find("w").Data = nil }, []string{"constant w has no data"}},
		{"a constant that is computed", func(m *Model) { m.Graph.Find("w").Def = def(m, "a") }, []string{
			"constant w is also the output of Neg->a",
		}},
		{"a constant of another type", func(m *Model) { m.Graph.Find("w").Type = TypeOf(Float) }, []string{
			"constant w is float and its data float[2]",
		}},
		{"a constant with too few bytes", func(m *Model) {
			d := *m.Graph.Find("w").Data
			d.Raw = d.Raw[:4]
			m.Graph.Find("w").Data = &d
		}, []string{"constant w: 4 bytes for float[2], want 8"}},
		{"a constant with too few strings", func(m *Model) {
			m.Graph.Const("s", &Tensor{Elem: String, Shape: []int{2}, Strs: []string{"a"}})
		}, []string{"constant s: 1 strings for string[2]"}},
		{"a nil output", func(m *Model) { m.Graph.Outputs[0] = nil }, []string{"output 0 of graph main is nil"}},
		{"an output of another graph", func(m *Model) { m.Graph.Outputs[0] = branch(m).Find("h") }, []string{
			"output h of graph main is not one of its values",
		}},
		{"an output of the graph around", func(m *Model) { branch(m).Outputs[0] = m.Graph.Find("b") }, []string{
			"output b of graph t is a value of a graph around it",
		}},
		{"a broken list", func(m *Model) { def(m, "b").prev = def(m, "b") }, []string{
			"the list of nodes of graph main is broken after 0 of 4",
		}},
		{"a wrong count", func(m *Model) { m.Graph.len = 5 }, []string{"graph main has 4 nodes and counts 5"}},
		{"an unknown operator", func(m *Model) { def(m, "a").Op.Name = "Negg" }, []string{"Negg->a: unknown operator"}},
		{"too many inputs", func(m *Model) {
			n := def(m, "a")
			n.In = append(n.In, nil)
			n.SetInput(1, m.Graph.Find("x"))
		}, []string{"Neg->a: got 2 inputs, want 1"}},
		{"a missing input", func(m *Model) { def(m, "b").SetInput(0, nil) }, []string{
			"Add->b: input 0 (a) is missing",
		}},
		{"too many outputs", func(m *Model) {
			n := def(m, "a")
			n.Out = append(n.Out, &Value{Name: m.Graph.unique("extra"), Def: n})
		}, []string{"Neg->a: 2 outputs, want at most 1"}},
		{"more outputs than inferred", func(m *Model) {
			n := def(m, "k")
			n.Out = append(n.Out, &Value{Name: m.Graph.unique("extra"), Def: n})
		}, []string{"If->k: 2 outputs, want at most 1"}},
		{"a type that contradicts inference", func(m *Model) { m.Graph.Find("b").Type = TypeOf(Float, 3) }, []string{
			"Add->b: output 0 (b): type float[3] is inferred as float[2]",
			"lxt.F->y: output 0 (y): type float[2] is inferred as float[3]",
		}},
		{"inputs that do not fit", func(m *Model) { m.Graph.Find("a").Type = TypeOf(Float, 3) }, []string{
			"Neg->a: output 0 (a): type float[3] is inferred as float[2]",
			"Add->b: dimensions 2 and 3 do not broadcast",
		}},
		{"a less precise type is fine", func(m *Model) { m.Graph.Find("a").Type = Type{Elem: Float} }, nil},
		{"an attribute given twice", func(m *Model) {
			def(m, "a").Attrs = Attrs{{"axis", int64(1)}, {"axis", int64(1)}}
		}, []string{"Neg->a: attribute axis is given twice"}},
		{"an attribute of a foreign type", func(m *Model) { def(m, "a").Attrs = Attrs{{"axis", 1}} }, []string{
			"Neg->a: attribute axis has a value of type int, which attributes do not have",
		}},
		{"a nil graph", func(m *Model) { def(m, "a").Attrs = Attrs{{"g", (*Graph)(nil)}, {"gs", []*Graph{nil}}} }, []string{
			"Neg->a: attribute g is a nil graph",
			"Neg->a: attribute gs is a nil graph",
		}},
		{"bad tensors", func(m *Model) {
			bad := &Tensor{Elem: Float, Shape: []int{1}}
			def(m, "a").Attrs = Attrs{{"t", bad}, {"u", (*Tensor)(nil)}, {"ts", []*Tensor{bad}}}
		}, []string{
			"Neg->a: attribute t has 0 bytes for float[1], want 4",
			"Neg->a: attribute u is a nil tensor",
			"Neg->a: attribute ts has 0 bytes for float[1], want 4",
		}},
		{"a reference outside a function", func(m *Model) { def(m, "a").Attrs = Attrs{{"axis", Ref{"axis", int64(0)}}} }, []string{
			"Neg->a: attribute axis is @axis, outside a function",
		}},
		{"trouble in a branch", func(m *Model) { branch(m).Find("h").Def.Op.Name = "Negg" }, []string{"Negg->h: unknown operator"}},

		{"a function defined twice", func(m *Model) { m.Funcs = append(m.Funcs, m.Funcs[0]) }, []string{
			"function lxt.G: it is defined twice",
		}},
		{"a function without an operator", func(m *Model) {
			f := *m.Funcs[0]
			f.Op.Name = "H"
			m.Funcs = append(m.Funcs, &f)
		}, []string{"function lxt.H: its operator is unknown"}},
		{"a function without a body", func(m *Model) { m.Funcs[0].Body = nil }, []string{
			"function lxt.G: it has no body",
			"lxt.F->y: lxt.G->y: function lxt.G has no body",
		}},
		{"a function with a constant", func(m *Model) { m.Funcs[0].Body.Const("w", Of([]float32{1})) }, []string{
			"function lxt.G: w is a constant; a function needs a Constant node for it",
		}},
		{"callers before callees", func(m *Model) { m.Funcs[0], m.Funcs[1] = m.Funcs[1], m.Funcs[0] }, []string{
			"function lxt.F: lxt.G->y: it calls a function that comes later",
		}},
		{"a function that calls itself", func(m *Model) {
			m.Funcs[0].Body.Outputs[0].Def.Op = OpName{"lxt", "G"}
		}, []string{"function lxt.G: lxt.G->y: the function calls itself"}},
		{"an undeclared reference", func(m *Model) { m.Funcs[1].Attrs = nil }, []string{
			"function lxt.F: Constant->s: attribute value_float is @alpha, which the function does not declare",
			"lxt.F->y: function lxt.F declares no attribute alpha",
		}},
		{"an attribute declared twice", func(m *Model) { m.Funcs[1].Attrs = []string{"alpha", "alpha"} }, []string{
			"function lxt.F: attribute alpha is declared twice",
		}},
		{"a default of nothing", func(m *Model) { m.Funcs[1].Defaults = Attrs{{"beta", int64(1)}} }, []string{
			"function lxt.F: attribute beta has a default but is not declared",
		}},
		{"trouble in a function", func(m *Model) { m.Funcs[1].Body.Find("z").Def.SetInput(1, nil) }, []string{
			"function lxt.F: Mul->z: input 1 (b) is missing",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mustParse(t, soundText)
			c.spoil(m)
			if m.Text() == "" { // dumps are for broken models above all
				t.Error("the broken model has no text")
			}
			got := ""
			if err := Verify(m); err != nil {
				got = err.Error()
			}
			for _, want := range c.want {
				if !strings.Contains("\n"+got+"\n", "\n"+want+"\n") {
					t.Errorf("the error lacks the line %q:\n%s", want, got)
				}
			}
			if len(c.want) == 0 && got != "" {
				t.Error(got)
			}
		})
	}
}

func TestVerifyStopsListing(t *testing.T) {
	m := mustParse(t, "g (float[2] x) => () {}")
	for i := range 60 {
		n := m.At(m.Graph, nil).Node(OpName{Name: "Neg"}, nil, m.Graph.Inputs[0])
		n.Op.Name = fmt.Sprint("Neg", i)
	}
	lines := strings.Split(Verify(m).Error(), "\n")
	if n := len(lines); n != maxViolations+1 || lines[n-1] != "and 10 more" {
		t.Errorf("%d lines, the last %q", n, lines[n-1])
	}
}
