package attribution

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A Method explains what a View sees: the relevance of each element of its
// tensor.
type Method struct {
	Name    string
	Explain func(ctx context.Context, v *View) ([]float64, error)
}

// Rules explains by a rule map.
func Rules(m *rules.Map, form passes.Form) Method {
	return Method{m.Name, func(ctx context.Context, v *View) ([]float64, error) {
		return v.Relevance(ctx, m, form)
	}}
}

// GradientInput is the gradient times the input.
func GradientInput() (Method, error) {
	m, err := rules.Load("gradient-input")
	if err != nil {
		return Method{}, err
	}
	return Rules(m, passes.GradientForm), nil
}

// Integrated is IntegratedGradients of another method.
func Integrated(of Method, steps int) Method {
	return Method{"integrated-gradients", func(ctx context.Context, v *View) ([]float64, error) {
		return IntegratedGradients(ctx, v.by(of), v.X, steps)
	}}
}

// Smoothed is SmoothGrad of another method.
func Smoothed(of Method, noise float64, samples int, rng *rand.Rand) Method {
	return Method{"smoothgrad", func(ctx context.Context, v *View) ([]float64, error) {
		return SmoothGrad(ctx, v.by(of), v.X, noise, samples, rng)
	}}
}

// Occluded is Occlusion of features, spread evenly over the elements of each.
func Occluded(parts *Features, base []float64) Method {
	return Method{"occlusion", func(ctx context.Context, v *View) ([]float64, error) {
		r, err := Occlusion(ctx, Removable{v, parts, base})
		return parts.Share(r), err
	}}
}

// RolledOut is Rollout from the last token of a text, or else from the first
// token, which is the class token of vision transformers and none of the
// features; spread evenly over the elements of each feature.
func RolledOut(parts *Features) Method {
	return Method{"rollout", func(ctx context.Context, v *View) ([]float64, error) {
		position := -1
		if parts.Names != "tokens" {
			position = 0
		}
		r, err := Rollout(ctx, v.lens.whole, v.lens.backend, v.lens.opt.Run, v.in, v.lens.Tensor, position)
		if err != nil {
			return nil, err
		}
		if len(r) == parts.Len()+1 {
			r = r[1:]
		}
		if len(r) != parts.Len() {
			return nil, fmt.Errorf("attention is over %d tokens, and there are %d %s: a patch must be what the model takes as a token", len(r), parts.Len(), parts.Names)
		}
		return parts.Share(r), nil
	}}
}

// Random draws relevance from the normal distribution, for each feature: what
// any method must beat.
func Random(parts *Features, rng *rand.Rand) Method {
	return Method{"random", func(context.Context, *View) ([]float64, error) {
		r := make([]float64, parts.Len())
		for i := range r {
			r[i] = rng.NormFloat64()
		}
		return parts.Share(r), nil
	}}
}

// by makes a method a function of the tensor.
func (v *View) by(m Method) Relevance {
	return func(ctx context.Context, x []float64) ([]float64, error) { return m.Explain(ctx, v.At(x)) }
}

// At returns the view of another value of the tensor, for the same target.
func (v *View) At(x []float64) *View {
	w := *v
	w.X = x
	return &w
}
