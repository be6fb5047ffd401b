package lxtc

import (
	"context"
	"maps"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// An Each explains an input for several targets, each by itself: the model is
// compiled once, and its forward pass runs once for an input.
type Each struct {
	*Rewritten

	forward, back backend.Session
	weights       []float32
}

// Each rewrites the model for a backend and compiles it. The weights of the targets
// multiply their relevance.
func (m *Model) Each(ctx context.Context, b backend.Backend, opt Options, run backend.Options) (*Each, error) {
	opt.Weights = true
	po := opt.Passes()
	po.Supports = b.Supports
	r, err := m.rewrite(ctx, po, opt)
	x := &Each{Rewritten: r}
	if err != nil {
		return x, err
	}
	stages, err := passes.Stages(ctx, r.Model, []string{passes.WeightsInput})
	if err != nil {
		return x, err
	}
	for _, t := range opt.Targets {
		x.weights = append(x.weights, 1)
		if t.Weight != 0 {
			x.weights[len(x.weights)-1] = float32(t.Weight)
		}
	}
	if len(x.weights) == 0 {
		x.weights = []float32{1}
	}
	if x.forward, err = backend.Open(b, stages[0], run); err != nil {
		return x, err
	}
	if x.back, err = backend.Open(b, stages[1], run); err != nil {
		x.forward.Close()
	}
	return x, err
}

// Run visits every target, in order, with the model's outputs and the relevance of
// every explained tensor, as of Explainer.Run. It ends at the first error of visit.
func (x *Each) Run(ctx context.Context, in map[string]*ir.Tensor, visit func(target int, out map[string]*ir.Tensor) error) error {
	if err := passes.Unset(x.Model.Graph, in); err != nil {
		return err
	}
	known, err := after(ctx, x.forward, in)
	if err != nil {
		return err
	}
	for k, w := range x.weights {
		alone := make([]float32, len(x.weights))
		alone[k] = w
		known[passes.WeightsInput] = ir.Of(alone, len(alone))
		all, err := after(ctx, x.back, known)
		if err != nil {
			return err
		}
		out := map[string]*ir.Tensor{}
		for _, v := range x.Model.Graph.Outputs {
			out[v.Name] = all[v.Name]
		}
		if err := visit(k, out); err != nil {
			return err
		}
	}
	return nil
}

// Close frees what the backend holds.
func (x *Each) Close() error {
	err := x.forward.Close()
	if e := x.back.Close(); err == nil {
		err = e
	}
	return err
}

// after runs a stage and returns what is known then.
func after(ctx context.Context, stage backend.Session, known map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	out, err := stage.Run(ctx, known)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(known)
	maps.Copy(all, out)
	return all, nil
}
