package ir

import (
	"fmt"
	"slices"
	"strconv"
)

// Input adds an input to g. The name is made unique.
func (g *Graph) Input(name string, t Type) *Value {
	v := &Value{Name: g.unique(name), Type: t}
	g.Inputs = append(g.Inputs, v)
	return v
}

// Const adds a constant to g. The name is made unique.
func (g *Graph) Const(name string, t *Tensor) *Value {
	v := &Value{Name: g.unique(name), Type: t.TypeOf(), Data: t}
	v.Known = t.Known()
	g.Consts = append(g.Consts, v)
	return v
}

// Append adds a node as it stands, without inference: for decoders. Outputs
// that are nil stay nil (an omitted optional output); the others are given n
// as their definition. Names are made unique.
func (g *Graph) Append(n *Node) {
	in := n.In
	n.In = make([]*Value, len(in))
	for i, v := range in {
		n.SetInput(i, v)
	}
	for _, v := range n.Out {
		if v != nil {
			v.Def = n
			v.Name = g.unique(v.Name)
		}
	}
	g.insertBefore(&g.root, n)
}

// Remove takes n out of the graph. Nothing may still use its outputs.
func (g *Graph) Remove(n *Node) error {
	for _, v := range n.Out {
		if v != nil && (len(v.uses) > 0 || g.IsOutput(v)) {
			return fmt.Errorf("remove %v: value %s is still used", n, v)
		}
	}
	g.unlink(n)
	for _, v := range n.Out {
		if v != nil {
			g.free(v.Name)
		}
	}
	return nil
}

// unlink takes n out of the list of nodes, and it and the graphs in its
// attributes out of the uses of the values they read.
func (g *Graph) unlink(n *Node) {
	n.release()
	n.prev.next, n.next.prev = n.next, n.prev
	n.graph, n.prev, n.next = nil, nil, nil
	g.len--
}

func (n *Node) release() {
	for i := range n.In {
		n.SetInput(i, nil)
	}
	for sub := range n.Subgraphs() {
		for inner := range sub.Nodes() {
			inner.release()
		}
	}
}

// RemoveConst takes an unused constant out of the graph.
func (g *Graph) RemoveConst(v *Value) error {
	i := slices.Index(g.Consts, v)
	if i < 0 || len(v.uses) > 0 || g.IsOutput(v) {
		return fmt.Errorf("remove constant %s: it is still used or not here", v)
	}
	g.Consts = slices.Delete(g.Consts, i, i+1)
	g.free(v.Name)
	return nil
}

// SetInput makes n read v at position i; nil omits the input.
func (n *Node) SetInput(i int, v *Value) {
	if old := n.In[i]; old != nil {
		if k := slices.Index(old.uses, Use{n, i}); k >= 0 {
			old.uses = slices.Delete(old.uses, k, k+1)
		}
	}
	n.In[i] = v
	if v != nil {
		v.uses = append(v.uses, Use{n, i})
	}
}

// ReplaceUses makes every reader of old, and every graph output that is old,
// read new instead. It leaves names alone; see Replace.
func (g *Graph) ReplaceUses(old, new *Value) {
	if old == new {
		return
	}
	uses := old.uses // all of them at once: SetInput searches them for each
	old.uses = nil
	for _, u := range uses {
		u.Node.In[u.Index] = new
	}
	if new != nil {
		new.uses = append(new.uses, uses...)
	}
	for i, v := range g.Outputs {
		if v == old {
			g.Outputs[i] = new
		}
	}
}

// Replace makes new stand for old everywhere: its readers, its place among
// the outputs, and its name, so that what the file called old can still be
// found. The old value gets another name and is left without uses. If new is
// an input, a constant, a graph output or already stands for another tensor
// of the file, it keeps its own name and takes old's as an alias; a graph
// output then goes through an Identity so that its name survives.
func (g *Graph) Replace(old, new *Value, b *Builder) {
	output := g.IsOutput(old)
	fresh := new.Def != nil && !g.IsOutput(new) && new.Def.Origin != "" && len(new.Aliases) == 0
	if output && !fresh {
		new = b.Op("Identity", new)
		if b.err != nil {
			return
		}
		fresh = true
	}
	aliases := old.Aliases
	old.Aliases = nil
	if fresh {
		name := old.Name
		g.rename(old, name+"_old")
		g.rename(new, name)
	} else {
		aliases = append([]string{old.Name}, aliases...)
	}
	for _, a := range aliases {
		if !new.Named(a) {
			new.Aliases = append(new.Aliases, a)
		}
	}
	g.ReplaceUses(old, new)
}

// Rename gives v another name, made unique, and returns v.
func (g *Graph) Rename(v *Value, name string) *Value {
	g.rename(v, name)
	return v
}

func (g *Graph) rename(v *Value, name string) {
	if v.Name == name {
		return
	}
	g.free(v.Name)
	v.Name = g.unique(name)
}

// Reorder puts the nodes of g into the given order, which must hold each of
// them once.
func (g *Graph) Reorder(order []*Node) error {
	if len(order) != g.len {
		return fmt.Errorf("reorder: %d nodes given for %d", len(order), g.len)
	}
	seen := make(map[*Node]bool, len(order))
	for _, n := range order {
		if n.graph != g || seen[n] {
			return fmt.Errorf("reorder: %v is given twice or is not of this graph", n)
		}
		seen[n] = true
	}
	g.root.prev, g.root.next, g.len = &g.root, &g.root, 0
	for _, n := range order {
		g.insertBefore(&g.root, n)
	}
	return nil
}

func (g *Graph) insertBefore(mark, n *Node) {
	n.prev, n.next = mark.prev, mark
	mark.prev.next, mark.prev = n, n
	n.graph = g
	g.len++
}

// unique returns name, or name with the first free suffix, and takes it.
func (g *Graph) unique(name string) string {
	if name == "" {
		name = "v"
	}
	if !g.taken(name) {
		g.take(name)
		return name
	}
	for n := g.names[name]; ; n++ {
		s := name + "_" + strconv.Itoa(n)
		if !g.taken(s) {
			g.names[name] = n + 1
			g.take(s)
			return s
		}
	}
}

// Of a name that was freed, names holds the next suffix to try, negated: if it
// were forgotten, builders that make and remove many values would search all
// suffixes again for each.
func (g *Graph) taken(name string) bool { return g.names[name] > 0 }

func (g *Graph) take(name string) { g.names[name] = max(2, -g.names[name]) }

func (g *Graph) free(name string) { g.names[name] = -max(2, g.names[name]) }
