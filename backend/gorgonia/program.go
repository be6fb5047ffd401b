package gorgonia

import (
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
	_ "go4.org/unsafe/assume-no-moving-gc" // must know the running Go version, or Gorgonia's tensors panic at start
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// New returns the backend, on the CPU.
func New() backend.Backend { return engine{} }

// engine is the backend. A strict one is for tests: it overwrites free memory,
// and a run that leaves values behind fails. A plain one fuses nothing and unpacks all weights.
type engine struct{ strict, plain bool }

func (engine) Name() string { return "gorgonia" }

func (engine) Supports(n *ir.Node) error {
	if kernelFor(n) == nil {
		return fmt.Errorf("the gorgonia backend has no kernel for %s", n.Op)
	}
	return nil
}

// Compile plans the program. Segments are compiled by the sessions, because a
// machine belongs to one goroutine.
func (e engine) Compile(m *ir.Model, opt backend.Options) (backend.Program, error) {
	p := &program{m: m, opt: opt, strict: e.strict, number: map[*ir.Value]int{}}
	for n := range m.Graph.Nodes() {
		if err := e.Supports(n); err != nil {
			return nil, fmt.Errorf("%v: %w", n, err)
		}
		if err := e.nest(p, n); err != nil {
			return nil, fmt.Errorf("%v: %w", n, err)
		}
	}
	id := func(v *ir.Value) int {
		k, ok := p.number[v]
		if !ok {
			k = len(p.number)
			p.number[v] = k
		}
		return k
	}
	for v := range m.Graph.Values() {
		id(v)
		if v.Data != nil {
			p.weights += int64(len(v.Data.Raw))
		}
	}
	keys := map[string]bool{}
	p.uses = make([]int32, len(p.number))
	kept := newKeeping(m.Graph).kernels
	for _, nodes := range cut(m.Graph) {
		pl := planOf(e.stepsOf(nodes, kept, opt), id)
		p.plans = append(p.plans, pl)
		keys[pl.key] = true
		for _, st := range pl.steps { // not Value.NumUses: a step that reads a value ten times is one reader
			for _, v := range st.in {
				if v != nil {
					p.uses[p.number[v]]++
				}
			}
		}
	}
	p.segments = len(keys)
	for v, k := range p.number {
		if v.Data != nil {
			p.uses[k] = always
		}
	}
	for _, v := range m.Graph.Outputs {
		p.uses[p.number[v]]++
	}
	return p, nil
}

// always is the number of uses of a constant: more than any program counts down.
const always = 1 << 30

type program struct {
	m        *ir.Model
	opt      backend.Options
	strict   bool
	number   map[*ir.Value]int
	plans    []*plan
	uses     []int32
	weights  int64
	segments int
	nested   map[*ir.Graph]*nested // of the graphs in attributes
}

func (p *program) Stats() backend.Stats {
	return backend.Stats{Nodes: p.m.Graph.Len(), Segments: p.segments, Weights: p.weights}
}

func (p *program) NewSession() (backend.Session, error) {
	e, err := cpu.New(cpu.Options{Threads: p.opt.Threads})
	if err != nil {
		return nil, err
	}
	serial, err := cpu.New(cpu.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	s := &session{program: p, engine: e, serial: serial, vals: make([]*Value, len(p.number)), left: make([]int32, len(p.number))}
	s.memory = &memory{poison: p.strict, limit: p.opt.Memory}
	shared := map[string]*segment{}
	for _, pl := range p.plans {
		seg := shared[pl.key]
		if seg == nil {
			seg = s.compile(pl)
			shared[pl.key] = seg
		}
		s.segments = append(s.segments, seg)
	}
	for _, v := range p.m.Graph.Consts {
		s.vals[p.number[v]] = borrow(v.Data)
	}
	return s, nil
}

// session is one set of machines and values. It serves one goroutine.
type session struct {
	*program
	engine   *cpu.Engine
	serial   *cpu.Engine // for kernels that share out work themselves
	memory   *memory
	scratch  [][]float32 // of the threads that run fused nodes
	segments []*segment  // one for each plan; equal plans share
	current  *plan       // the plan that runs
	vals     []*Value    // by number
	left     []int32     // uses to come, by number
	ctx      context.Context
	done     int
	err      error // of the op that ended the run
	inner    map[*ir.Graph]*session
}

func (s *session) Stats() backend.Stats {
	st := s.program.Stats()
	st.Peak = s.memory.peak
	for _, m := range s.scratch {
		st.Peak += 4 * int64(len(m))
	}
	return st
}

// Close frees the workers and the machines.
func (s *session) Close() error {
	s.engine.Close()
	for _, inner := range s.inner {
		if err := inner.Close(); err != nil {
			return err
		}
	}
	closed := map[*segment]bool{}
	for _, seg := range s.segments {
		if !closed[seg] {
			closed[seg] = true
			if err := seg.vm.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *session) Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	defer s.engine.Park()
	out, err := s.compute(ctx, in)
	s.clear()
	if live := s.memory.live; err == nil && s.strict && live != 0 {
		return nil, fmt.Errorf("%d bytes are still live: a bug in the accounts", live)
	}
	return out, err
}

func (s *session) compute(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	s.ctx, s.done = ctx, 0
	copy(s.left, s.uses)
	ts, err := inputs(s.m.Graph, in)
	if err != nil {
		return nil, err
	}
	for i, v := range s.m.Graph.Inputs {
		s.vals[s.number[v]] = borrow(ts[i])
	}
	for i, p := range s.plans {
		if err := s.runPlan(p, s.segments[i]); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, err
		}
	}
	out := make(map[string]*ir.Tensor, len(s.m.Graph.Outputs))
	for _, v := range s.m.Graph.Outputs {
		val := s.vals[s.number[v]]
		if val == nil || val.buf == nil {
			return nil, fmt.Errorf("output %q was not computed", v.Name)
		}
		out[v.Name] = s.tensorOf(val)
	}
	return out, nil
}

func (s *session) runPlan(p *plan, seg *segment) error {
	for i, id := range p.args {
		v := s.vals[id]
		if v == nil || v.buf == nil {
			return fmt.Errorf("a value of %v was released too early: a bug in the accounts", p.steps[0].n)
		}
		v.typ = seg.args[i].Type()
		G.WithValue(v)(seg.args[i])
	}
	s.current, s.err = p, nil
	err := seg.vm.RunAll()
	seg.vm.Reset()
	if s.err != nil {
		return s.err
	}
	return err
}

// clear releases everything that a run has left, whether it ended well or not.
func (s *session) clear() {
	for id, v := range s.vals {
		if v == nil || s.uses[id] >= always {
			continue
		}
		if v.buf != nil && !v.buf.borrowed {
			s.drop(v)
		}
		s.vals[id] = nil
	}
}

// trace reports a step that has run. If there is a Trace, a step is one node.
func (s *session) trace(st step, outs []*Value) error {
	s.done += st.nodes
	if s.opt.Progress != nil {
		s.opt.Progress(s.done, s.program.m.Graph.Len())
	}
	if s.opt.Trace == nil {
		return nil
	}
	ts := make([]*ir.Tensor, len(outs))
	for i, v := range outs {
		if v != nil {
			ts[i] = s.tensorOf(v)
		}
	}
	return s.opt.Trace(st.n, ts)
}

func tensorShape(s []int) tensor.Shape { return slices.Clone(s) }
