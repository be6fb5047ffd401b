package ir

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// randomModel returns a valid model of about n nodes with every kind of thing
// that a text can have: constants, omitted inputs and outputs, attributes,
// branches, calls of functions, names that need quotes.
func randomModel(r *rand.Rand, n int) *Model {
	m := &Model{Graph: NewGraph("random"), Opsets: map[string]int64{"": 24}, Ops: testOps}
	f := randomFunc(r)
	m.AddFunc(f, FuncOp(f, m.Ops))
	g := m.Graph
	vals := []*Value{
		g.Input("x", TypeOf(Float, 2, 3)),
		g.Input("/in/x", Type{Float, []Dim{Sym("B"), N(1)}}),
		g.Const("w.0", Of([]float32{r.Float32(), -r.Float32(), 3}, 3)),
		g.Const("scale", Of([]float32{r.Float32()})),
	}
	cond := g.Input("cond", TypeOf(Bool))
	randomNodes(r, m, g, vals, cond, n)
	for range 2 {
		last := g.root.prev
		for range r.IntN(3) {
			last = last.prev
		}
		if v := last.Out[0]; v != nil && !g.IsOutput(v) {
			g.Outputs = append(g.Outputs, v)
		}
	}
	return m
}

func randomFunc(r *rand.Rand) *Func {
	f := &Func{Op: OpName{"lxt", "Rule"}, Attrs: []string{"eps", "mode"}, Body: NewGraph("")}
	f.Defaults = Attrs{{"mode", "a \"mode\""}}
	x, y := f.Body.Input("x", Type{}), f.Body.Input("R:y", Type{})
	eps := &Node{Op: OpName{Name: "Constant"}, Attrs: Attrs{{"value_float", Ref{"eps", float32(0)}}}, Out: []*Value{{Name: "eps"}}}
	f.Body.Append(eps)
	vals := []*Value{x, y, eps.Out[0]}
	for range 1 + r.IntN(4) {
		n := &Node{
			Op: OpName{Name: []string{"Add", "Mul", "Div"}[r.IntN(3)]}, Out: []*Value{{Name: "t"}},
			In: []*Value{vals[r.IntN(len(vals))], vals[r.IntN(len(vals))]},
		}
		f.Body.Append(n)
		vals = append(vals, n.Out[0])
	}
	f.Body.Outputs = []*Value{vals[len(vals)-1]}
	return f
}

// randomNodes appends nodes to g that read vals and each other.
func randomNodes(r *rand.Rand, m *Model, g *Graph, vals []*Value, cond *Value, n int) {
	b := m.At(g, nil)
	pick := func() *Value { return vals[r.IntN(len(vals))] }
	for i := range n {
		v := pick()
		attrs := Attrs{{"axis", int64(-1)}}
		switch r.IntN(9) {
		case 0:
			w := pick()
			if _, err := broadcast(v.Type.Shape, w.Type.Shape); err != nil {
				w = v
			}
			v = b.Op([]string{"Add", "Sub", "Mul", "Div"}[r.IntN(4)], v, w)
		case 1:
			v = b.Op([]string{"Relu", "Neg", "Sigmoid", "Exp", "Identity"}[r.IntN(5)], v)
		case 2:
			if v.Type.Rank() > 0 { // ONNX has no softmax of a scalar
				v = b.OpA("Softmax", attrs, v)
			}
		case 3:
			v = b.Op("Clip", v, nil, b.Scalar(float64(r.Float32()), v))
		case 4:
			d := b.Node(OpName{Name: "Dropout"}, nil, v)
			if r.IntN(2) == 0 {
				d.Out = d.Out[:1]
			}
			v = d.Out[0]
		case 5:
			if v.Type.Rank() > 0 {
				v = b.OpA("Concat", Attrs{{"axis", int64(0)}}, v, v)
				v.Type = Type{Float, append([]Dim{Sym("n")}, v.Type.Shape[1:]...)}
			}
		case 6:
			w := pick()
			if _, err := broadcast(v.Type.Shape, w.Type.Shape); err != nil {
				w = v
			}
			v = b.Node(OpName{"lxt", "Rule"}, Attrs{{"eps", r.Float32()}}, v, w).Out[0]
		case 7:
			if n > 5 {
				v = randomIf(r, m, b, vals, cond)
			}
		case 8:
			v = b.OpA("Constant", Attrs{{"value", Of([]float32{r.Float32(), r.Float32(), 0}, 3)}})
		}
		if b.Err() != nil {
			panic(b.Err())
		}
		if v.Def == nil || v.Def.graph != g {
			continue
		}
		if r.IntN(4) == 0 {
			v.Def.Name = fmt.Sprintf("/layer.%d/%s", i, v.Def.Op.Name)
		}
		if r.IntN(4) == 0 {
			g.Rename(v, fmt.Sprintf("v/%d", r.IntN(5)))
		}
		vals = append(vals, v)
	}
}

func randomIf(r *rand.Rand, m *Model, b *Builder, vals []*Value, cond *Value) *Value {
	var branches [2]*Graph
	v := vals[r.IntN(len(vals))]
	for i := range branches {
		g := NewGraph("branch")
		w := g.Const("t", Of([]float32{float32(i)}))
		randomNodes(r, m, g, append([]*Value{w}, vals...), cond, r.IntN(4))
		g.Outputs = []*Value{m.At(g, nil).Op("Identity", v)}
		branches[i] = g
	}
	return b.OpA("If", Attrs{{"then_branch", branches[0]}, {"else_branch", branches[1]}}, cond)
}

func TestRandomModels(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			m := randomModel(r, 5+r.IntN(40))
			roundTrip(t, m)

			c := m.Clone()
			if err := Verify(c); err != nil {
				t.Errorf("the clone is broken: %v", err)
			}
			if Hash(m) != Hash(c) {
				t.Error("the clone has another hash")
			}
			if d := cmp.Diff(m.Text(), c.Text()); d != "" {
				t.Errorf("the clone has another text:\n%s", d)
			}

			shuffled := shuffle(r, c.Graph)
			if err := c.Graph.Sort(); err != nil {
				t.Fatal(err)
			}
			if err := Verify(c); err != nil {
				t.Errorf("sorting a shuffled graph breaks it (shuffled: %t): %v", shuffled, err)
			}

			inlineAll(t, m)
			if err := Verify(m); err != nil {
				t.Errorf("inlining breaks the model: %v", err)
			}
			roundTrip(t, m)
		})
	}
}

// shuffle puts the nodes of g into a random order.
func shuffle(r *rand.Rand, g *Graph) bool {
	var order []*Node
	for n := range g.Nodes() {
		order = append(order, n)
	}
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return g.Reorder(order) == nil
}

// inlineAll inlines every call of a function.
func inlineAll(t testing.TB, m *Model) {
	t.Helper()
	var visit func(g *Graph)
	visit = func(g *Graph) {
		for n := range g.Nodes() {
			for sub := range n.Subgraphs() {
				visit(sub)
			}
			if m.Func(n.Op) == nil {
				continue
			}
			if err := Inline(m, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	visit(m.Graph)
}
