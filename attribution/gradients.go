package attribution

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Relevance explains a tensor at x: element by element, it says how much each
// contributed to the score.
type Relevance func(ctx context.Context, x []float64) ([]float64, error)

// IntegratedGradients integrates gradients from base to x, in steps, at the right end
// of each: x - base times their mean (Sundararajan et al. 2017, as zennit does it). A
// base of nil is 0. The gradient may be one that a rule map modifies.
func IntegratedGradients(ctx context.Context, gradient Relevance, base, x []float64, steps int) ([]float64, error) {
	if base == nil {
		base = make([]float64, len(x))
	}
	if steps < 1 || len(base) != len(x) {
		return nil, fmt.Errorf("integrated gradients in %d steps from %d numbers to %d", steps, len(base), len(x))
	}
	sum := make([]float64, len(x))
	at := make([]float64, len(x))
	for k := 1; k <= steps; k++ {
		alpha := float64(k) / float64(steps)
		for i := range x {
			at[i] = base[i] + alpha*(x[i]-base[i])
		}
		g, err := gradient(ctx, at)
		if err != nil {
			return nil, err
		}
		for i := range sum {
			sum[i] += (x[i] - base[i]) * g[i] / float64(steps)
		}
	}
	return sum, nil
}

// SmoothGrad is the mean relevance of x with noise of the normal distribution,
// whose deviation is the given share of the range of x; the last of the
// samples has none, as in zennit (Smilkov et al. 2017). It is a mean of
// relevance, where the original is one of gradients.
func SmoothGrad(ctx context.Context, relevance Relevance, x []float64, noise float64, samples int, rng *rand.Rand) ([]float64, error) {
	if samples < 1 || !(noise >= 0) {
		return nil, fmt.Errorf("SmoothGrad of %d samples with noise %g", samples, noise)
	}
	sigma := noise * (slices.Max(x) - slices.Min(x))
	sum := make([]float64, len(x))
	for k := range samples {
		noisy := slices.Clone(x)
		if k < samples-1 {
			for i := range noisy {
				noisy[i] += sigma * rng.NormFloat64()
			}
		}
		r, err := relevance(ctx, noisy)
		if err != nil {
			return nil, err
		}
		for i := range sum {
			sum[i] += r[i] / float64(samples)
		}
	}
	return sum, nil
}
