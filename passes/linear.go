package passes

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
	"github.com/lxtc/lxtc/rules"
)

// Linear reports whether n is linear in the given inputs together, the others held
// constant, up to what is added: x W + b in x, x + y in both, x·y in either but not
// in both. The operator's derivative says it: that of a linear one depends on none
// of those inputs, only on their shapes. An operator without a derivative is not
// linear in anything.
func Linear(m *ir.Model, n *ir.Node, inputs []bool) bool {
	op := m.Ops.Lookup(n.Op)
	if op == nil || op.VJP == nil {
		return false
	}
	g := ir.NewGraph("derivative")
	b := m.At(g, nil)
	twin := &ir.Node{Op: n.Op, Attrs: n.Attrs}
	own := reach{} // what the derivative must not depend on
	for i, v := range n.In {
		var x *ir.Value
		switch {
		case v == nil:
		case rewrite.Constant(v) != nil && !v.Type.Elem.IsFloat():
			x = b.Constant(rewrite.Constant(v))
		default:
			x = g.Input(fmt.Sprintf("x%d", i), v.Type)
			x.Known = v.Known
			own[x] = i < len(inputs) && inputs[i]
		}
		twin.In = append(twin.In, x)
	}
	var arriving []*ir.Value
	for i, v := range n.Out {
		var y, r *ir.Value
		if v != nil {
			y, r = g.Input(fmt.Sprintf("y%d", i), v.Type), g.Input(fmt.Sprintf("r%d", i), v.Type)
			own[y] = true
		}
		if i > 0 || v == nil || !v.Type.Elem.IsFloat() {
			r = nil // rules for linear operators take what arrives at the first output
		}
		twin.Out, arriving = append(twin.Out, y), append(arriving, r)
	}
	ds := op.VJP(b, twin, arriving, inputs)
	if b.Err() != nil {
		return false
	}
	seen := map[*ir.Node]bool{}
	for _, d := range ds {
		if d != nil && depends(d, own, seen) {
			return false
		}
	}
	return true
}

// depends reports whether v is computed from a value of the set, its shape aside.
func depends(v *ir.Value, set reach, seen map[*ir.Node]bool) bool {
	n := v.Def
	if n == nil || seen[n] {
		return set[v]
	}
	seen[n] = true
	if n.Op.String() == "Shape" || n.Op.String() == "Size" {
		return false
	}
	for _, x := range n.In {
		if x != nil && depends(x, set, seen) {
			return true
		}
	}
	return false
}

// fitLinear fails if a rule that is written for linear operators is bound to another,
// and warns if one does not conserve there.
func (b *binder) fitLinear() error {
	warned := map[string]bool{} // by operator and line
	for n := range b.m.Graph.Nodes() {
		line := b.lines[n]
		if n.Rule == "" || line == nil || b.fits(n, line.Call) {
			continue
		}
		o := describe(n)
		if line.Call.OnlyLinear() {
			e := diag.Errorf("LX3002", "rule %s (%s) is for operators that are linear in what is explained, and %s is not", line.Call, line.Pos, n.Op).In(b.m.File).At(o.Node, o.Op)
			if line.Call.Rule.OnlyLinear {
				return e.Help("give the operator another rule in a rule map: identity hands everything to its one live input, epsilon shares by its derivative")
			}
			return e.Help("what it absorbs is not known there: put a line above, such as `%s => %s`, without absorbed", n.Op, line.Call.Rule.Name)
		}
		if key := n.Op.String() + line.Pos; !warned[key] {
			warned[key] = true
			b.c.Warn("%s (%s): %s (%s) does not conserve where an operator is not linear in what is explained", o.Node, o.Op, line.Call.Rule.Name, line.Pos)
		}
	}
	return nil
}

// fits reports whether a rule is for n, if it is for linear operators. Without a
// stabilizer the share by the derivative is gradient × input, which is for all.
func (b *binder) fits(n *ir.Node, call rules.Call) bool {
	rule := call.Rule
	stabilized := !slices.Contains(call.Args, "none") && !slices.Contains(call.Args, "zeros")
	if !call.OnlyLinear() && (!rule.Linear || !stabilized) {
		return true
	}
	live := make([]bool, len(n.In))
	for i, v := range n.In {
		live[i] = v != nil && b.flows[v]
	}
	return Linear(b.m, n, live) || !call.OnlyLinear() && inPieces(n, live)
}

// piecewise are operators that are linear in pieces through 0: f(tx) = t f(x) for t > 0,
// so that f is the sum of x_i ∂f/∂x_i.
var piecewise = []string{"Relu", "LeakyRelu", "Abs", "MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Max", "Min"}

// inPieces reports whether n is one of them in all that it computes with.
func inPieces(n *ir.Node, live []bool) bool {
	if !slices.Contains(piecewise, n.Op.String()) {
		return false
	}
	for i, v := range n.In {
		if v != nil && v.Type.Elem.IsFloat() && !live[i] {
			return false
		}
	}
	return true
}
