package cli

import (
	"math"
	"testing"
)

// A sample of two features has a curve of three points, one of four has five.
func TestHeightOfACurve(t *testing.T) {
	for _, c := range []struct {
		curve []figure
		share float64
		want  figure
	}{
		{[]figure{4, 2, 1}, 0, 4},
		{[]figure{4, 2, 1}, 0.25, 3},
		{[]figure{4, 2, 1}, 0.5, 2},
		{[]figure{4, 2, 1}, 1, 1},
		{[]figure{7}, 1, 7},
		{nil, 0, figure(math.NaN())},
	} {
		if got := height(c.curve, c.share); got != c.want && !math.IsNaN(float64(c.want)) || math.IsNaN(float64(c.want)) != math.IsNaN(float64(got)) {
			t.Errorf("%v at %g: %v, want %v", c.curve, c.share, got, c.want)
		}
	}
}
