package examples_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/backendtest"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// Simple is a backend: it runs nodes in order and keeps every value. Its
// kernels are borrowed from the reference backend.
type Simple struct{}

func (Simple) Name() string { return "simple" }

// Supports says which operators have a kernel. Legalize replaces others by
// their bodies.
func (Simple) Supports(n *ir.Node) error {
	for range n.Subgraphs() {
		return fmt.Errorf("%s runs a graph", n.Op)
	}
	return reference.New().Supports(n)
}

func (s Simple) Compile(m *ir.Model, opt backend.Options) (backend.Program, error) {
	for n := range m.Graph.Nodes() {
		if err := s.Supports(n); err != nil {
			return nil, fmt.Errorf("%v: %w", n, err)
		}
	}
	return simpleProgram{m.Graph, opt}, nil
}

type simpleProgram struct {
	g   *ir.Graph
	opt backend.Options
}

func (p simpleProgram) NewSession() (backend.Session, error) { return p, nil }
func (p simpleProgram) Close() error                         { return nil }

func (p simpleProgram) Stats() backend.Stats {
	s := backend.Stats{Nodes: p.g.Len(), Segments: 1}
	for _, v := range p.g.Consts {
		s.Weights += int64(len(v.Data.Raw))
	}
	return s
}

func (p simpleProgram) Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	at := map[*ir.Value]*ir.Tensor{nil: nil} // an omitted input is nil
	for _, v := range p.g.Inputs {
		t := in[v.Name]
		if t == nil {
			return nil, fmt.Errorf("input %q is missing", v.Name)
		}
		at[v] = t
	}
	for _, v := range p.g.Consts {
		at[v] = v.Data
	}
	done := 0
	for n := range p.g.Nodes() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.node(n, at); err != nil {
			return nil, fmt.Errorf("%v: %w", n, err)
		}
		if done++; p.opt.Progress != nil {
			p.opt.Progress(done, p.g.Len())
		}
	}
	out := map[string]*ir.Tensor{}
	for _, v := range p.g.Outputs {
		out[v.Name] = at[v]
	}
	return out, nil
}

// node runs one node.
func (p simpleProgram) node(n *ir.Node, at map[*ir.Value]*ir.Tensor) error {
	args := make([]*ir.Tensor, len(n.In))
	for i, v := range n.In {
		args[i] = at[v]
	}
	outs, err := reference.Eval(n, args)
	if err != nil {
		return err
	}
	outs = outs[:len(n.Out)] // a kernel may return trailing outputs that nobody wants
	if p.opt.WatchNaN && illness(outs) > illness(args) && !backend.Sought(n) {
		return errors.New("it makes a NaN or an infinity")
	}
	for i, v := range n.Out {
		if v != nil {
			at[v] = outs[i]
		}
	}
	if p.opt.Trace != nil {
		return p.opt.Trace(n, outs)
	}
	return nil
}

// illness is 2 if an element is NaN, 1 if one is infinite, and else 0.
func illness(ts []*ir.Tensor) int {
	worst := 0
	for _, t := range ts {
		if t == nil || !t.Elem.IsFloat() {
			continue
		}
		f, err := t.Float64s()
		if err != nil {
			continue
		}
		for _, x := range f {
			switch {
			case math.IsNaN(x):
				return 2
			case math.IsInf(x, 0):
				worst = 1
			}
		}
	}
	return worst
}

func TestSimple(t *testing.T) { backendtest.RunAll(t, Simple{}) }
