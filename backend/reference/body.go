package reference

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// hasBody reports whether n's operator is defined by others.
func hasBody(m *ir.Model, n *ir.Node) bool {
	op := m.Ops.Lookup(n.Op)
	return op != nil && op.Body != nil
}

// body computes a node by the body of its operator, built for the shapes at
// hand. Constant inputs stay constants: a body may look at them.
func (r *run) body(n *ir.Node, in []*Array) ([]*Array, error) {
	if !hasBody(r.m, n) {
		return nil, fmt.Errorf("the reference backend has no kernel for %s", n.Op)
	}
	m := &ir.Model{Graph: ir.NewGraph("body"), Ops: r.m.Ops}
	call := &ir.Node{Op: n.Op, Attrs: n.Attrs}
	var args []*Array
	for i, a := range in {
		name := fmt.Sprintf("in%d", i)
		switch {
		case a == nil:
			call.In = append(call.In, nil)
		case n.In[i].IsConst():
			call.In = append(call.In, m.Graph.Const(name, n.In[i].Data))
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
	got, err := inner.graph(m.Graph, args, nil)
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
