package passes

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// Schedule orders nodes so that values live shortly.
var Schedule = Pass{
	Name: "schedule",
	Doc: "order nodes to hold little memory\n\n" +
		"Relevance comes after the forward nodes, last layer first, which is the order that frees activations soonest. " +
		"A node is moved down to its first reader where that makes no input live longer.",
	After: []string{"legalize"},
	Run:   schedule,
}

// gap is the distance of neighbours: room for nodes that move between them.
const gap = 1 << 20

func schedule(c *Context, m *ir.Model) error {
	g := m.Graph
	order := slices.Collect(g.Nodes())
	at := make(map[*ir.Node]int, len(order))
	for i, n := range order {
		at[n] = i * gap
	}
	before := make(map[*ir.Node][]*ir.Node) // nodes that move to just before a node
	moved := 0
	for _, n := range slices.Backward(order) {
		reader := firstReader(g, n, at)
		if reader == nil || at[reader] <= at[n]+gap || !outlives(n, at[reader], at) {
			continue
		}
		before[reader] = append(before[reader], n)
		at[n] = at[reader] - 1
		moved++
	}
	if moved == 0 {
		return nil
	}
	out := make([]*ir.Node, 0, len(order))
	var place func(n *ir.Node)
	place = func(n *ir.Node) {
		for _, p := range slices.Backward(before[n]) { // earlier nodes were found later
			place(p)
		}
		out = append(out, n)
	}
	for i, n := range order {
		if at[n] == i*gap {
			place(n)
		}
	}
	if slices.Equal(out, order) {
		return nil
	}
	c.Did("sink", m.Graph.Name, "")
	return g.Reorder(out)
}

// firstReader returns the first node that reads an output of n; nil if an
// output is one of the graph's, or nobody reads it.
func firstReader(g *ir.Graph, n *ir.Node, at map[*ir.Node]int) *ir.Node {
	var first *ir.Node
	for _, v := range n.Out {
		if v == nil {
			continue
		}
		if g.IsOutput(v) {
			return nil
		}
		for _, u := range v.Uses() {
			if _, here := at[u.Node]; !here {
				return nil // read inside a subgraph
			}
			if first == nil || at[u.Node] < at[first] {
				first = u.Node
			}
		}
	}
	return first
}

// outlives reports whether every input of n is still needed at the given
// place, so that n may move there for free.
func outlives(n *ir.Node, place int, at map[*ir.Node]int) bool {
	for _, v := range n.In {
		if v == nil || v.Data != nil || v.Def == nil {
			continue
		}
		last := -1
		for _, u := range v.Uses() {
			if u.Node != n {
				last = max(last, at[u.Node])
			}
		}
		if last < place {
			return false
		}
	}
	return true
}
