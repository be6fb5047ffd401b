package passes

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// A leg is a part of the way back: from some tensors to the conditions that come
// next, and nowhere else; or, if none come, to whatever is explained.
type leg struct{ from, to []*ir.Value }

// travel carries relevance from the seeds back over the given nodes. With conditions
// it goes leg by leg, so that what passes beside them is left behind; at the end
// arrives has what came to every explained tensor.
func (w *walk) travel(nodes []*ir.Node, targets []*ir.Value, seeds map[*ir.Value]*ir.Value, sources []*ir.Value, stopped func(*ir.Node) bool) error {
	w.met = map[*ir.Value]bool{}
	if w.c.Beside || len(w.conditions) == 0 {
		w.arrives = seeds
		return w.back(nodes, w.conditions)
	}
	came := map[*ir.Value]*ir.Value{}
	waiting := seeds // at the conditions, not masked yet
	for k, l := range w.legs(targets, stopped) {
		w.arrives, w.towards = map[*ir.Value]*ir.Value{}, nil
		for _, v := range l.from {
			r := waiting[v]
			if r == nil {
				continue
			}
			if k > 0 {
				var err error
				if r, err = w.masked(v, r); err != nil {
					return err
				}
			}
			w.arrives[v] = r
		}
		if k == 0 {
			waiting = map[*ir.Value]*ir.Value{}
		}
		if l.to != nil {
			w.towards = forward(w.m, l.to, stopped)
		}
		if err := w.back(nodes, nil); err != nil {
			return err
		}
		for _, v := range l.to {
			waiting[v] = w.sum(waiting[v], w.arrives[v])
		}
		for _, v := range sources {
			if !slices.Contains(l.to, v) {
				came[v] = w.sum(came[v], w.arrives[v])
			}
		}
	}
	w.arrives = came
	return nil
}

// back carries relevance back over the nodes, masked by the conditions on its way.
func (w *walk) back(nodes []*ir.Node, conditions map[*ir.Value][]Condition) error {
	mask := func(v *ir.Value) error {
		if v == nil || conditions[v] == nil || w.arrives[v] == nil {
			return nil
		}
		var err error
		w.arrives[v], err = w.masked(v, w.arrives[v])
		return err
	}
	for _, n := range slices.Backward(nodes) {
		for _, v := range n.Out {
			if err := mask(v); err != nil {
				return err
			}
		}
		if err := w.node(n); err != nil {
			return err
		}
	}
	for _, v := range w.m.Graph.Inputs {
		if err := mask(v); err != nil {
			return err
		}
	}
	return nil
}

// sum adds what comes by another way; nil is nothing.
func (w *walk) sum(a, b *ir.Value) *ir.Value {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	at := w.m.At(w.m.Graph, nil)
	at.Origin = "relevance/sum"
	sum := at.Add(a, b)
	sum.Type = b.Type
	return sum
}

// legs divides the way. From the targets it leads to the conditions that none is
// behind, from each of these to those right before it. Legs to the same conditions
// are one.
func (w *walk) legs(targets []*ir.Value, stopped func(*ir.Node) bool) []leg {
	var conditions []*ir.Value // in the order of relevance
	for _, n := range slices.Backward(slices.Collect(w.m.Graph.Nodes())) {
		for _, v := range n.Out {
			if w.conditions[v] != nil {
				conditions = append(conditions, v)
			}
		}
	}
	for _, v := range w.m.Graph.Inputs {
		if w.conditions[v] != nil {
			conditions = append(conditions, v)
		}
	}
	after := map[*ir.Value]reach{} // what depends on a condition's tensor
	level := map[*ir.Value]int{}   // how many conditions relevance has passed at most
	for _, v := range conditions {
		after[v] = forward(w.m, []*ir.Value{v}, stopped)
		for _, u := range conditions {
			if u != v && after[v][u] {
				level[v] = max(level[v], level[u]+1)
			}
		}
	}
	// next returns the conditions that v depends on, none of them behind another.
	next := func(among func(u *ir.Value) bool) []*ir.Value {
		var out []*ir.Value
		for _, u := range conditions {
			covered := slices.ContainsFunc(conditions, func(t *ir.Value) bool { return t != u && among(t) && after[u][t] })
			if among(u) && !covered {
				out = append(out, u)
			}
		}
		return out
	}
	legs, byEnd := []leg{{targets, next(func(*ir.Value) bool { return true })}}, map[string]int{}
	slices.SortStableFunc(conditions, func(a, b *ir.Value) int { return level[a] - level[b] })
	for _, v := range conditions {
		to := next(func(u *ir.Value) bool { return u != v && after[u][v] })
		key := fmt.Sprint(level[v], to)
		if i, ok := byEnd[key]; ok {
			legs[i].from = append(legs[i].from, v)
			continue
		}
		byEnd[key] = len(legs)
		legs = append(legs, leg{[]*ir.Value{v}, to})
	}
	return legs
}
