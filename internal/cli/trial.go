package cli

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lxtc/lxtc/attribution"
	"github.com/lxtc/lxtc/eval"
)

// trial is one sample that methods explain and that their explanations are
// scored on.
type trial struct {
	*judge
	name     string
	target   []int64
	view     *attribution.View
	random   []*attribution.View // of the model with ever more random weights
	parts    *attribution.Features
	base     []float64 // what removed elements become
	model    eval.Model
	removals *eval.Removals
	rng      *rand.Rand
}

// sample explains one sample by every method and scores the explanations.
func (j *judge) sample(ctx context.Context, s sample) ([]scoreRow, error) {
	t, err := j.trial(ctx, s)
	if err != nil {
		return nil, err
	}
	methods, err := t.methods()
	if err != nil {
		return nil, err
	}
	var rows []scoreRow
	for _, m := range methods {
		row, err := t.score(ctx, m)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	draws := make([]scoreRow, randomDraws)
	for i := range draws {
		if draws[i], err = t.score(ctx, attribution.Random(t.parts, t.rng)); err != nil {
			return nil, err
		}
	}
	return append(rows, meanRow(draws)), nil
}

// randomDraws is how often random relevance is drawn for a sample: one draw may
// be a lucky one.
const randomDraws = 5

// trial looks at a sample and measures what does not depend on a method.
func (j *judge) trial(ctx context.Context, s sample) (*trial, error) {
	f, err := s.feed()
	if err != nil {
		return nil, err
	}
	view, err := j.plain.Look(ctx, f.tensors, s.target)
	if err != nil {
		return nil, err
	}
	t := &trial{
		judge: j, name: s.name, target: j.subject.element(view, f), view: view,
		rng: rand.New(rand.NewPCG(j.seed, s.number())),
	}
	if t.parts, err = attribution.FeaturesOf(view.Shape, j.patch); err != nil {
		return nil, err
	}
	j.features = t.parts.Names
	t.base = t.parts.Zero()
	if j.base == "mean" {
		t.base = t.parts.Mean(view.X)
	}
	n := t.parts.Len()
	t.model = attribution.Removable{View: view, Parts: t.parts, Base: t.base}
	if t.removals, err = eval.Remove(ctx, t.model, eval.RandomSets(t.rng, n, max(1, n/5), j.subsets)); err != nil {
		return nil, err
	}
	for _, l := range j.random {
		v, err := l.Look(ctx, f.tensors, &view.Target)
		if err != nil {
			return nil, err
		}
		t.random = append(t.random, v)
	}
	return t, nil
}

// methods are the rule maps, and what --method names.
func (t *trial) methods() ([]attribution.Method, error) {
	gradient, err := attribution.GradientInput()
	if err != nil {
		return nil, err
	}
	out := slices.Clone(t.maps)
	for _, name := range t.judge.methods {
		m, err := methodOf(name, gradient, t.parts, t.base, usual, t.rng)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// score explains by one method and computes the metrics.
func (t *trial) score(ctx context.Context, m attribution.Method) (scoreRow, error) {
	row := scoreRow{Sample: t.name, Method: m.Name, Target: t.target, Whole: figure(t.view.Score)}
	r, err := t.explain(ctx, m, t.view)
	if err == nil {
		err = row.faithfulness(ctx, t.model, r, t.removals, min(t.steps, t.parts.Len()))
	}
	if err == nil {
		err = t.robustness(ctx, m, r, &row)
	}
	if err != nil {
		return row, fmt.Errorf("%s: %w", m.Name, err)
	}
	return row, nil
}

// explain returns the relevance of the features.
func (t *trial) explain(ctx context.Context, m attribution.Method, v *attribution.View) ([]float64, error) {
	r, err := m.Explain(ctx, v)
	if err != nil {
		return nil, err
	}
	return t.parts.Sum(r), nil
}

// robustness explains the disturbed sample and the random models.
func (t *trial) robustness(ctx context.Context, m attribution.Method, r []float64, row *scoreRow) error {
	row.Sensitivity, row.Randomised = figure(math.NaN()), figure(math.NaN())
	if t.sensitivity > 0 {
		reach := t.noise * (slices.Max(t.view.X) - slices.Min(t.view.X))
		worst, err := eval.Sensitivity(ctx, r, t.sensitivity, func(ctx context.Context, _ int) ([]float64, error) {
			x := slices.Clone(t.view.X)
			for i := range x {
				x[i] += reach * (2*t.rng.Float64() - 1)
			}
			return t.explain(ctx, m, t.view.At(x))
		})
		if err != nil {
			return err
		}
		row.Sensitivity = figure(worst)
	}
	for _, v := range t.random {
		drawn, err := t.explain(ctx, m, v)
		if err != nil {
			return err
		}
		row.Randomised = figure(eval.Spearman(eval.Magnitudes(r), eval.Magnitudes(drawn)))
		row.Cascade = append(row.Cascade, row.Randomised)
	}
	return nil
}
