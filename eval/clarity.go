package eval

import (
	"math"
	"slices"
)

// Gini is the Gini index of |relevance|: 0 if all features have the same, near
// 1 if few have all (sparseness, Chalasani et al. 2020). Quantus adds 1e-7 to
// every magnitude, which matters only where all are 0; here that is NaN.
func Gini(relevance []float64) float64 {
	a := Magnitudes(relevance)
	slices.Sort(a)
	var weighted, sum float64
	n := len(a)
	for i, v := range a {
		weighted += float64(2*(i+1)-n-1) * v
		sum += v
	}
	return weighted / (float64(n) * sum)
}

// Entropy is that of the shares of |relevance|, in nats: 0 if one feature has
// all, ln n if all have the same (complexity, Bhatt et al. 2020).
func Entropy(relevance []float64) float64 {
	a := Magnitudes(relevance)
	var sum, h float64
	for _, v := range a {
		sum += v
	}
	for _, v := range a {
		if p := v / sum; p > 0 {
			h -= p * math.Log(p)
		}
	}
	if sum == 0 {
		return math.NaN()
	}
	return h
}
