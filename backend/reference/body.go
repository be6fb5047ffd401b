package reference

import (
	"context"
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// hasBody reports whether n's operator is defined by others.
func hasBody(m *ir.Model, n *ir.Node) bool {
	op := m.Ops.Lookup(n.Op)
	return op != nil && op.Body != nil
}

// maxShape is how many numbers a shape or a list of axes may have.
const maxShape = 64

// writtenOut are operators whose bodies can be built only where shapes, axes or
// the number of steps are known: by this package for each run, whatever is known
// before it.
var writtenOut = []string{"RNN", "GRU", "LSTM", "LinearAttention", "CausalConvWithState", "Col2Im", "AffineGrid", "DFT", "STFT", "MaxUnpool"}

// byBody is the kernel of such an operator.
func byBody(n *ir.Node, in []*Array) ([]*Array, error) {
	r := &run{ctx: context.Background(), m: &ir.Model{Ops: ops.Standard()}}
	return r.body(n, in, nil)
}

// body computes a node by the body of its operator, built for the shapes at
// hand. Constant inputs stay constants: a body may look at them.
//
// Graphs in its attributes read their values from around n in e.
func (r *run) body(n *ir.Node, in []*Array, e *env) ([]*Array, error) {
	if !hasBody(r.m, n) {
		return nil, fmt.Errorf("the reference backend has no kernel for %s", n.Op)
	}
	m := &ir.Model{Graph: ir.NewGraph("body"), Ops: r.m.Ops}
	call := &ir.Node{Op: n.Op, Attrs: ownGraphs(n.Attrs)}
	defer forget(m.Graph) // else the values that the graphs read would remember these readers
	var args []*Array
	for i, a := range in {
		name := fmt.Sprintf("in%d", i)
		switch {
		case a == nil:
			call.In = append(call.In, nil)
		case n.In[i].IsConst():
			call.In = append(call.In, m.Graph.Const(name, n.In[i].Data))
		case a.I != nil && a.Len() <= maxShape: // a shape, an axis: a body may want to know it
			t, err := a.Tensor()
			if err != nil {
				return nil, err
			}
			call.In = append(call.In, m.Graph.Const(name, t))
		default:
			t := ir.Type{Elem: a.Elem, Shape: []ir.Dim{}}
			for _, d := range a.Shape {
				t.Shape = append(t.Shape, ir.N(int64(d)))
			}
			call.In = append(call.In, m.Graph.Input(name, t))
			args = append(args, a)
		}
	}
	at := make([]int, len(n.Out)) // where an output is among those of the graph
	for i, v := range n.Out {
		if at[i] = -1; v == nil {
			call.Out = append(call.Out, nil)
			continue
		}
		at[i] = len(m.Graph.Outputs)
		out := &ir.Value{Name: fmt.Sprintf("out%d", i)}
		call.Out = append(call.Out, out)
		m.Graph.Outputs = append(m.Graph.Outputs, out)
	}
	m.Graph.Append(call)
	if err := m.Reinfer(call); err != nil {
		return nil, err
	}
	if err := ir.Inline(m, call); err != nil {
		return nil, err
	}
	inner := &run{ctx: r.ctx, m: m}
	got, err := inner.graph(m.Graph, args, e)
	if err != nil {
		return nil, err
	}
	outs := make([]*Array, len(n.Out))
	for i, k := range at {
		if k >= 0 {
			outs[i] = got[k]
		}
	}
	return outs, nil
}

// ownGraphs returns attributes whose graphs are copies: inlining a node takes
// them apart.
func ownGraphs(as ir.Attrs) ir.Attrs {
	out := as
	for _, a := range as {
		if g, ok := a.Value.(*ir.Graph); ok {
			own, _ := ir.CloneGraph(g)
			out = out.With(a.Name, own)
		}
	}
	return out
}

// forget removes all nodes of g.
func forget(g *ir.Graph) {
	g.Outputs = nil
	for n := range g.Backward() {
		_ = g.Remove(n) // nothing reads it: its readers are gone
	}
}
