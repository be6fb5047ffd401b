package passes

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
	"github.com/lxtc/lxtc/rules"
)

// formula is a rule written out for one node: the body of a function.
type formula struct {
	ctx   *rules.Context
	body  *ir.Graph
	args  []*ir.Value // what the body's inputs stand for
	to    []int       // for each output, the input of the node that it belongs to
	attrs []string    // the rule's parameters that the body uses
}

// inlineConst is the largest number of elements of an integer constant, such
// as axes or a shape, that becomes part of a formula. Derivatives read them,
// and as inputs of a function they would be unknown.
const inlineConst = 64

// formula asks the rule for what flows back through n. The rule sees a twin of
// n whose inputs and outputs are the function's formals.
func (w *walk) formula(n *ir.Node, rule rules.Call) *formula {
	f := &formula{body: ir.NewGraph("body")}
	actual := map[*ir.Value]*ir.Value{} // by formal
	b := w.m.At(f.body, nil)
	formal := func(name string, v *ir.Value) *ir.Value {
		if v == nil {
			return nil
		}
		if t := smallInts(v); t != nil {
			return b.Constant(t)
		}
		x := f.body.Input(name, v.Type)
		x.Known = v.Known
		actual[x] = v
		return x
	}
	twin := &ir.Node{Op: n.Op, Attrs: n.Attrs, Name: n.Name, Scopes: n.Scopes, Role: n.Role}
	f.ctx = &rules.Context{Builder: b, Call: rule, Node: twin}
	for i, v := range n.Out {
		var r *ir.Value
		if v != nil && w.arrives[v] != nil {
			r = formal(letterFor(w.letter(), i), w.arrives[v])
			r.Type = v.Type
		}
		f.ctx.R = append(f.ctx.R, r)
	}
	for i, v := range n.In {
		twin.In = append(twin.In, formal(fmt.Sprintf("x%d", i), v))
		f.ctx.Want = append(f.ctx.Want, v != nil && w.flows[v])
		f.ctx.NonNegative = append(f.ctx.NonNegative, w.nonNegative(v))
	}
	for i, v := range n.Out {
		twin.Out = append(twin.Out, formal(letterFor("y", i), v))
	}
	free := map[*ir.Value]rules.Free{} // by formal
	f.ctx.Inputs = map[string]*ir.Value{}
	for _, p := range rule.Rule.Params {
		if fr, ok := rule.Free(p.Name); ok {
			x := f.body.Input(p.Name, fr.Type())
			free[x], f.ctx.Inputs[p.Name] = fr, x
		}
	}
	flow := f.ctx.Relevance
	if w.c.Form == GradientForm {
		flow = f.ctx.Gradient
	}
	for i, r := range flow() {
		if r == nil {
			continue
		}
		if r.Def == nil || slices.Contains(f.body.Outputs, r) {
			r = b.Op("Identity", r) // an output of a function is a node's, and its own
		}
		f.body.Outputs = append(f.body.Outputs, r)
		f.to = append(f.to, i)
	}
	if b.Err() == nil {
		prune(f.body)
	}
	used := f.body.Inputs[:0]
	for _, x := range f.body.Inputs {
		if x.NumUses() == 0 {
			continue
		}
		arg := w.guarded(n, actual[x])
		if fr, ok := free[x]; ok && b.Err() == nil {
			arg = w.parameter(fr)
		}
		used, f.args = append(used, x), append(f.args, arg)
	}
	f.body.Inputs = used
	f.attrs = references(f.body)
	return f
}

func letterFor(letter string, i int) string {
	if i == 0 {
		return letter
	}
	return fmt.Sprintf("%s%d", letter, i)
}

// smallInts returns the data of a small integer constant, else nil.
func smallInts(v *ir.Value) *ir.Tensor {
	t := rewrite.Constant(v)
	if t == nil || !t.Elem.IsInt() || t.Len() > inlineConst {
		return nil
	}
	return t
}

// prune removes the nodes of a body that no output needs.
func prune(g *ir.Graph) {
	for n := range g.Backward() {
		if unused(g, n) {
			if err := g.Remove(n); err != nil {
				panic(err) // unused has just said otherwise
			}
		}
	}
}

// unused reports whether nobody reads any output of n.
func unused(g *ir.Graph, n *ir.Node) bool {
	return !slices.ContainsFunc(n.Out, func(v *ir.Value) bool {
		return v != nil && (v.NumUses() > 0 || g.IsOutput(v))
	})
}

// references returns the function attributes that a body refers to, in the
// order of their first use.
func references(g *ir.Graph) []string {
	var names []string
	for n := range g.Nodes() {
		for _, a := range n.Attrs {
			if r, ok := a.Value.(ir.Ref); ok && !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
	}
	return names
}
