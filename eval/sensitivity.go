package eval

import (
	"context"
	"math"
)

// Sensitivity is the greatest change of relevance, relative in the Euclidean
// norm, over the given number of disturbed inputs: 0 is best (max-sensitivity,
// Yeh et al. 2019). disturbed returns the relevance of the k-th of them; how
// much it disturbs is the caller's choice and part of the result's meaning.
func Sensitivity(ctx context.Context, relevance []float64, count int, disturbed func(ctx context.Context, k int) ([]float64, error)) (float64, error) {
	norm := length(relevance)
	if norm == 0 {
		norm = 1
	}
	var worst float64
	for k := range count {
		r, err := disturbed(ctx, k)
		if err != nil {
			return 0, err
		}
		d := make([]float64, len(relevance))
		for i := range d {
			d[i] = r[i] - relevance[i]
		}
		change := length(d) / norm
		if math.IsNaN(change) {
			return change, nil
		}
		worst = max(worst, change)
	}
	return worst, nil
}

func length(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}
