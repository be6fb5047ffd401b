package lxtc

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// A stage is the part of a sweep's model that depends on one parameter, and not on
// those that are turned more often.
type stage struct {
	model   *ir.Model
	backend backend.Backend
	options backend.Options
	one     backend.Session // runs at one value of the parameter

	// The same at several values: nil if the model cannot be lifted, and why says
	// why. It is compiled when it is needed.
	lifted *ir.Model
	each   []string // the results of lifted that are there for each value
	many   backend.Session
	why    error

	point int64 // bytes that a value took in the last run; 0 if that is not known
	most  int   // values that ran at once
}

func newStage(b backend.Backend, m *ir.Model, run backend.Options) (*stage, error) {
	one, err := backend.Open(b, m, run)
	return &stage{model: m, backend: b, options: run, one: one}, err
}

// lift makes the stage take several values of a parameter at once, if it can.
func (st *stage) lift(param string) {
	st.lifted, st.each, st.why = passes.Lift(st.model, []string{param}, ir.Sym("points"))
	if st.why != nil {
		return
	}
	for n := range st.lifted.Graph.Nodes() {
		if err := st.backend.Supports(n); err != nil {
			st.lifted, st.why = nil, fmt.Errorf("%v: %w", n, err)
			return
		}
	}
}

// little is how many bytes the values of several points may take in any case.
const little = 64 << 20

// atOnce is how many values of the parameter run at once, given what is known
// before the stage. Several at once are never slower (measured: rationale.md), so
// memory decides: the values of all points may take half as much again as weights
// and what is known, and half of what there is. Before the first run, a point is
// taken to need as much as what the stage reads, because it computes relevance of
// that.
func (st *stage) atOnce(known map[string]*ir.Tensor) int {
	if st.lifted == nil {
		return 1
	}
	held, point := st.one.Stats().Weights, st.point
	for _, t := range known {
		held += int64(len(t.Raw))
	}
	if point == 0 {
		for _, v := range st.model.Graph.Inputs {
			if t := known[v.Name]; t != nil {
				point += int64(len(t.Raw))
			}
		}
	}
	budget := max(held/2, little)
	if limit := st.options.Memory; limit > 0 {
		budget = min(budget, limit/2)
	}
	return int(max(1, budget/max(point, 1)))
}

// run runs the stage once, and returns what is known after it.
func (st *stage) run(ctx context.Context, known map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	out, err := st.one.Run(ctx, known)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(known)
	maps.Copy(all, out)
	return all, nil
}

// runEach runs the stage at values of its parameter, several at once, and visits
// what is known after it at each, in their order.
func (st *stage) runEach(ctx context.Context, known map[string]*ir.Tensor, param string, values []*ir.Tensor, visit func(i int, next map[string]*ir.Tensor) error) error {
	for i := 0; i < len(values); {
		chunk := values[i:min(i+st.atOnce(known), len(values))]
		points, err := st.runAt(ctx, known, param, chunk)
		if err != nil {
			return fmt.Errorf("%s, values %d to %d: %w", param, i+1, i+len(chunk), err)
		}
		for _, next := range points {
			if err := visit(i, next); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

// runAt runs the stage at some values of its parameter at once, and returns what is
// known after it at each.
func (st *stage) runAt(ctx context.Context, known map[string]*ir.Tensor, param string, values []*ir.Tensor) ([]map[string]*ir.Tensor, error) {
	st.most = max(st.most, len(values))
	with := maps.Clone(known)
	if len(values) == 1 {
		with[param] = values[0]
		next, err := st.run(ctx, with)
		st.point = st.one.Stats().Peak
		return []map[string]*ir.Tensor{next}, err
	}
	if st.many == nil {
		var err error
		if st.many, err = backend.Open(st.backend, st.lifted, st.options); err != nil {
			return nil, err
		}
	}
	stacked := &ir.Tensor{Elem: values[0].Elem, Shape: append([]int{len(values)}, values[0].Shape...)}
	for _, v := range values {
		stacked.Raw = append(stacked.Raw, v.Raw...)
	}
	with[param] = stacked
	out, err := st.many.Run(ctx, with)
	if err != nil {
		return nil, err
	}
	st.point = st.many.Stats().Peak / int64(len(values))
	points := make([]map[string]*ir.Tensor, len(values))
	for i, v := range values {
		points[i] = maps.Clone(known)
		points[i][param] = v
		for name, t := range out {
			if slices.Contains(st.each, name) {
				size := len(t.Raw) / len(values)
				t = &ir.Tensor{Elem: t.Elem, Shape: t.Shape[1:], Raw: t.Raw[i*size : (i+1)*size]}
			}
			points[i][name] = t
		}
	}
	return points, nil
}

// close frees what the backend holds.
func (st *stage) close() error {
	var first error
	for _, session := range st.sessions() {
		if err := session.Close(); first == nil {
			first = err
		}
	}
	return first
}

// sessions are those that are open.
func (st *stage) sessions() []backend.Session {
	return slices.DeleteFunc([]backend.Session{st.one, st.many}, func(s backend.Session) bool { return s == nil })
}
