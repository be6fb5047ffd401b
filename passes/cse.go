package passes

import (
	"fmt"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// CSE makes one of nodes that compute the same.
var CSE = Pass{
	Name: "cse",
	Doc:  "compute once what is computed twice",
	Run:  cse,
}

// mergeConst is the largest constant, in bytes, that is compared with others.
// Larger ones are the same if their bytes are at the same place.
const mergeConst = 4096

// repeatable reports whether n, computed twice, is the same twice.
func repeatable(n *ir.Node) bool {
	random := unfoldable[n.Op.Name] && !strings.HasPrefix(n.Op.Name, "Dequantize")
	return !random && !hasGraph(n)
}

func cse(c *Context, m *ir.Model) error {
	g := m.Graph
	mergeConsts(c, m)
	id := map[*ir.Value]int{}
	number := func(v *ir.Value) int {
		if v == nil {
			return -1
		}
		if _, ok := id[v]; !ok {
			id[v] = len(id)
		}
		return id[v]
	}
	first := map[string]*ir.Node{}
	for n := range g.Nodes() {
		if !repeatable(n) {
			continue
		}
		var key strings.Builder
		fmt.Fprintf(&key, "%s %d", n.Op, len(n.Out))
		for _, v := range n.In {
			fmt.Fprintf(&key, " %d", number(v))
		}
		writeAttrs(&key, n.Attrs)
		prev := first[key.String()]
		if prev == nil {
			first[key.String()] = n
			continue
		}
		if !mergeable(g, prev, n) {
			continue
		}
		for i, v := range n.Out {
			if v != nil {
				moveAliases(v, prev.Out[i])
				g.ReplaceUses(v, prev.Out[i])
			}
		}
		c.Did("same", n.String(), prev.String())
		if err := g.Remove(n); err != nil {
			return err
		}
	}
	return nil
}

// mergeable reports whether the second node can be replaced by the first: an
// output of the graph keeps a node of its own, and omitted outputs must match.
func mergeable(g *ir.Graph, first, second *ir.Node) bool {
	for i, v := range second.Out {
		if v == nil {
			continue
		}
		if first.Out[i] == nil || g.IsOutput(v) {
			return false
		}
	}
	return true
}

// moveAliases lets the names of old find new.
func moveAliases(old, new *ir.Value) {
	for _, name := range append([]string{old.Name}, old.Aliases...) {
		if !new.Named(name) {
			new.Aliases = append(new.Aliases, name)
		}
	}
	old.Aliases = nil
}

func mergeConsts(c *Context, m *ir.Model) {
	g := m.Graph
	first := map[string]*ir.Value{}
	for _, v := range g.Consts {
		t := v.Data
		if t.Elem == ir.String || v.NumUses() == 0 || g.IsOutput(v) {
			continue
		}
		var key string
		if len(t.Raw) > mergeConst {
			key = fmt.Sprintf("%d %v @%p @%p", t.Elem, t.Shape, &t.Raw[0], t.Exact)
		} else {
			key = fmt.Sprintf("%d %v %x %v", t.Elem, t.Shape, t.Raw, t.Exact)
		}
		prev := first[key]
		if prev == nil {
			first[key] = v
			continue
		}
		moveAliases(v, prev)
		g.ReplaceUses(v, prev)
		c.Did("same", v.Name, prev.Name)
	}
}

func writeAttrs(sb *strings.Builder, as ir.Attrs) {
	for _, a := range as {
		switch v := a.Value.(type) {
		case *ir.Tensor:
			fmt.Fprintf(sb, " %s=%d%v", a.Name, v.Elem, v.Shape)
			if len(v.Raw) <= mergeConst {
				fmt.Fprintf(sb, ":%x%q%v", v.Raw, v.Strs, v.Exact)
			} else {
				fmt.Fprintf(sb, "@%p@%p", &v.Raw[0], v.Exact)
			}
		default:
			fmt.Fprintf(sb, " %s=%#v", a.Name, v)
		}
	}
}
