package ir

import (
	"cmp"
	"fmt"
)

// FuncOp returns the operator that calls f: its types are those of f's body,
// inferred for each call. Ops must have the operators of the body, which may be
// rewritten later but has to go on computing the same.
func FuncOp(f *Func, ops *OpSet) *Op {
	op := &Op{Name: f.Op, Since: 1, Doc: f.Doc}
	for _, v := range f.Body.Inputs { // what reads an omitted input says whether it may be
		op.In = append(op.In, Param{Name: v.Name, Optional: true})
	}
	for _, v := range f.Body.Outputs {
		op.Out = append(op.Out, Param{Name: v.Name})
	}
	m := &Model{Ops: ops}
	op.Infer = func(n *Node) ([]Type, error) {
		g, err := Instantiate(m, f, n)
		if err != nil {
			return nil, err
		}
		types := make([]Type, len(g.Outputs))
		for i, v := range g.Outputs {
			types[i] = v.Type
		}
		return types, nil
	}
	return op
}

func compareOpNames(a, b OpName) int {
	return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Name, b.Name))
}

// infer is Reinfer for a node of which enough is known: the element types of
// its inputs and all of its attributes. It leaves others alone, such as those
// of a function's body.
func (m *Model) infer(n *Node) error {
	if !inferable(n) {
		return nil
	}
	return m.Reinfer(n)
}

func inferable(n *Node) bool {
	for _, v := range n.In {
		if v != nil && v.Type.Elem == Undefined {
			return false
		}
	}
	for _, a := range n.Attrs {
		if _, ok := a.Value.(Ref); ok {
			return false
		}
	}
	return true
}

// checkCall reports more inputs or outputs than f has.
func (f *Func) checkCall(call *Node) error {
	if f.Body == nil {
		return fmt.Errorf("function %s has no body", f.Op)
	}
	if len(call.In) > len(f.Body.Inputs) {
		return fmt.Errorf("got %d inputs, want at most %d", len(call.In), len(f.Body.Inputs))
	}
	if len(call.Out) > len(f.Body.Outputs) {
		return fmt.Errorf("%d outputs, want at most %d", len(call.Out), len(f.Body.Outputs))
	}
	return nil
}
