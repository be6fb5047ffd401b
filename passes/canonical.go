package passes

import (
	"github.com/lxtc/lxtc/ir"
)

// Canonical settles how things are said that can be said in several ways.
var Canonical = Pass{
	Name: "canonical",
	Doc: "one way to say each thing\n\n" +
		"Nodes that change nothing go: Identity, Dropout, a Cast to the type that is there, a Concat or Sum of one. Their names stay as aliases.",
	After: []string{"fold"},
	Run:   canonical,
}

func canonical(c *Context, m *ir.Model) error {
	g := m.Graph
	for n := range g.Nodes() {
		x, why := same(n)
		if x == nil {
			continue
		}
		y, from := n.Out[0], n.String()
		if g.IsOutput(y) && (x.Def == nil || g.IsOutput(x) || n.Op.Name == "Identity") {
			if n.Op.Name == "Identity" {
				continue // an output that repeats an input or another output
			}
			b := m.At(g, n)
			b.Origin = "canonical <- " + from
			g.Replace(y, b.Op("Identity", x), b)
			if err := b.Err(); err != nil {
				return err
			}
		} else {
			if t, err := ir.Refine(x.Type, y.Type); err == nil {
				x.Type = t
			}
			replaceKeepingNames(m, y, x)
		}
		c.Did(why, from, x.Name)
		if err := g.Remove(n); err != nil {
			return err
		}
	}
	return nil
}

// replaceKeepingNames makes x stand for y. An output y gives x its name; else
// y's names become aliases of x.
func replaceKeepingNames(m *ir.Model, y, x *ir.Value) {
	g := m.Graph
	if g.IsOutput(y) {
		name, old := y.Name, x.Name
		g.Rename(y, name+"_old")
		g.Rename(x, name)
		x.Aliases = append(append(x.Aliases, old), y.Aliases...)
		y.Aliases = nil
		g.ReplaceUses(y, x)
		return
	}
	moveAliases(y, x)
	g.ReplaceUses(y, x)
}

// same returns the operand that n hands on unchanged, and what n is; nil if it
// does something.
func same(n *ir.Node) (x *ir.Value, why string) {
	for _, v := range n.Out[min(1, len(n.Out)):] {
		if v != nil && (v.NumUses() > 0 || n.Graph().IsOutput(v)) {
			return nil, ""
		}
	}
	switch n.Op.String() {
	case "Identity":
		return n.In[0], "identity"
	case "Dropout":
		if len(n.In) > 2 && n.In[2] != nil { // training mode may be on
			if on, ok := n.In[2].Data.Item(); !ok || on != 0 {
				return nil, ""
			}
		}
		return n.In[0], "dropout"
	case "Cast":
		if n.In[0].Type.Elem == n.Out[0].Type.Elem && n.In[0].Type.Elem != ir.Undefined {
			return n.In[0], "no-op cast"
		}
	case "Concat", "Sum", "Mean", "Max", "Min":
		if len(n.In) == 1 {
			return n.In[0], "of one"
		}
	}
	return nil, ""
}
