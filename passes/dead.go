package passes

import "github.com/lxtc/lxtc/ir"

// Dead removes what nobody needs.
var Dead = Pass{
	Name: "dead",
	Doc:  "remove nodes, constants and functions that nobody needs",
	Run:  dead,
}

func dead(c *Context, m *ir.Model) error {
	g := m.Graph
	for n := range g.Backward() {
		if unused(g, n) {
			c.Did("dead", n.String(), "")
			if err := g.Remove(n); err != nil {
				return err
			}
		}
	}
	keep := g.Consts[:0:0]
	for _, v := range g.Consts {
		if v.NumUses() > 0 || g.IsOutput(v) {
			keep = append(keep, v)
		}
	}
	if n := len(g.Consts) - len(keep); n > 0 {
		c.Did("dead", "constants", "")
		g.SetConsts(keep)
	}
	called := calledFuncs(m)
	funcs := m.Funcs[:0:0]
	for _, f := range m.Funcs {
		if called[f.Op] {
			funcs = append(funcs, f)
		} else {
			c.Did("dead", "function "+f.Op.String(), "")
		}
	}
	m.Funcs = funcs
	return nil
}

// calledFuncs returns the functions that the graph calls, directly or through
// others.
func calledFuncs(m *ir.Model) map[ir.OpName]bool {
	called := map[ir.OpName]bool{}
	var visit func(g *ir.Graph)
	visit = func(g *ir.Graph) {
		for n := range g.Nodes() {
			for sub := range n.Subgraphs() {
				visit(sub)
			}
			if f := m.Func(n.Op); f != nil && !called[n.Op] {
				called[n.Op] = true
				visit(f.Body)
			}
		}
	}
	visit(m.Graph)
	return called
}
