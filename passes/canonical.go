package passes

import (
	"github.com/lxtc/lxtc/ir"
)

// Canonical settles how things are said that can be said in several ways.
var Canonical = Pass{
	Name: "canonical",
	Doc: "one way to say each thing\n\n" +
		"Nodes that change nothing go: Identity, Dropout, a Cast to the type that is there, a Concat or Sum of one, two Transposes of which one undoes the other. Their names stay as aliases. " +
		"A CastLike is a Cast: it does not depend on the tensor that it takes the type of.",
	After: []string{"fold"},
	Run:   canonical,
}

func canonical(c *Context, m *ir.Model) error {
	g := m.Graph
	for n := range g.Nodes() {
		if to := likeType(n); to != ir.Undefined && to != n.In[0].Type.Elem {
			c.Did("type known", n.String(), to.String())
			if err := castTo(m, n, to); err != nil {
				return err
			}
			if err := g.Remove(n); err != nil {
				return err
			}
			continue
		}
		x, why := same(n)
		if x == nil {
			continue
		}
		first := n.In[0].Def // of two Transposes
		if why == transposedBack && c.Kept(m, first.Out[0]) {
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
		if why == transposedBack && first.Out[0].NumUses() == 0 {
			if err := g.Remove(first); err != nil {
				return err
			}
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
	case "Cast", "CastLike":
		if n.In[0].Type.Elem == n.Out[0].Type.Elem && n.In[0].Type.Elem != ir.Undefined {
			return n.In[0], "no-op cast"
		}
	case "Concat", "Sum", "Mean", "Max", "Min":
		if len(n.In) == 1 {
			return n.In[0], "of one"
		}
	case "Transpose":
		if d := n.In[0].Def; d != nil && d.Op == n.Op && undoes(n, d) {
			return d.In[0], transposedBack
		}
	}
	return nil, ""
}

const transposedBack = "transposed back"

// likeType is the element type that a CastLike gives, Undefined if n is none or
// it is not known.
func likeType(n *ir.Node) ir.DType {
	if n.Op != (ir.OpName{Name: "CastLike"}) {
		return ir.Undefined
	}
	return n.In[1].Type.Elem
}

// castTo puts a Cast in the place of n.
func castTo(m *ir.Model, n *ir.Node, to ir.DType) error {
	b := m.At(m.Graph, n)
	b.Origin = "canonical <- " + n.String()
	m.Graph.Replace(n.Out[0], b.OpA("Cast", n.Attrs.With("to", int64(to)), n.In[0]), b)
	return b.Err()
}

// undoes reports whether the Transpose n undoes the Transpose first, as it does
// between two operators that want their channels elsewhere than the rest of the
// model has them.
func undoes(n, first *ir.Node) bool {
	p, q := n.Attrs.Ints("perm"), first.Attrs.Ints("perm")
	if len(p) == 0 || len(p) != len(q) {
		return len(p) == len(q) // both reverse all axes
	}
	for i, j := range p {
		if j < 0 || int(j) >= len(q) || q[j] != int64(i) {
			return false
		}
	}
	return true
}
