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

// IntegratedGradients integrates gradients from 0 to x, in steps, at the right
// end of each: x times their mean (Sundararajan et al. 2017, as zennit does
// it). relevance must be x times a gradient, which gradient-input is, and so is
// any rule map in gradient form: the gradient at αx is the relevance there over
// αx.
func IntegratedGradients(ctx context.Context, relevance Relevance, x []float64, steps int) ([]float64, error) {
	if steps < 1 {
		return nil, fmt.Errorf("integrated gradients in %d steps", steps)
	}
	sum := make([]float64, len(x))
	scaled := make([]float64, len(x))
	for k := 1; k <= steps; k++ {
		alpha := float64(k) / float64(steps)
		for i := range x {
			scaled[i] = alpha * x[i]
		}
		r, err := relevance(ctx, scaled)
		if err != nil {
			return nil, err
		}
		for i := range sum {
			sum[i] += r[i] / alpha / float64(steps)
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
