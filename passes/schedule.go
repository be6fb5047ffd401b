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
		"What relevance needs of an activation is computed with the activation where it is much smaller: a shape, or the statistics of a normalization. " +
		"Other nodes are moved down to their first reader where that makes no input live longer.",
	After: []string{"legalize"},
	Run:   schedule,
}

func schedule(c *Context, m *ir.Model) error {
	g := m.Graph
	before := slices.Collect(g.Nodes())
	if err := g.Reorder(hoist(before)); err != nil {
		return err
	}
	after := sink(g)
	if slices.Equal(before, after) {
		return g.Reorder(before)
	}
	c.Did("order", g.Name, "")
	return g.Reorder(after)
}

// sink moves nodes down to their first readers. It returns the new order.
func sink(g *ir.Graph) []*ir.Node {
	s := &sinking{g: g, place: map[*ir.Node]*place{}}
	s.end.prev, s.end.next = &s.end, &s.end
	for n := range g.Backward() { // all readers of n have their place
		reader := s.firstReader(n)
		if reader == nil || !s.free(n, reader) {
			reader = s.end.next
		}
		s.insert(n, reader)
	}
	var order []*ir.Node
	for p := s.end.next; p != &s.end; p = p.next {
		order = append(order, p.node)
	}
	return order
}

// sinking is the order of the nodes placed so far, the last first.
type sinking struct {
	g     *ir.Graph
	place map[*ir.Node]*place
	end   place // sentinel of the circular list
}

// A place is one node in the order. Places compare by their labels.
type place struct {
	node       *ir.Node
	label      int64
	prev, next *place
}

// gap is the distance of the labels of neighbours: room for nodes between
// them.
const gap = 1 << 20

// insert gives n the place just before next.
func (s *sinking) insert(n *ir.Node, next *place) {
	p := &place{node: n, prev: next.prev, next: next}
	next.prev.next, next.prev = p, p
	s.place[n] = p
	if p.prev == &s.end {
		p.label = next.label - gap
		return
	}
	p.label = p.prev.label + (next.label-p.prev.label)/2
	if p.label == p.prev.label { // no room left
		s.relabel()
	}
}

func (s *sinking) relabel() {
	label := int64(0)
	for p := s.end.next; p != &s.end; p = p.next {
		p.label = label
		label += gap
	}
}

// firstReader returns the place of the first node that reads an output of n;
// nil if an output is one of the graph's, or nobody reads it, or a subgraph
// does.
func (s *sinking) firstReader(n *ir.Node) *place {
	var first *place
	for _, v := range n.Out {
		if v == nil {
			continue
		}
		if s.g.IsOutput(v) {
			return nil
		}
		for _, u := range v.Uses() {
			p := s.place[u.Node]
			if p == nil {
				return nil
			}
			if first == nil || p.label < first.label {
				first = p
			}
		}
	}
	return first
}

// free reports whether every input of n is still needed at the given place, so
// that n may move there without keeping anything alive.
func (s *sinking) free(n *ir.Node, to *place) bool {
	for _, v := range n.In {
		if v == nil || v.Def == nil {
			continue
		}
		needed := slices.ContainsFunc(v.Uses(), func(u ir.Use) bool {
			p := s.place[u.Node]
			return p != nil && p.label >= to.label
		})
		if !needed {
			return false
		}
	}
	return true
}
