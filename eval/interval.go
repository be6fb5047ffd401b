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
