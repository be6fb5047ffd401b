package ir

// Captured returns the values of graphs around n that the graphs in its
// attributes read, or hand on as outputs, in the order of their first use. They
// are inputs of n in all but name.
func (n *Node) Captured() []*Value {
	c := capture{own: map[*Value]bool{}}
	for sub := range n.Subgraphs() {
		c.graph(sub)
	}
	return c.found
}

type capture struct {
	own   map[*Value]bool // defined inside, or found already
	found []*Value
}

func (c *capture) graph(g *Graph) {
	for v := range g.Values() {
		c.own[v] = true
	}
	for n := range g.Nodes() {
		c.read(n.In)
		for sub := range n.Subgraphs() {
			c.graph(sub)
		}
	}
	c.read(g.Outputs)
}

func (c *capture) read(vs []*Value) {
	for _, v := range vs {
		if v != nil && !c.own[v] {
			c.own[v] = true
			c.found = append(c.found, v)
		}
	}
}

// Splice adds copies of the nodes of g, a graph in an attribute, with args in
// place of its inputs, and returns what stands for its outputs. The types of the
// copies follow from those of args. Values of graphs around g stay what they are.
func (b *Builder) Splice(g *Graph, args ...*Value) []*Value {
	bad := func(format string, as ...any) []*Value {
		outs := make([]*Value, len(g.Outputs))
		for i := range outs {
			outs[i] = b.Fail(format, as...)
		}
		return outs
	}
	switch {
	case b.err != nil:
		return bad("%w", b.err)
	case len(args) != len(g.Inputs):
		return bad("graph %s has %d inputs, and is given %d", g.Name, len(g.Inputs), len(args))
	}
	c := &copier{vals: make(map[*Value]*Value, 2*g.len)}
	for i, v := range g.Inputs {
		c.vals[v] = args[i]
	}
	for _, v := range g.Consts {
		c.vals[v] = b.Constant(v.Data)
	}
	m := &Model{Ops: b.ops}
	for n := range g.Nodes() {
		inst := c.node(n)
		inst.Origin, inst.Scopes = b.Origin, b.Scopes
		for _, v := range inst.Out {
			if v != nil {
				v.Name, v.Aliases = b.Graph.unique(v.Name), nil
			}
		}
		b.Graph.insertBefore(b.mark, inst)
		if err := m.instantiated(inst); err != nil {
			return bad("%w", err)
		}
	}
	outs := make([]*Value, len(g.Outputs))
	for i, v := range g.Outputs {
		outs[i] = c.value(v)
	}
	return outs
}
