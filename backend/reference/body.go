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

// writtenOut are operators whose bodies are built by this package for each run:
// those that can be built only where shapes, axes or the number of steps are known,
// and a weight that products read as it is stored.
var writtenOut = []string{"RNN", "GRU", "LSTM", "LinearAttention", "CausalConvWithState", "Col2Im", "AffineGrid", "DFT", "STFT", "MaxUnpool", "lxt.DequantizeBnb4"}

// byBody is the kernel of such an operator.
func byBody(n *ir.Node, in []*Array) ([]*Array, error) { return standardBody(n, in, false) }

func standardBody(n *ir.Node, in []*Array, double bool) ([]*Array, error) {
	r := &run{ctx: context.Background(), m: &ir.Model{Ops: ops.Standard()}, double: double}
	return r.body(n, in, nil)
}

// body computes a node by the body of its operator, built for the shapes at
// hand. Graphs in its attributes get what they read from around n in e.
func (r *run) body(n *ir.Node, in []*Array, e *env) ([]*Array, error) {
	if !hasBody(r.m, n) {
		return nil, fmt.Errorf("the reference backend has no kernel for %s", n.Op)
	}
	w := &writing{g: ir.NewGraph("body")}
	call := &ir.Node{Op: n.Op}
	for i, a := range in {
		v, err := w.operand(fmt.Sprintf("in%d", i), n.In[i], a)
		if err != nil {
			return nil, err
		}
		call.In = append(call.In, v)
	}
	own := map[*ir.Value]*ir.Value{} // inlining takes graphs apart: of n's, which others run as well, it gets copies
	for i, v := range n.Captured() {
		a, err := e.get(v)
		if err != nil {
			return nil, err
		}
		if own[v], err = w.operand(fmt.Sprintf("around%d", i), v, a); err != nil {
			return nil, err
		}
	}
	for _, a := range n.Attrs {
		if g, ok := a.Value.(*ir.Graph); ok {
			a.Value = ir.CloneOver(g, own)
		}
		call.Attrs = append(call.Attrs, a)
	}
	at := make([]int, len(n.Out)) // where an output is among those of the graph
	for i, v := range n.Out {
		if at[i] = -1; v == nil {
			call.Out = append(call.Out, nil)
			continue
		}
		at[i] = len(w.g.Outputs)
		out := &ir.Value{Name: fmt.Sprintf("out%d", i)}
		call.Out = append(call.Out, out)
		w.g.Outputs = append(w.g.Outputs, out)
	}
	m := &ir.Model{Graph: w.g, Ops: r.m.Ops}
	m.Graph.Append(call)
	if err := m.Reinfer(call); err != nil {
		return nil, err
	}
	if err := ir.Inline(m, call); err != nil {
		return nil, err
	}
	inner := &run{ctx: r.ctx, m: m, double: r.double}
	got, err := inner.graph(m.Graph, w.args, nil)
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

// writing is a graph that is written for one run, and the arguments for its inputs.
type writing struct {
	g    *ir.Graph
	args []*Array
}

// operand makes what stands for v, whose value is a. Constants stay constants, and
// so does what is as small as a shape or an axis: a body may want to know it.
func (w *writing) operand(name string, v *ir.Value, a *Array) (*ir.Value, error) {
	switch {
	case a == nil:
		return nil, nil
	case v.IsConst():
		return w.g.Const(name, v.Data), nil
	case a.I != nil && a.Len() <= maxShape:
		t, err := a.Tensor()
		if err != nil {
			return nil, err
		}
		return w.g.Const(name, t), nil
	}
	t := ir.Type{Elem: a.Elem, Shape: []ir.Dim{}}
	for _, d := range a.Shape {
		t.Shape = append(t.Shape, ir.N(int64(d)))
	}
	w.args = append(w.args, a)
	return w.g.Input(name, t), nil
}
