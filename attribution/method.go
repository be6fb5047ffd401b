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

	// Gradient is what the tensor is multiplied with, of a method that multiplies it
	// with something: Explain is x∘Gradient, or Gradient itself. Nil for others.
	Gradient func(ctx context.Context, v *View) ([]float64, error)
}

// Rules explains by a rule map.
func Rules(m *rules.Map, form passes.Form) Method {
	r := Method{Name: m.Name, Explain: func(ctx context.Context, v *View) ([]float64, error) {
		return v.Relevance(ctx, m, form)
	}}
	if form == passes.GradientForm {
		r.Gradient = func(ctx context.Context, v *View) ([]float64, error) { return v.Gradient(ctx, m) }
	}
	return r
}

// Gradient is the gradient by itself: how much the score would change.
func Gradient() (Method, error) {
	m, err := GradientInput()
	return Method{"gradient", m.Gradient, m.Gradient}, err
}

// GradientInput is the gradient times the input.
func GradientInput() (Method, error) {
	m, err := rules.Load("gradient-input")
	if err != nil {
		return Method{}, err
	}
	return Rules(m, passes.GradientForm), nil
}

// Integrated is IntegratedGradients of a method that has gradients, from base, or from
// 0 if that is nil.
func Integrated(of Method, base []float64, steps int) Method {
	return Method{Name: "integrated-gradients", Explain: func(ctx context.Context, v *View) ([]float64, error) {
		if of.Gradient == nil {
			return nil, fmt.Errorf("integrated gradients of %s, which has no gradients", of.Name)
		}
		return IntegratedGradients(ctx, v.by(of.Gradient), base, v.X, steps)
	}}
}

// Smoothed is SmoothGrad of another method.
func Smoothed(of Method, noise float64, samples int, rng *rand.Rand) Method {
	return Method{Name: "smoothgrad", Explain: func(ctx context.Context, v *View) ([]float64, error) {
		return SmoothGrad(ctx, v.by(of.Explain), v.X, noise, samples, rng)
	}}
}

// Occluded is Occlusion of features, spread evenly over the elements of each.
func Occluded(parts *Features, base []float64) Method {
	return Method{Name: "occlusion", Explain: func(ctx context.Context, v *View) ([]float64, error) {
		r, err := Occlusion(ctx, Removable{v, parts, base})
		return parts.Share(r), err
	}}
}

// RolledOut is Rollout from the last token of a text, or else from the first
// token, which is the class token of vision transformers and none of the
// features; spread evenly over the elements of each feature.
func RolledOut(parts *Features) Method {
	return Method{Name: "rollout", Explain: func(ctx context.Context, v *View) ([]float64, error) {
		position := -1
		if parts.Names != "tokens" {
			position = 0
		}
		r, err := Rollout(ctx, v.lens.whole, v.lens.backend, v.lens.opt.Run, v.in, v.lens.Tensor, position)
		if err != nil {
			return nil, err
		}
		own := parts
		if side := patchSide(v.Shape, len(r)-1); side > 0 { // what the model takes as a token is what it attends to
			if own, err = FeaturesOf(v.Shape, side); err != nil {
				return nil, err
			}
		}
		if len(r) == own.Len()+1 {
			r = r[1:]
		}
		if len(r) != own.Len() {
			return nil, fmt.Errorf("attention is over %d tokens, and there are %d %s: a patch must be what the model takes as a token", len(r), own.Len(), own.Names)
		}
		return own.Share(r), nil
	}}
}

// patchSide returns the side of n square patches that a square picture consists of, 0
// if it does not.
func patchSide(shape []int, n int) int {
	if len(shape) != 4 || shape[2] != shape[3] {
		return 0
	}
	for side := 1; side <= shape[2]; side++ {
		if across := shape[2] / side; across*side == shape[2] && across*across == n {
			return side
		}
	}
	return 0
}

// Random draws relevance from the normal distribution, for each feature: what
// any method must beat.
func Random(parts *Features, rng *rand.Rand) Method {
	return Method{Name: "random", Explain: func(context.Context, *View) ([]float64, error) {
		r := make([]float64, parts.Len())
		for i := range r {
			r[i] = rng.NormFloat64()
		}
		return parts.Share(r), nil
	}}
}

// by makes what a method does a function of the tensor.
func (v *View) by(explain func(ctx context.Context, v *View) ([]float64, error)) Relevance {
	return func(ctx context.Context, x []float64) ([]float64, error) { return explain(ctx, v.At(x)) }
}

// At returns the view of another value of the tensor, for the same target.
func (v *View) At(x []float64) *View {
	w := *v
	w.X = x
	return &w
}
