// Package reference runs models node by node in float64: slow, obvious, and
// the oracle for every other backend. Constant folding uses it as well.
package reference

import (
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// New returns the backend. Its outputs are rounded to the types that the model
// declares.
func New() backend.Backend { return interpreter{} }

// NewDouble returns a backend whose floating point outputs are float64, and which
// takes the numbers of formulas and attributes as they were meant: see double.go.
func NewDouble() backend.Backend { return interpreter{double: true} }

type interpreter struct{ double bool }

func (interpreter) Name() string { return "reference" }

func (b interpreter) Supports(n *ir.Node) error {
	if control[n.Op.String()] != nil {
		return nil // bodies and functions inside are run as such
	}
	if kernelOf(n.Op) == nil {
		return fmt.Errorf("the reference backend has no kernel for %s", n.Op)
	}
	return nil
}

func (b interpreter) Compile(m *ir.Model, opt backend.Options) (backend.Program, error) {
	if err := b.check(m, m.Graph); err != nil {
		return nil, err
	}
	return &program{m: m, opt: opt, double: b.double}, nil
}

// check reports a node of g, or of a graph within it, that cannot be run.
func (b interpreter) check(m *ir.Model, g *ir.Graph) error {
	for n := range g.Nodes() {
		if err := b.Supports(n); err != nil && m.Func(n.Op) == nil && !hasBody(m, n) {
			return fmt.Errorf("%v: %w", n, err)
		}
		for sub := range n.Subgraphs() {
			if err := b.check(m, sub); err != nil {
				return err
			}
		}
	}
	return nil
}

// A kernel computes the outputs of a node. An omitted input is nil. It must
// not write to its inputs; outputs may share their storage.
type kernel func(n *ir.Node, in []*Array) ([]*Array, error)

// kernelOf returns the kernel of an operator, or nil.
func kernelOf(op ir.OpName) kernel {
	for _, family := range families {
		if k := family[op.String()]; k != nil {
			return k
		}
	}
	if slices.Contains(writtenOut, op.String()) {
		return byBody
	}
	return nil
}

// Eval computes one node from constant inputs: what constant folding needs.
func Eval(n *ir.Node, in []*ir.Tensor) ([]*ir.Tensor, error) {
	if n.Op.String() == "Constant" {
		t, err := ops.ConstantOf(n.Attrs)
		return []*ir.Tensor{t}, err
	}
	outs, err := new(run).once(n, in)
	if err != nil {
		return nil, err
	}
	return toTensors(outs)
}

// EvalFor returns Eval for the constants of a model that b will run. For NewDouble
// results remember what rounding to the declared types takes from them, so that
// passes see the same constants as for any other backend.
func EvalFor(b backend.Backend) func(n *ir.Node, in []*ir.Tensor) ([]*ir.Tensor, error) {
	if own, ok := b.(interpreter); !ok || !own.double {
		return Eval
	}
	return func(n *ir.Node, in []*ir.Tensor) ([]*ir.Tensor, error) {
		if n.Op.String() == "Constant" {
			return Eval(n, in) // it remembers what it rounds
		}
		outs, err := (&run{double: true}).once(n, in)
		if err != nil {
			return nil, err
		}
		ts, err := toTensors(outs)
		if err != nil {
			return nil, err
		}
		for i, t := range ts {
			if !holds(outs[i], t) {
				t.Exact = outs[i].F
			}
		}
		return ts, nil
	}
}

// once computes one node.
func (r *run) once(n *ir.Node, in []*ir.Tensor) ([]*Array, error) {
	k := r.kernel(n.Op)
	if k == nil {
		return nil, fmt.Errorf("no kernel for %s", n.Op)
	}
	args, err := r.tensors(in)
	if err != nil {
		return nil, err
	}
	return call(k, n, args)
}

// call runs a kernel and turns a panic over a malformed node (an index out of
// range, say) into an error: models come from outside, and a model that lies
// about its shapes must not end the process.
func call(k kernel, n *ir.Node, in []*Array) (out []*Array, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("inputs do not fit the operator: %v", r)
		}
	}()
	return k(n, in)
}

type program struct {
	m      *ir.Model
	opt    backend.Options
	double bool
}

func (p *program) Stats() backend.Stats {
	s := backend.Stats{Nodes: p.m.Graph.Len(), Segments: 1}
	for _, c := range p.m.Graph.Consts {
		s.Weights += int64(len(c.Data.Raw))
	}
	return s
}

func (p *program) NewSession() (backend.Session, error) { return &session{program: p}, nil }

type session struct{ *program }

func (s *session) Close() error { return nil }

func (s *session) Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	g := s.m.Graph
	r := &run{ctx: ctx, m: s.m, opt: s.opt, double: s.double, total: g.Len()}
	args := make([]*Array, len(g.Inputs))
	for i, v := range g.Inputs {
		t := in[v.Name]
		read := FromTensor
		if t == nil {
			t, read = v.Default, r.tensor
		}
		if t == nil {
			return nil, fmt.Errorf("input %q is missing", v.Name)
		}
		a, err := read(t)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", v.Name, err)
		}
		args[i] = a
	}
	outs, err := r.graph(g, args, nil)
	if err != nil {
		return nil, err
	}
	res := make(map[string]*ir.Tensor, len(outs))
	for i, v := range g.Outputs {
		t, err := outs[i].Tensor()
		if s.double {
			t, err = outs[i].Double()
		}
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", v.Name, err)
		}
		res[v.Name] = t
	}
	return res, nil
}
