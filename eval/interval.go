package eval

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// An Interval is a mean over samples with its 95 % confidence interval, mean ±
// Half, by Student's t. With fewer than two samples Half is NaN.
type Interval struct {
	Mean, Half float64
	N          int // samples; those without a number, NaN, do not count
}

// Mean returns the mean of the samples.
func Mean(samples []float64) Interval {
	var x []float64
	for _, v := range samples {
		if !math.IsNaN(v) {
			x = append(x, v)
		}
	}
	n := len(x)
	if n == 0 {
		return Interval{math.NaN(), math.NaN(), 0}
	}
	mean := stat.Mean(x, nil)
	if n == 1 {
		return Interval{mean, math.NaN(), 1}
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.Quantile(0.975)
	return Interval{mean, t * stat.StdDev(x, nil) / math.Sqrt(float64(n)), n}
}

// Within returns the means of several measurements of the same samples, one row a
// measurement, with intervals to compare them by: what all measurements of a sample
// have in common, such as an output that is large there, is taken out first (Cousineau
// 2005, with the correction of Morey 2008). Samples that a measurement has no number
// for, NaN, do not count at all.
func Within(rows [][]float64) []Interval {
	out := make([]Interval, len(rows))
	var common []float64 // the mean of all measurements of a sample
	complete := make([][]float64, len(rows))
	for k := range rows {
		out[k] = Mean(rows[k])
	}
	if len(rows) < 2 {
		return out
	}
	for sample := range rows[0] {
		sum := 0.0
		for _, row := range rows {
			sum += row[sample]
		}
		if math.IsNaN(sum) {
			continue
		}
		common = append(common, sum/float64(len(rows)))
		for k, row := range rows {
			complete[k] = append(complete[k], row[sample])
		}
	}
	correction := math.Sqrt(float64(len(rows)) / float64(len(rows)-1))
	for k := range rows {
		own := make([]float64, len(common))
		for i, x := range complete[k] {
			own[i] = x - common[i]
		}
		within := Mean(own)
		out[k].Half, out[k].N = correction*within.Half, within.N
	}
	return out
}
