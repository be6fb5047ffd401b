package ir

import (
	"maps"
	"slices"
)

// Clone returns a deep copy of m. Operators and the bytes of tensors are
// shared, so the copy must not outlive m: closing the copy does nothing.
func (m *Model) Clone() *Model {
	c := *m
	c.Closer = nil
	c.Opsets = maps.Clone(m.Opsets)
	c.Metadata = slices.Clone(m.Metadata)
	if m.Graph != nil {
		c.Graph, _ = CloneGraph(m.Graph)
	}
	c.Funcs = make([]*Func, len(m.Funcs))
	for i, f := range m.Funcs {
		g := *f
		g.Attrs = slices.Clone(f.Attrs)
		g.Defaults = slices.Clone(f.Defaults)
		if f.Body != nil {
			g.Body, _ = CloneGraph(f.Body)
		}
		c.Funcs[i] = &g
	}
	return &c
}

// CloneGraph returns a deep copy of g that shares the bytes of tensors, and the
// copy of each of its values. Values of graphs around g stay what they are.
func CloneGraph(g *Graph) (*Graph, map[*Value]*Value) {
	c := &copier{vals: make(map[*Value]*Value, 2*g.len), nodes: make(map[*Node]*Node, g.len)}
	h := c.graph(g)
	c.orderUses()
	return h, c.vals
}

// CloneOver returns a copy of g, a graph in an attribute, in which others stand for
// values of the graphs around it. Where every captured value has one, nothing that g
// is part of is touched, so that several may copy it at once.
func CloneOver(g *Graph, others map[*Value]*Value) *Graph {
	c := &copier{vals: maps.Clone(others)}
	return c.graph(g)
}

// A copier copies nodes and graphs. Values that are not in vals are taken to be
// of a graph around what is copied, and kept.
type copier struct {
	vals  map[*Value]*Value
	nodes map[*Node]*Node // nil if not wanted
	ref   func(Ref) any   // what an attribute of a function stands for, nil for nothing; nil keeps them
}

func (c *copier) graph(g *Graph) *Graph {
	h := NewGraph(g.Name)
	h.names = maps.Clone(g.names)
	h.Inputs = c.values(g.Inputs, c.define)
	h.Consts = c.values(g.Consts, c.define)
	for n := range g.Nodes() {
		h.insertBefore(&h.root, c.node(n))
	}
	h.Outputs = c.values(g.Outputs, c.value)
	return h
}

// values maps a list, keeping nil entries and a nil list.
func (c *copier) values(vs []*Value, f func(*Value) *Value) []*Value {
	if vs == nil {
		return nil
	}
	out := make([]*Value, len(vs))
	for i, v := range vs {
		if v != nil {
			out[i] = f(v)
		}
	}
	return out
}

// value returns what stands for v in the copy.
func (c *copier) value(v *Value) *Value {
	if w, ok := c.vals[v]; ok {
		return w
	}
	return v
}

// define makes the copy of a value. One that stands in vals already is used.
func (c *copier) define(v *Value) *Value {
	if w := c.vals[v]; w != nil {
		return w
	}
	w := &Value{Name: v.Name, Type: v.Type, Data: v.Data, Default: v.Default, Known: v.Known, Aliases: slices.Clone(v.Aliases)}
	c.vals[v] = w
	return w
}

// node copies a node and defines its outputs. It is not in a graph yet.
func (c *copier) node(n *Node) *Node {
	m := &Node{Op: n.Op, Name: n.Name, Origin: n.Origin, Scopes: n.Scopes, Role: n.Role, Attrs: c.attrs(n.Attrs)}
	m.In = make([]*Value, len(n.In))
	for i, v := range n.In {
		if v != nil {
			m.SetInput(i, c.value(v))
		}
	}
	for k := len(m.In) - 1; k >= 0 && m.In[k] == nil && n.In[k] != nil; k-- { // an input of a function, omitted in a call
		m.In = m.In[:k]
	}
	m.Out = c.values(n.Out, c.define)
	for _, v := range m.Out {
		if v != nil {
			v.Def = m
		}
	}
	if c.nodes != nil {
		c.nodes[n] = m
	}
	return m
}

func (c *copier) attrs(as Attrs) Attrs {
	if as == nil {
		return nil
	}
	out := make(Attrs, 0, len(as))
	for _, a := range as {
		switch v := a.Value.(type) {
		case *Graph:
			if v != nil {
				a.Value = c.graph(v)
			}
		case []*Graph:
			gs := make([]*Graph, len(v))
			for i, g := range v {
				if g != nil {
					gs[i] = c.graph(g)
				}
			}
			a.Value = gs
		case Ref:
			if c.ref != nil {
				if a.Value = c.ref(v); a.Value == nil {
					continue
				}
			}
		}
		out = append(out, a)
	}
	return out
}

// orderUses puts the uses of the copied values into the order of the originals.
func (c *copier) orderUses() {
	for v, w := range c.vals {
		uses := make([]Use, 0, len(v.uses))
		for _, u := range v.uses {
			if n := c.nodes[u.Node]; n != nil {
				uses = append(uses, Use{n, u.Index})
			}
		}
		if len(uses) == len(w.uses) { // else the original is broken, which Verify will say
			w.uses = uses
		}
	}
}
