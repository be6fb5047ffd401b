package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// hasGraph reports whether n runs graphs.
func hasGraph(n *ir.Node) bool {
	for range n.Subgraphs() {
		return true
	}
	return false
}

// operands are what n reads: its inputs, nil where omitted, and the values that
// the graphs in its attributes read from around it.
func operands(n *ir.Node) []*ir.Value {
	captured := n.Captured()
	if len(captured) == 0 {
		return n.In
	}
	return append(append([]*ir.Value{}, n.In...), captured...)
}

// A nested program is one graph of an attribute. What it reads from around it
// are inputs, after its own.
type nested struct {
	program  *program
	captured []*ir.Value // of the node, in the order of its operands
}

// nest compiles the graphs in the attributes of n.
func (e engine) nest(p *program, n *ir.Node) error {
	for g := range n.Subgraphs() {
		c, err := e.Compile(closed(p.m, n, g), backend.Options{Threads: p.opt.Threads, WatchNaN: p.opt.WatchNaN})
		if err != nil {
			return err
		}
		if p.nested == nil {
			p.nested = map[*ir.Graph]*nested{}
		}
		p.nested[g] = &nested{c.(*program), n.Captured()}
	}
	return nil
}

// closed returns a model of a graph in an attribute of n, with what n captures
// as inputs. Of shapes it claims nothing: a loop may change them. It does not touch
// the model, which others may be compiling.
func closed(m *ir.Model, n *ir.Node, g *ir.Graph) *ir.Model {
	captured := n.Captured()
	inputs := map[*ir.Value]*ir.Value{}
	for _, v := range captured {
		inputs[v] = &ir.Value{Name: v.Name, Type: ir.Type{Elem: v.Type.Elem}}
	}
	h := ir.CloneOver(g, inputs)
	for _, v := range h.Inputs {
		v.Type.Shape = nil
	}
	for _, v := range captured {
		in := inputs[v]
		for h.Find(in.Name) != nil { // of another graph around n
			in.Name += "'"
		}
		h.Inputs = append(h.Inputs, in)
	}
	return &ir.Model{Graph: h, Funcs: m.Funcs, Opsets: m.Opsets, Ops: m.Ops}
}

// control runs an If, a Loop or a Scan: the graphs by sessions of their own, what
// is between them by the reference interpreter.
func control(c *call) ([]*Value, error) {
	in := make([]*ir.Tensor, len(c.in))
	for i, v := range c.in {
		if v != nil {
			in[i] = c.tensorOf(v)
		}
	}
	own, captured := in[:len(c.n.In)], in[len(c.n.In):]
	outs, err := reference.Control(c.n, own, func(g *ir.Graph, args []*ir.Tensor) ([]*ir.Tensor, error) {
		return c.runNested(g, append(args[:len(args):len(args)], captured...))
	})
	if err != nil {
		return nil, err
	}
	return c.keep(outs), nil
}

// runNested runs a graph on arguments for its inputs.
func (c *call) runNested(g *ir.Graph, args []*ir.Tensor) ([]*ir.Tensor, error) {
	inner, err := c.session.nestedSession(g)
	if err != nil {
		return nil, err
	}
	h := inner.m.Graph
	if len(args) != len(h.Inputs) {
		return nil, fmt.Errorf("graph %s takes %d values, and is given %d", g.Name, len(h.Inputs), len(args))
	}
	in := map[string]*ir.Tensor{}
	for i, v := range h.Inputs {
		in[v.Name] = args[i]
	}
	if limit := c.memory.limit; limit > 0 {
		inner.memory.limit = max(limit-c.memory.live, 1)
	}
	got, err := inner.Run(c.ctx, in)
	if err != nil {
		return nil, err
	}
	outs := make([]*ir.Tensor, len(h.Outputs))
	for i, v := range h.Outputs {
		outs[i] = got[v.Name]
	}
	return outs, nil
}

// nestedSession returns the session of a graph, made at its first run.
func (s *session) nestedSession(g *ir.Graph) (*session, error) {
	if inner := s.inner[g]; inner != nil {
		return inner, nil
	}
	p := s.program.nested[g]
	if p == nil {
		return nil, fmt.Errorf("graph %s was not compiled", g.Name)
	}
	made, err := p.program.NewSession()
	if err != nil {
		return nil, err
	}
	inner := made.(*session)
	if s.inner == nil {
		s.inner = map[*ir.Graph]*session{}
	}
	s.inner[g] = inner
	return inner, nil
}
