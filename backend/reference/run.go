package reference

import (
	"context"
	"fmt"
	"math"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
)

// run is one run of a model.
type run struct {
	ctx         context.Context
	m           *ir.Model
	opt         backend.Options
	double      bool // numbers as they were meant: see double.go
	done, total int
}

// env holds the values of one graph while it runs. Values of the graphs around
// it are found through outer.
type env struct {
	run   *run
	vals  map[*ir.Value]*Array
	outer *env
}

func (e *env) get(v *ir.Value) (*Array, error) {
	for s := e; s != nil; s = s.outer {
		if a := s.vals[v]; a != nil {
			return a, nil
		}
	}
	if v.Data != nil {
		a, err := e.run.tensor(v.Data)
		if err == nil {
			e.vals[v] = a
		}
		return a, err
	}
	return nil, fmt.Errorf("value %s has not been computed", v)
}

// graph runs g on args and returns its outputs. A value is dropped after its
// last use.
func (r *run) graph(g *ir.Graph, args []*Array, outer *env) ([]*Array, error) {
	e := &env{run: r, vals: map[*ir.Value]*Array{}, outer: outer}
	left := map[*ir.Value]int{}
	for i, v := range g.Inputs {
		e.vals[v] = args[i]
	}
	for v := range g.Values() {
		left[v] = v.NumUses()
	}
	for _, v := range g.Outputs {
		left[v]++
	}
	if err := r.ctx.Err(); err != nil { // a loop whose body has no nodes stops as well
		return nil, err
	}
	for n := range g.Nodes() {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.node(n, e); err != nil {
			return nil, fmt.Errorf("%v: %w", n, err)
		}
		for _, v := range n.In {
			if v == nil {
				continue
			}
			if left[v]--; left[v] == 0 {
				delete(e.vals, v)
			}
		}
	}
	outs := make([]*Array, len(g.Outputs))
	for i, v := range g.Outputs {
		a, err := e.get(v)
		if err != nil {
			return nil, err
		}
		outs[i] = a
	}
	return outs, nil
}

func (r *run) node(n *ir.Node, e *env) error {
	in := make([]*Array, len(n.In))
	for i, v := range n.In {
		if v == nil {
			continue
		}
		a, err := e.get(v)
		if err != nil {
			return err
		}
		in[i] = a
	}
	outs, err := r.apply(n, in, e)
	if err != nil {
		return err
	}
	if len(outs) < len(n.Out) {
		return fmt.Errorf("%d outputs computed, want %d", len(outs), len(n.Out))
	}
	for i, v := range n.Out {
		if v != nil {
			e.vals[v] = outs[i]
		}
	}
	if r.opt.WatchNaN && illness(outs) > illness(in) && !backend.Sought(n) {
		return fmt.Errorf("an output holds a NaN or an infinity that no input holds")
	}
	if r.done++; r.opt.Progress != nil {
		r.opt.Progress(r.done, r.total)
	}
	return r.trace(n, outs)
}

// apply runs the operator's kernel, or the body of the function or operator.
func (r *run) apply(n *ir.Node, in []*Array, e *env) ([]*Array, error) {
	if f := control[n.Op.String()]; f != nil {
		return call(func(n *ir.Node, in []*Array) ([]*Array, error) {
			return f(n, in, func(g *ir.Graph, args []*Array) ([]*Array, error) { return r.graph(g, args, e) })
		}, n, in)
	}
	if k := r.kernel(n.Op); k != nil {
		return call(k, n, in)
	}
	f := r.m.Func(n.Op)
	if f == nil {
		return r.body(n, in, e)
	}
	body, err := ir.Instantiate(r.m, f, n)
	if err != nil {
		return nil, err
	}
	args := make([]*Array, len(body.Inputs))
	copy(args, in)
	return r.graph(body, args, nil)
}

func (r *run) trace(n *ir.Node, outs []*Array) error {
	if r.opt.Trace == nil {
		return nil
	}
	ts := make([]*ir.Tensor, len(n.Out))
	for i := range n.Out {
		if outs[i] == nil {
			continue
		}
		t, err := outs[i].Double()
		if err != nil {
			return err
		}
		ts[i] = t
	}
	return r.opt.Trace(n, ts)
}

// illness is 2 if an element is NaN, 1 if one is infinite, and else 0.
func illness(as []*Array) int {
	worst := 0
	for _, a := range as {
		if a == nil {
			continue
		}
		for _, x := range a.F {
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
