package onnxgo

import (
	"errors"
	"fmt"
	"slices"

	"github.com/owulveryck/onnx-go"
	onnxbackend "github.com/owulveryck/onnx-go/backend"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// A Backend records the graph that onnx-go decodes and runs it. It implements
// onnx.Backend and backend.ComputationBackend of onnx-go. It is not safe for
// use by several goroutines at once.
type Backend struct {
	*simple.WeightedDirectedGraph // what onnx-go's users may walk: edges from results to operands

	exec      backend.Backend
	opt       Options
	values    []*Value                 // by ID: onnx-go's SetInput takes positions for IDs
	operands  map[int64]map[int]*Value // by result and position; a graph keeps one edge of Mul(x, x)
	nodes     []*operation
	firstMade int64                 // the first value that an operation makes
	bound     *onnx.Model           // what Bind gave, nil if nothing
	prog      *program              // of the last Run
	results   map[string]*ir.Tensor // likewise
	err       error                 // of a method that cannot return one
}

var _ onnxbackend.ComputationBackend = (*Backend)(nil)

// Options say what onnx-go does not.
type Options struct {
	// Opset is the version of ai.onnx that the model is written in.
	Opset int64

	// Ops gives operators their meaning; nil is ops.Standard.
	Ops *ir.OpSet

	// Rewrite changes the model before it is compiled, for instance into one
	// that also computes relevance. Nil changes nothing.
	Rewrite func(m *ir.Model) (*ir.Model, error)

	// Compile is how the model is compiled and run.
	Compile backend.Options
}

// An operation is a node as onnx-go describes it.
type operation struct {
	name  string
	attrs map[string]any
	in    []*Value
	out   []*Value
}

// New returns a backend that runs on exec.
func New(exec backend.Backend, opt Options) *Backend {
	if opt.Ops == nil {
		opt.Ops = ops.Standard()
	}
	return &Backend{
		WeightedDirectedGraph: simple.NewWeightedDirectedGraph(0, -1),
		exec:                  exec,
		opt:                   opt,
		operands:              map[int64]map[int]*Value{},
	}
}

// Bind tells the backend which values are the inputs and outputs of the model
// that was decoded into it. Without it they are guessed; see the package
// comment.
func (b *Backend) Bind(m *onnx.Model) { b.bound = m }

// NewNode returns a value with the next free ID. It is not yet in the graph.
func (b *Backend) NewNode() graph.Node { return &Value{b: b, id: int64(len(b.values))} }

// AddNode adds a value that NewNode made.
func (b *Backend) AddNode(n graph.Node) {
	v, ok := n.(*Value)
	if !ok || v.id != int64(len(b.values)) {
		b.fail("node %d is not the value that NewNode made last", n.ID())
		return
	}
	b.values = append(b.values, v)
	b.WeightedDirectedGraph.AddNode(v)
}

// SetWeightedEdge records that the edge's end is an operand of its start, at
// the position that is its weight.
func (b *Backend) SetWeightedEdge(e graph.WeightedEdge) {
	result, operand := e.From(), e.To()
	v, ok := operand.(*Value)
	if !ok || result.ID() == operand.ID() && v.name != "" {
		b.fail("value %d cannot be an operand of value %d", operand.ID(), result.ID())
		return
	}
	if b.operands[result.ID()] == nil {
		b.operands[result.ID()] = map[int]*Value{}
	}
	b.operands[result.ID()][int(e.Weight())] = v
	if result.ID() != operand.ID() {
		b.WeightedDirectedGraph.SetWeightedEdge(e)
	}
}

// ApplyOperation records an operator and its results.
func (b *Backend) ApplyOperation(op onnx.Operation, results ...graph.Node) error {
	if b.err != nil {
		return b.err
	}
	o := &operation{name: op.Name, attrs: op.Attributes}
	for _, r := range results {
		v, ok := r.(*Value)
		if !ok {
			return fmt.Errorf("onnxgo: a result of %s is not a value of this backend", op.Name)
		}
		o.out = append(o.out, v)
	}
	i := slices.IndexFunc(o.out, func(v *Value) bool { return v.name != "" })
	if i < 0 {
		return fmt.Errorf("onnxgo: %s has no result with a name", op.Name)
	}
	operands := b.operands[o.out[i].id]
	for k := range len(operands) {
		v, ok := operands[k]
		if !ok {
			return fmt.Errorf("onnxgo: %s has no operand %d of %d", op.Name, k, len(operands))
		}
		o.in = append(o.in, v)
	}
	for _, v := range o.out {
		if v.name != "" && v.made {
			return fmt.Errorf("onnxgo: value %q has two definitions", v.name)
		}
		v.made = true
		if v.name != "" && (len(b.nodes) == 0 || v.id < b.firstMade) {
			b.firstMade = v.id
		}
	}
	b.nodes = append(b.nodes, o)
	return nil
}

func (b *Backend) fail(format string, args ...any) {
	if b.err == nil {
		b.err = errors.New("onnxgo: " + fmt.Sprintf(format, args...))
	}
}
