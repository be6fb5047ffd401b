package ir

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Subgraphs yields the graphs that n's attributes hold, in order.
func (n *Node) Subgraphs() iter.Seq[*Graph] {
	return func(yield func(*Graph) bool) {
		for _, a := range n.Attrs {
			switch v := a.Value.(type) {
			case *Graph:
				if v != nil && !yield(v) {
					return
				}
			case []*Graph:
				for _, g := range v {
					if g != nil && !yield(g) {
						return
					}
				}
			}
		}
	}
}

// Sort puts the nodes of g, and of the graphs within it, after those whose
// values they read. Nodes that are in order already keep it. The error names
// the nodes of a cycle.
func (g *Graph) Sort() error {
	s := sorter{g: g, state: make(map[*Node]bool, g.len), order: make([]*Node, 0, g.len)}
	for n := range g.Nodes() {
		if err := s.visit(n); err != nil {
			return err
		}
		for sub := range n.Subgraphs() {
			if err := sub.Sort(); err != nil {
				return err
			}
		}
	}
	return g.Reorder(s.order)
}

type sorter struct {
	g     *Graph
	state map[*Node]bool // present: seen; true: in order
	path  []*Node
	order []*Node
}

func (s *sorter) visit(n *Node) error {
	if done, seen := s.state[n]; done {
		return nil
	} else if seen {
		return s.cycle(n)
	}
	s.state[n] = false
	s.path = append(s.path, n)
	if err := s.inputs(n); err != nil {
		return err
	}
	s.path = s.path[:len(s.path)-1]
	s.state[n] = true
	s.order = append(s.order, n)
	return nil
}

// inputs visits the nodes of g that n, or a graph within n, reads.
func (s *sorter) inputs(n *Node) error {
	for _, v := range n.In {
		if v == nil || v.Def == nil || v.Def.graph != s.g {
			continue
		}
		if err := s.visit(v.Def); err != nil {
			return err
		}
	}
	for sub := range n.Subgraphs() {
		for inner := range sub.Nodes() {
			if err := s.inputs(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sorter) cycle(n *Node) error {
	var names []string
	for _, m := range s.path[slices.Index(s.path, n):] {
		names = append(names, m.String())
	}
	return fmt.Errorf("nodes read each other in a cycle: %s", strings.Join(append(names, n.String()), " reads "))
}
