package ops_test

import (
	"slices"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestFusedVJP compares the derivative of a fused operator, that of the nodes of
// its body, with central differences of its kernel: relevance goes the way that
// the derivative goes.
func TestFusedVJP(t *testing.T) {
	for _, c := range readCases(t) {
		m, n := c.model(t, ir.Double)
		if !ops.Standard().Lookup(n.Op).Fused {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			in := c.inputs(t, m)
			seeds := c.seeds(t, run(t, m, in), m)
			want := differences(t, m, in, seeds)
			m, n := c.model(t, ir.Double)
			reads := slices.Clone(n.In)
			inlineFused(t, m)
			args := map[string]*ir.Tensor{}
			for name, x := range in {
				args[name] = x
			}
			grads := backward(t, m, func(dy, out *ir.Value) { args[dy.Name] = seeds[out.Name] })
			for _, v := range m.Graph.Inputs {
				w, ok := want[v.Name]
				if !ok {
					continue
				}
				g := grads[v]
				if g == nil {
					for _, d := range w { // nothing arrives: right if nothing depends on it
						if d != 0 {
							t.Errorf("nothing flows to %s, which is number %d of the inputs", v, slices.Index(reads, v))
							break
						}
					}
					continue
				}
				m.Graph.Outputs = []*ir.Value{g}
				compare(t, "derivative of "+v.Name, floats(t, run(t, m, args)[g.Name]), w, 2e-8)
			}
		})
	}
}

// inlineFused takes fused operators apart until none is left.
func inlineFused(t *testing.T, m *ir.Model) {
	t.Helper()
	for again := true; again; {
		again = false
		for n := range m.Graph.Nodes() {
			if !ops.Standard().Lookup(n.Op).Fused {
				continue
			}
			if err := ir.Inline(m, n); err != nil {
				t.Fatal(err)
			}
			again = true
		}
	}
}

// backward adds the derivative of all that m computes, from what arrives at its
// floating point outputs, and returns it by value.
func backward(t *testing.T, m *ir.Model, seed func(dy, out *ir.Value)) map[*ir.Value]*ir.Value {
	t.Helper()
	arrives := map[*ir.Value]*ir.Value{}
	b := m.At(m.Graph, nil)
	add := func(v, dy *ir.Value) {
		if old := arrives[v]; old != nil {
			dy = b.Add(old, dy)
		}
		arrives[v] = dy
	}
	nodes := slices.Collect(m.Graph.Backward())
	for _, v := range m.Graph.Outputs {
		if v.Type.Elem.IsFloat() {
			dy := m.Graph.Input("d"+v.Name, v.Type)
			seed(dy, v)
			add(v, dy)
		}
	}
	for _, n := range nodes {
		dy, some := make([]*ir.Value, len(n.Out)), false
		for i, v := range n.Out {
			if v != nil {
				dy[i] = arrives[v]
				some = some || dy[i] != nil
			}
		}
		op := ops.Standard().Lookup(n.Op)
		if !some || op.VJP == nil {
			continue
		}
		want := make([]bool, len(n.In))
		for i, v := range n.In {
			want[i] = v != nil && v.Type.Elem.IsFloat() && v.Data == nil
		}
		for i, g := range op.VJP(b, n, dy, want) {
			if g != nil {
				add(n.In[i], g)
			}
		}
		if b.Err() != nil {
			t.Fatalf("%v: %v", n, b.Err())
		}
	}
	for v, dy := range arrives {
		arrives[v] = b.Op("Identity", dy)
	}
	return arrives
}
