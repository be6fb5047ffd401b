package lxtc

import (
	"context"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// An Each explains an input for several targets, each by itself: the model is
// compiled once, its forward pass runs once for an input, and relevance of as many
// targets at once as memory allows.
type Each struct {
	*Rewritten

	forward, back *stage
	weights       []float32
}

// Each rewrites the model for a backend and compiles it. The weights of the targets
// multiply their relevance.
func (m *Model) Each(ctx context.Context, b backend.Backend, opt Options, run backend.Options) (*Each, error) {
	opt.Weights = true
	po := opt.Passes()
	po.Supports, po.Eval = b.Supports, reference.EvalFor(b)
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
	if x.forward, err = newStage(b, stages[0], run); err != nil {
		return x, err
	}
	if x.back, err = newStage(b, stages[1], run); err != nil {
		x.forward.close()
		return x, err
	}
	x.back.lift(passes.WeightsInput)
	return x, nil
}

// Run visits every target, in order, with the model's outputs and the relevance of
// every explained tensor, as of Explainer.Run. It ends at the first error of visit. One Run at a time.
func (x *Each) Run(ctx context.Context, in map[string]*ir.Tensor, visit func(target int, out map[string]*ir.Tensor) error) error {
	if err := passes.Unset(x.Model.Graph, in); err != nil {
		return err
	}
	known, err := x.forward.run(ctx, in)
	if err != nil {
		return err
	}
	alone := make([]*ir.Tensor, len(x.weights))
	for k, w := range x.weights {
		only := make([]float32, len(x.weights))
		only[k] = w
		alone[k] = ir.Of(only, len(only))
	}
	return x.back.runEach(ctx, known, passes.WeightsInput, alone, func(k int, all map[string]*ir.Tensor) error {
		out := map[string]*ir.Tensor{}
		for _, v := range x.Model.Graph.Outputs {
			out[v.Name] = all[v.Name]
		}
		return visit(k, out)
	})
}

// Close frees what the backend holds.
func (x *Each) Close() error {
	err := x.forward.close()
	if e := x.back.close(); err == nil {
		err = e
	}
	return err
}
