package passes

import (
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// Stages cuts a model whose pipeline has run into several, so that what depends
// on the last of the named inputs alone can run again without the rest. Stage 0
// depends on none of the inputs, stage k on names[k-1] and on none after it.
// Each stage takes the inputs of the model that it reads and, under their
// names, tensors that earlier stages computed; its outputs are those of the
// model that it computes, and what later stages read. A stage may be empty.
func Stages(ctx context.Context, m *ir.Model, names []string) ([]*ir.Model, error) {
	for _, name := range names {
		if !slices.ContainsFunc(m.Graph.Inputs, func(v *ir.Value) bool { return v.Name == name }) {
			return nil, fmt.Errorf("the model has no input %q", name)
		}
	}
	if len(names) > 63 {
		return nil, fmt.Errorf("%d inputs make too many stages", len(names))
	}
	s := stagesOf(m.Graph, names)
	out := make([]*ir.Model, len(names)+1)
	for k := range out {
		var err error
		if out[k], err = s.cut(ctx, m, k); err != nil {
			return nil, fmt.Errorf("stage %d: %w", k, err)
		}
	}
	return out, nil
}

// stages says which stage computes a value, and which ones read it, a bit each.
type stages struct {
	of     map[*ir.Value]int
	readBy map[*ir.Value]uint64

	anew reach // weights as they are unpacked, moved or changed by a rule: every stage makes them for itself
}

func stagesOf(g *ir.Graph, names []string) stages {
	s := stages{map[*ir.Value]int{}, map[*ir.Value]uint64{}, reach{}}
	for _, v := range g.Inputs {
		s.of[v] = slices.Index(names, v.Name) + 1
	}
	for n := range g.Nodes() {
		reads, last := append(n.Captured(), n.In...), 0
		for _, v := range reads {
			last = max(last, s.of[v])
		}
		for _, v := range reads {
			s.readBy[v] |= 1 << last
		}
		for _, v := range n.Out {
			if v != nil {
				s.of[v], s.anew[v] = last, s.ofWeights(n)
			}
		}
	}
	return s
}

// ofWeights reports whether n makes another form of a weight, which products read
// without that it is there.
func (s stages) ofWeights(n *ir.Node) bool {
	switch n.Op.String() {
	case "Cast", "DequantizeLinear", "lxt.DequantizeBnb4", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity",
		"Relu", "Min", "Max", "Abs", "Mul":
	default:
		return false
	}
	return !slices.ContainsFunc(n.In, func(v *ir.Value) bool { return v != nil && v.Data == nil && !s.anew[v] })
}

// cut returns a copy of m that computes what stage k does.
func (s stages) cut(ctx context.Context, m *ir.Model, k int) (*ir.Model, error) {
	c := m.Clone()
	g := c.Graph
	twin := map[string]*ir.Value{}
	for v := range g.Values() {
		twin[v.Name] = v
	}
	outputs := []*ir.Value{}
	for _, v := range m.Graph.Inputs {
		if k == 0 && m.Graph.IsOutput(v) {
			outputs = append(outputs, twin[v.Name])
		}
	}
	for n := range m.Graph.Nodes() {
		for _, v := range n.Out {
			switch {
			case v == nil || s.anew[v] && !m.Graph.IsOutput(v):
			case s.of[v] < k && s.readBy[v]>>k&1 == 1:
				old := twin[v.Name]
				g.Rename(old, v.Name+":earlier")
				g.ReplaceUses(old, g.Input(v.Name, v.Type))
			case s.of[v] == k && (m.Graph.IsOutput(v) || s.readBy[v]>>(k+1) != 0):
				outputs = append(outputs, twin[v.Name])
			}
		}
	}
	g.Outputs = outputs
	if _, err := (Pipeline{Dead, Schedule}).Run(ctx, c, Options{}, Driver{}); err != nil {
		return nil, err
	}
	g.Inputs = slices.DeleteFunc(g.Inputs, func(v *ir.Value) bool { return v.NumUses() == 0 && !g.IsOutput(v) })
	return c, nil
}

// ByReach sorts inputs of a model so that Stages repeats little: first those
// that most nodes depend on.
func ByReach(m *ir.Model, names []string) []string {
	reach := map[string]int{}
	for _, name := range names {
		s := stagesOf(m.Graph, []string{name})
		for n := range m.Graph.Nodes() {
			reach[name] += s.of[n.Out[0]]
		}
	}
	return slices.SortedStableFunc(slices.Values(names), func(a, b string) int { return reach[b] - reach[a] })
}
