package passes

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// Lift returns a copy of a model that computes many points at once, as JAX's
// vmap does of a function. The named inputs, and all that depends on them, get a
// leading axis whose length is points; what depends on none of them stays as it
// is and is computed once. Element k of a result with the axis is what the model
// computes from element k of those inputs. The names of the outputs that have
// the axis are returned as well.
//
// How an operator takes the axis is in the table of liftrules.go. One that is
// not there is taken apart if it has a body; else Lift fails and says where.
func Lift(m *ir.Model, names []string, points ir.Dim) (lifted *ir.Model, outputs []string, err error) {
	c := m.Clone()
	g := c.Graph
	l := &lifter{m: c, points: points, up: map[*ir.Value]*ir.Value{}}
	for _, name := range names {
		if !slices.ContainsFunc(g.Inputs, func(v *ir.Value) bool { return v.Name == name }) {
			return nil, nil, fmt.Errorf("the model has no input %q", name)
		}
	}
	once, over := g.Inputs, []*ir.Value{}
	g.Inputs = nil
	for _, v := range once {
		if slices.Contains(names, v.Name) {
			l.up[v] = g.Input(v.Name, l.with(v.Type))
			l.rename(v, l.up[v])
			over = append(over, v)
			continue
		}
		g.Inputs = append(g.Inputs, v)
	}
	if err := l.takeApart(over); err != nil {
		return nil, nil, err
	}
	for n := range g.Nodes() {
		if err := l.node(n); err != nil {
			return nil, nil, err
		}
	}
	for i, v := range g.Outputs {
		if w := l.up[v]; w != nil {
			g.Outputs[i] = w
			outputs = append(outputs, w.Name)
		}
	}
	prune(g)
	if err := ir.Verify(c); err != nil {
		return nil, nil, err
	}
	return c, outputs, nil
}

// A lifter gives values of a model a leading axis. It is a builder before the
// node that it is at.
type lifter struct {
	*ir.Builder
	m      *ir.Model
	points ir.Dim
	up     map[*ir.Value]*ir.Value // what has the axis, by what has not
}

// takeApart inlines what depends on the inputs and has no rule for that, until
// there is nothing left to inline.
func (l *lifter) takeApart(over []*ir.Value) error {
	for again := true; again; {
		again = false
		r := reach{}
		for _, v := range over {
			r[v] = true
		}
		for n := range l.m.Graph.Nodes() {
			if !r.any(n.In) && !r.any(n.Captured()) || measures(n) {
				continue
			}
			for _, v := range n.Out {
				r[v] = v != nil
			}
			if ruleFor(n, func(v *ir.Value) bool { return r[v] }) != nil {
				continue
			}
			if op := l.m.Ops.Lookup(n.Op); l.m.Func(n.Op) == nil && (op == nil || op.Body == nil) {
				continue // node says why
			}
			if err := ir.Inline(l.m, n); err != nil {
				return err
			}
			again = true
		}
	}
	return nil
}

// measures reports whether n looks at nothing but a shape, which is the same at
// all points.
func measures(n *ir.Node) bool { return n.Op.String() == "Shape" || n.Op.String() == "Size" }

// with returns t with the axis.
func (l *lifter) with(t ir.Type) ir.Type {
	if t.Shape == nil {
		return t
	}
	return ir.Type{Elem: t.Elem, Shape: append([]ir.Dim{l.points}, t.Shape...)}
}

// node builds what computes n's results at all points, if n depends on any.
func (l *lifter) node(n *ir.Node) error {
	if !slices.ContainsFunc(append(n.Captured(), n.In...), l.has) {
		return nil
	}
	fail := func(format string, args ...any) error {
		o := describe(n)
		return diag.Errorf("", format, args...).In(l.m.File).At(o.Node, o.Op)
	}
	by := ruleFor(n, l.has)
	if by == nil || slices.ContainsFunc(n.Captured(), l.has) {
		return fail("it does not take several points at once")
	}
	l.Builder = l.m.At(l.m.Graph, n)
	l.Origin, l.Scopes = n.Origin, n.Scopes
	outs := by(l, n)
	if err := l.Err(); err != nil {
		return fail("it does not take several points at once: %w", err)
	}
	for i, v := range n.Out {
		if v == nil {
			continue
		}
		w := outs[i]
		l.rename(v, w)
		if measures(n) {
			l.m.Graph.ReplaceUses(v, w)
			continue
		}
		t, err := ir.Refine(w.Type, l.with(v.Type))
		if err != nil {
			return fail("at several points, its result %s: %w", w, err)
		}
		w.Type, l.up[v] = t, w
		w.Def.Name, w.Def.Role, w.Def.Rule, w.Def.RuleAt = n.Name, n.Role, n.Rule, n.RuleAt
	}
	return nil
}

// rename gives w the name of v, so that messages and outputs have those of the model.
func (l *lifter) rename(v, w *ir.Value) {
	name := v.Name
	l.m.Graph.Rename(v, name+":one")
	l.m.Graph.Rename(w, name)
	w.Aliases, v.Aliases = v.Aliases, nil
}

// has reports whether v has the axis.
func (l *lifter) has(v *ir.Value) bool { return v != nil && l.up[v] != nil }

// in returns input i of n, with the axis if it has one.
func (l *lifter) in(n *ir.Node, i int) *ir.Value {
	v := n.Input(i)
	if l.has(v) {
		return l.up[v]
	}
	return v
}

// ins returns all inputs of n, with the axis where they have one.
func (l *lifter) ins(n *ir.Node) []*ir.Value {
	vs := make([]*ir.Value, len(n.In))
	for i := range vs {
		vs[i] = l.in(n, i)
	}
	return vs
}

// again builds n's operator once more, with as many outputs as n has.
func (l *lifter) again(n *ir.Node, attrs ir.Attrs, in ...*ir.Value) []*ir.Value {
	made := l.Node(n.Op, attrs, in...)
	if l.Err() == nil && len(made.Out) < len(n.Out) {
		l.Fail("it has more outputs than are made of it")
	}
	if l.Err() != nil {
		return slices.Repeat([]*ir.Value{l.Fail("")}, len(n.Out))
	}
	made.Out = made.Out[:len(n.Out)]
	for i, v := range n.Out {
		if v == nil {
			made.Out[i] = nil
		}
	}
	return made.Out
}
