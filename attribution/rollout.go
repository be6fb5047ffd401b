package attribution

import (
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// Rollout multiplies the attention of all layers, the mean over heads and half
// the identity for the residual connection, and returns what the given position
// of the last layer attends to, for each token (Abnar and Zuidema 2020). A
// negative position counts from the end. It knows no target and no sign. Layers
// that do not depend on the named tensor, such as those of a text beside a
// picture, are left out; "" is all. The input is a batch of one row; layers whose
// attention is not from T tokens to the same T, as in a decoder's look at its
// encoder, are an error.
func Rollout(ctx context.Context, m *lxtc.Model, b backend.Backend, run backend.Options, in map[string]*ir.Tensor, tensor string, position int) ([]float64, error) {
	g := m.IR().Clone()
	g.Closer = nil // the original owns the files
	opt := passes.Options{Supports: b.Supports, Eval: reference.Eval}
	before := passes.Pipeline{passes.Fold, passes.Widen, passes.Expand, passes.Canonical}
	if _, err := before.Run(ctx, g, opt, passes.Driver{}); err != nil {
		return nil, err
	}
	g.Graph.Outputs = attentions(g.Graph, dependent(g.Graph, tensor))
	if len(g.Graph.Outputs) == 0 {
		return nil, fmt.Errorf("the model has no softmax whose result is multiplied with values: no attention to roll out")
	}
	after := passes.Pipeline{passes.Legalize, passes.Dead, passes.Schedule}
	if _, err := after.Run(ctx, g, opt, passes.Driver{}); err != nil {
		return nil, err
	}
	out, err := backend.Run(ctx, b, g, run, in)
	if err != nil {
		return nil, err
	}
	var sum []float64 // the row of the product so far, from the last layer down
	for i := len(g.Graph.Outputs) - 1; i >= 0; i-- {
		name := g.Graph.Outputs[i].Name
		a, n, err := meanOverHeads(out[name])
		if err != nil {
			return nil, diag.Errorf("", "attention %s: %w", name, err).
				Help("rollout is for one stack of self-attention, and one row; choose another method")
		}
		if sum == nil {
			if position < 0 {
				position += n
			}
			if position < 0 || position >= n {
				return nil, fmt.Errorf("position %d of %d tokens", position, n)
			}
			sum = make([]float64, n)
			sum[position] = 1
		}
		if len(sum) != n {
			return nil, fmt.Errorf("attention %s is over %d tokens, that of the layers above over %d", name, n, len(sum))
		}
		next := make([]float64, n)
		for q, share := range sum {
			next[q] += share / 2
			for k := range n {
				next[k] += share / 2 * a[q*n+k]
			}
		}
		sum = next
	}
	return sum, nil
}

// dependent returns what depends on the named tensor; nil if g has none of this
// name.
func dependent(g *ir.Graph, name string) map[*ir.Value]bool {
	v := g.Find(name)
	if v == nil {
		return nil
	}
	found := map[*ir.Value]bool{v: true}
	for n := range g.Nodes() {
		if slices.ContainsFunc(append(n.Captured(), n.In...), func(v *ir.Value) bool { return found[v] }) {
			for _, v := range n.Out {
				found[v] = v != nil
			}
		}
	}
	return found
}

// attentions returns the left factors of products that are softmax over the last
// axis, in the order of the graph: those among the given values, or with nil all.
func attentions(g *ir.Graph, among map[*ir.Value]bool) []*ir.Value {
	var out []*ir.Value
	for n := range g.Nodes() {
		if n.Op.String() == "Softmax" && (among == nil || among[n.Out[0]]) {
			if v := weights(n.Out[0]); v != nil && !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return out
}

// weights returns what a product has for its left factor: v, or v behind
// operators that leave it what it is, such as one that makes NaN 0, or drops the
// column of a sink; nil if v is no left factor.
func weights(v *ir.Value) *ir.Value {
	for _, u := range v.Uses() {
		var factor *ir.Value
		switch u.Node.Op.String() {
		case "MatMul":
			if u.Index == 0 && !u.Node.In[1].IsConst() {
				return v
			}
		case "Where":
			if u.Index > 0 {
				factor = weights(u.Node.Out[0])
			}
		case "Cast", "Dropout", "Identity", "Reshape", "Slice":
			if u.Index == 0 {
				factor = weights(u.Node.Out[0])
			}
		}
		if factor != nil {
			return factor
		}
	}
	return nil
}

// meanOverHeads averages attention of shape [1, H, T, T] or [H, T, T] over H.
func meanOverHeads(t *ir.Tensor) (mean []float64, n int, err error) {
	rank := len(t.Shape)
	if rank < 3 || t.Shape[rank-1] != t.Shape[rank-2] || rank > 3 && t.Shape[0] != 1 {
		return nil, 0, fmt.Errorf("shape %v is not that of attention from T tokens to the same, in one row", t.Shape)
	}
	x, err := t.Float64s()
	if err != nil {
		return nil, 0, err
	}
	n = t.Shape[rank-1]
	mean = make([]float64, n*n)
	heads := len(x) / (n * n)
	for i, v := range x {
		mean[i%(n*n)] += v / float64(heads)
	}
	return mean, n, nil
}
