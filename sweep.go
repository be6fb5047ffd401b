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
// of them for their values: for several values of a parameter in one run, as many
// as memory allows.
type Sweep struct {
	*Rewritten
	Params []string // "$gamma"; the last one is turned most often

	stages []*stage
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
	for k, m := range models {
		st, err := newStage(b, m, run)
		if err != nil {
			s.Close()
			return s, err
		}
		if k > 0 {
			st.lift(s.Params[k-1])
		}
		s.stages = append(s.stages, st)
	}
	return s, nil
}

// Run visits every combination of the given values, in their order, the last of
// Params turning first. A parameter without values has its default. It ends at
// the first error of visit. One Run at a time.
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
	known, err := s.stages[0].run(ctx, in)
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
	st, name := s.stages[k], s.Params[k-1]
	if len(values[name]) == 0 {
		next, err := st.run(ctx, known)
		if err != nil {
			return err
		}
		return s.turn(ctx, k+1, next, values, at, visit)
	}
	given := make([]*ir.Tensor, len(values[name]))
	for i, x := range values[name] {
		given[i] = s.value(name, x)
	}
	return st.runEach(ctx, known, name, given, func(i int, next map[string]*ir.Tensor) error {
		at.Values[name] = values[name][i]
		if err := s.turn(ctx, k+1, next, values, at, visit); err != nil {
			return fmt.Errorf("%s = %g: %w", name, values[name][i], err)
		}
		return nil
	})
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

// Together is how many values of a parameter ran at once.
type Together struct {
	Param string
	Most  int   // 0 before the first run
	Why   error // why it cannot be more than 1; nil if it can
}

// Together says of each parameter how many of its values ran at once.
func (s *Sweep) Together() []Together {
	var all []Together
	for k, name := range s.Params {
		all = append(all, Together{name, s.stages[k+1].most, s.stages[k+1].why})
	}
	return all
}

// Stats describes the program: of all stages, the sum, and of values between
// them nothing.
func (s *Sweep) Stats() backend.Stats {
	var all backend.Stats
	for _, st := range s.stages {
		for _, session := range st.sessions() {
			one := session.Stats()
			all.Nodes += one.Nodes
			all.Segments += one.Segments
			all.Weights = max(all.Weights, one.Weights)
			all.Peak = max(all.Peak, one.Peak)
		}
	}
	return all
}

// Close frees what the backend holds.
func (s *Sweep) Close() error {
	var first error
	for _, st := range s.stages {
		if err := st.close(); first == nil {
			first = err
		}
	}
	return first
}
