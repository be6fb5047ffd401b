package eval

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Order returns the features from the most to the least relevant. Of equals the
// first comes first.
func Order(relevance []float64) []int {
	order := make([]int, len(relevance))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(relevance[b], relevance[a]) })
	return order
}

// Curve returns the score while features are removed in the given order: steps
// + 1 values, of which the first is that of the whole input and the last that
// of nothing. It is pixel flipping (Bach et al. 2015), and region perturbation
// (Samek et al. 2017) where features are patches.
func Curve(ctx context.Context, m Model, order []int, steps int) ([]float64, error) {
	n := m.Features()
	if len(order) != n {
		return nil, fmt.Errorf("an order of %d features for a model of %d", len(order), n)
	}
	if steps < 1 || steps > n {
		return nil, fmt.Errorf("%d steps for %d features; want 1 to %d", steps, n, n)
	}
	sets := make([]Set, steps+1)
	for k := range sets {
		sets[k] = make(Set, n)
		for _, i := range order[:k*n/steps] {
			sets[k][i] = true
		}
	}
	return m.Scores(ctx, sets)
}

// Area returns the mean height of a curve over the share of features removed,
// from 0 to 1, by trapezoids.
func Area(curve []float64) float64 {
	var sum float64
	for i := 1; i < len(curve); i++ {
		sum += (curve[i-1] + curve[i]) / 2
	}
	return sum / float64(len(curve)-1)
}

// Perturbation is what removing features does to the score.
type Perturbation struct {
	MoRF []float64 // most relevant first
	LeRF []float64 // least relevant first
}

// Gap is the area between the curves, LeRF - MoRF, in units of the score: the
// greater the more faithful, and 0 on average where relevance is random (ABPC,
// Schulz et al. 2020; ΔA^F of Achtibat et al. 2024).
func (p Perturbation) Gap() float64 { return Area(p.LeRF) - Area(p.MoRF) }

// Perturb removes the features from the most and from the least relevant on.
func Perturb(ctx context.Context, m Model, relevance []float64, steps int) (Perturbation, error) {
	order := Order(relevance)
	var p Perturbation
	var err error
	if p.MoRF, err = Curve(ctx, m, order, steps); err != nil {
		return p, err
	}
	slices.Reverse(order)
	p.LeRF, err = Curve(ctx, m, order, steps)
	return p, err
}
