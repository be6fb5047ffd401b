package lxtc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// A Sweep explains an input at many values of the free parameters of a rule
// map. The model is compiled once, in stages: what depends on no parameter,
// the forward pass among it, runs once for an input, and what depends on some
// of them once for their values.
type Sweep struct {
	*Rewritten
	Params []string // "$gamma"; the last one is turned most often

	stages []backend.Session
}

// A Point is the result for one value of each parameter.
type Point struct {
	Values map[string]float32    // those that were given
	Out    map[string]*ir.Tensor // outputs and relevance, as of Explainer.Run
}

// Sweep rewrites the model for a backend and compiles its stages. It is an
// error if the rule map has no free parameter that has an effect.
func (m *Model) Sweep(ctx context.Context, b backend.Backend, opt Options, run backend.Options) (*Sweep, error) {
	po := opt.Passes()
	po.Supports = b.Supports
	r, err := m.rewrite(ctx, po, opt)
	s := &Sweep{Rewritten: r}
	if err != nil {
		return s, err
	}
	for _, v := range r.Model.Graph.Inputs {
		if strings.HasPrefix(v.Name, "$") {
			s.Params = append(s.Params, v.Name)
		}
	}
	if len(s.Params) == 0 {
		return s, passes.NothingFree(opt.Rules)
	}
	s.Params = passes.ByReach(r.Model, s.Params)
	models, err := passes.Stages(ctx, r.Model, s.Params)
	if err != nil {
		return s, err
	}
	for _, stage := range models {
		session, err := backend.Open(b, stage, run)
		if err != nil {
			s.Close()
			return s, err
		}
		s.stages = append(s.stages, session)
	}
	return s, nil
}

// Run visits every combination of the given values, in their order, the last of
// Params turning first. A parameter without values has its default. It ends at
// the first error of visit.
func (s *Sweep) Run(ctx context.Context, in map[string]*ir.Tensor, values map[string][]float32, visit func(Point) error) error {
	for name := range values {
		if !slices.Contains(s.Params, name) {
			return fmt.Errorf("no parameter is called %s; there are %s", name, strings.Join(s.Params, ", "))
		}
	}
	first := map[string]*ir.Tensor{}
	maps.Copy(first, in)
	for name, xs := range values {
		if len(xs) > 0 {
			first[name] = ir.Of(xs[:1])
		}
	}
	if err := passes.Unset(s.Model.Graph, first); err != nil {
		return err
	}
	known, err := s.stage(ctx, 0, in)
	if err != nil {
		return err
	}
	return s.turn(ctx, 1, known, values, Point{Values: map[string]float32{}}, visit)
}

// turn runs stage k at every value of its parameter, and those after it.
func (s *Sweep) turn(ctx context.Context, k int, known map[string]*ir.Tensor, values map[string][]float32, at Point, visit func(Point) error) error {
	if k == len(s.stages) {
		at.Values, at.Out = maps.Clone(at.Values), map[string]*ir.Tensor{}
		for _, v := range s.Model.Graph.Outputs {
			at.Out[v.Name] = known[v.Name]
		}
		return visit(at)
	}
	name := s.Params[k-1]
	step := func(with map[string]*ir.Tensor) error {
		next, err := s.stage(ctx, k, with)
		if err != nil {
			return err
		}
		return s.turn(ctx, k+1, next, values, at, visit)
	}
	if len(values[name]) == 0 {
		return step(known)
	}
	for _, x := range values[name] {
		at.Values[name] = x
		with := maps.Clone(known)
		with[name] = s.value(name, x)
		if err := step(with); err != nil {
			return fmt.Errorf("%s = %g: %w", name, x, err)
		}
	}
	return nil
}

// value is a number as a value of a parameter: for each channel, if it has a number
// for each.
func (s *Sweep) value(name string, x float32) *ir.Tensor {
	shape, _ := s.Model.Graph.Find(name).Type.Static()
	n := 1
	for _, d := range shape {
		n *= d
	}
	return ir.Of(slices.Repeat([]float32{x}, n), shape...)
}

// stage runs one stage and returns what is known after it.
func (s *Sweep) stage(ctx context.Context, k int, known map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	out, err := s.stages[k].Run(ctx, known)
	if err != nil {
		return nil, err
	}
	all := map[string]*ir.Tensor{}
	maps.Copy(all, known)
	maps.Copy(all, out)
	return all, nil
}

// Stats describes the program: of all stages, the sum, and of values between
// them nothing.
func (s *Sweep) Stats() backend.Stats {
	var all backend.Stats
	for _, stage := range s.stages {
		st := stage.Stats()
		all.Nodes += st.Nodes
		all.Segments += st.Segments
		all.Weights = max(all.Weights, st.Weights)
		all.Peak = max(all.Peak, st.Peak)
	}
	return all
}

// Close frees what the backend holds.
func (s *Sweep) Close() error {
	var first error
	for _, stage := range s.stages {
		if err := stage.Close(); first == nil {
			first = err
		}
	}
	return first
}
