package cli

import (
	"io"
	"math"

	"github.com/lxtc/lxtc/eval"
)

// drawnFrom is the least number of samples whose confidence intervals are
// drawn: those of fewer hide the curves.
const drawnFrom = 5

// plot draws the mean curves of every method, with bands for what to compare them
// by.
func (s *scoreboard) plot(w io.Writer) error {
	var lines []eval.Line
	steps := 0 // of the sample with the most
	for i := range s.Rows {
		steps = max(steps, len(s.Rows[i].MoRFCurve))
	}
	for k, method := range s.methods() {
		lines = append(lines,
			eval.Line{Name: method + ", MoRF", Color: k, Scores: make([]float64, steps), Half: make([]float64, steps)},
			eval.Line{Name: method + ", LeRF", Color: k, Dashed: true, Scores: make([]float64, steps), Half: make([]float64, steps)})
	}
	for i := range steps {
		for k, x := range eval.Within(s.heights(float64(i) / float64(max(1, steps-1)))) {
			if x.N < drawnFrom {
				x.Half = math.NaN()
			}
			lines[k].Scores[i], lines[k].Half[i] = x.Mean, x.Half
		}
	}
	return eval.Plot(w, s.Model, s.Score+" of the target", lines)
}

// heights returns, for every method's two curves, where each sample is at a share of
// the features removed. What a method has no number for is NaN.
func (s *scoreboard) heights(share float64) [][]float64 {
	sample := map[string]int{}
	for i := range s.Rows {
		if _, known := sample[s.Rows[i].Sample]; !known {
			sample[s.Rows[i].Sample] = len(sample)
		}
	}
	var out [][]float64
	for _, method := range s.methods() {
		morf, lerf := make([]float64, len(sample)), make([]float64, len(sample))
		for k := range morf {
			morf[k], lerf[k] = math.NaN(), math.NaN()
		}
		for i := range s.Rows {
			if r := &s.Rows[i]; r.Method == method {
				k := sample[r.Sample]
				morf[k], lerf[k] = float64(height(r.MoRFCurve, share)), float64(height(r.LeRFCurve, share))
			}
		}
		out = append(out, morf, lerf)
	}
	return out
}
