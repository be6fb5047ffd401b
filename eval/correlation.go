package eval

import (
	"context"
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

// Removals are sets of features and by how much the score drops without each:
// what Correlation and Infidelity hold relevance to. They do not depend on it,
// and serve any number of explanations.
type Removals struct {
	sets  []Set
	falls []float64
}

// Remove removes each of the sets.
func Remove(ctx context.Context, m Model, sets []Set) (*Removals, error) {
	scores, err := m.Scores(ctx, append([]Set{make(Set, m.Features())}, sets...))
	if err != nil {
		return nil, err
	}
	r := &Removals{sets: sets, falls: make([]float64, len(sets))}
	for k := range sets {
		r.falls[k] = scores[0] - scores[k+1]
	}
	return r, nil
}

// sums returns the relevance in each set.
func (r *Removals) sums(relevance []float64) []float64 {
	out := make([]float64, len(r.sets))
	for k, set := range r.sets {
		for i, in := range set {
			if in {
				out[k] += relevance[i]
			}
		}
	}
	return out
}

// Correlation is Pearson's, over the sets, of the relevance of the features
// removed and the drop of the score: 1 is best (faithfulness correlation, Bhatt
// et al. 2020; with Singles the faithfulness estimate of Alvarez-Melis and
// Jaakkola 2018). NaN if either does not vary. It panics if there are not as
// many relevances as features.
func (r *Removals) Correlation(relevance []float64) float64 {
	return Pearson(r.sums(relevance), r.falls)
}

// Infidelity is the mean, over the sets, of the squared difference of the
// relevance removed and the drop of the score: 0 is best, in units of the score
// squared (Yeh et al. 2019, with removal as the perturbation). Relevance may be
// off by a factor and still rank features well; the best factor is applied
// first, as Captum does on request. Quantus lets its blocks pile up instead,
// and is not matched here. It panics like Correlation.
func (r *Removals) Infidelity(relevance []float64) float64 {
	sums := r.sums(relevance)
	var both, square float64
	for k := range sums {
		both += sums[k] * r.falls[k]
		square += sums[k] * sums[k]
	}
	factor := 1.0
	if square > 0 {
		factor = both / square
	}
	var total float64
	for k := range sums {
		d := factor*sums[k] - r.falls[k]
		total += d * d
	}
	return total / float64(len(sums))
}

// Pearson is the linear correlation of x and y; NaN if either is constant.
func Pearson(x, y []float64) float64 {
	if len(x) < 2 {
		return math.NaN()
	}
	return stat.Correlation(x, y, nil)
}
