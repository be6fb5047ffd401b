package attribution

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// cut returns a copy of a model that takes the named tensor as an input, and
// that input. What computed the tensor stays in the graph, for a pass to drop.
func cut(m *ir.Model, name string) (*ir.Model, *ir.Value, error) {
	c := m.Clone()
	v := c.Graph.Find(name)
	switch {
	case v == nil:
		return nil, nil, fmt.Errorf("the model has no tensor %q", name)
	case v.IsConst():
		return nil, nil, fmt.Errorf("tensor %q is a constant", name)
	case v.Def == nil:
		return c, v, nil
	}
	name = v.Name // it may have been an alias
	c.Graph.Rename(v, name+":computed")
	in := c.Graph.Input(name, v.Type)
	c.Graph.ReplaceUses(v, in)
	return c, in, nil
}

// below returns a copy of a model that computes the named tensor only.
func below(m *ir.Model, name string) *ir.Model {
	c := m.Clone()
	c.Graph.Outputs = []*ir.Value{c.Graph.Find(name)}
	return c
}
