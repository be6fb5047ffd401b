package eval

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"
)

// Singles returns the sets of one feature each.
func Singles(n int) []Set {
	sets := make([]Set, n)
	for i := range sets {
		sets[i] = make(Set, n)
		sets[i][i] = true
	}
	return sets
}

// RandomSets draws sets of the given size out of n features.
func RandomSets(rng *rand.Rand, n, size, count int) []Set {
	sets := make([]Set, count)
	for k := range sets {
		sets[k] = make(Set, n)
		for _, i := range rng.Perm(n)[:min(size, n)] {
			sets[k][i] = true
		}
	}
	return sets
}

// drops returns, for each set, the sum of its relevance and by how much the
// score drops without its features.
func drops(ctx context.Context, m Model, relevance []float64, sets []Set) (sums, fall []float64, err error) {
	if len(relevance) != m.Features() {
		return nil, nil, fmt.Errorf("relevance of %d features for a model of %d", len(relevance), m.Features())
	}
	whole := make(Set, m.Features())
	scores, err := m.Scores(ctx, append([]Set{whole}, sets...))
	if err != nil {
		return nil, nil, err
	}
	for k, s := range sets {
		var sum float64
		for i, in := range s {
			if in {
				sum += relevance[i]
			}
		}
		sums, fall = append(sums, sum), append(fall, scores[0]-scores[k+1])
	}
	return sums, fall, nil
}

// Correlation is Pearson's, over the sets, of the relevance of the features
// removed and the drop of the score: 1 is best (faithfulness correlation, Bhatt
// et al. 2020; with Singles the faithfulness estimate of Alvarez-Melis and
// Jaakkola 2018). NaN if either does not vary.
func Correlation(ctx context.Context, m Model, relevance []float64, sets []Set) (float64, error) {
	sums, fall, err := drops(ctx, m, relevance, sets)
	if err != nil {
		return 0, err
	}
	return Pearson(sums, fall), nil
}

// Infidelity is the mean, over the sets, of the squared difference of the
// relevance removed and the drop of the score: 0 is best, in units of the score
// squared (Yeh et al. 2019, with removal as the perturbation). Relevance may be
// off by a factor and still rank features well; the best factor is applied
// first, as Captum does on request. Quantus lets its blocks pile up instead,
// and is not matched here.
func Infidelity(ctx context.Context, m Model, relevance []float64, sets []Set) (float64, error) {
	sums, fall, err := drops(ctx, m, relevance, sets)
	if err != nil {
		return 0, err
	}
	var both, square float64
	for k := range sums {
		both += sums[k] * fall[k]
		square += sums[k] * sums[k]
	}
	factor := 1.0
	if square > 0 {
		factor = both / square
	}
	var total float64
	for k := range sums {
		d := factor*sums[k] - fall[k]
		total += d * d
	}
	return total / float64(len(sums)), nil
}

// Pearson is the linear correlation of x and y; NaN if either is constant.
func Pearson(x, y []float64) float64 {
	if len(x) < 2 {
		return math.NaN()
	}
	return stat.Correlation(x, y, nil)
}
