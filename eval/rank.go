package eval

import (
	"cmp"
	"math"
	"slices"
)

// Spearman is the correlation of the ranks of x and y, equals sharing the mean
// of theirs. Of |relevance| before and after the model's parameters are drawn
// anew it should be near 0 (Adebayo et al. 2018).
func Spearman(x, y []float64) float64 { return Pearson(ranks(x), ranks(y)) }

// Magnitudes returns |x|.
func Magnitudes(x []float64) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = math.Abs(x[i])
	}
	return y
}

func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	out := make([]float64, len(x))
	for start := 0; start < len(order); {
		end := start + 1
		for end < len(order) && x[order[end]] == x[order[start]] {
			end++
		}
		for _, i := range order[start:end] {
			out[i] = float64(start+end-1) / 2
		}
		start = end
	}
	return out
}
