package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// clip is how TensorFlow and old Caffe2 exports bound an activation: ReLU6 is
// min(max(x, 0), 6).
var clip = &rewrite.Rule{
	Name:  "clip",
	Doc:   "min(max(x, low), high) with constant bounds is Clip",
	Match: rewrite.MustParse(`y = Min (Max (x, low) | Relu (x), high) | Max (Min (x, high), low)`),
	If: func(m *rewrite.Match) error {
		_, low, high := clipped(m)
		var bounds [2]float64
		for i, v := range []*ir.Value{low, high} {
			if v == nil {
				continue // 0, of Relu
			}
			var ok bool
			if bounds[i], ok = rewrite.Constant(v).Item(); !ok {
				return fmt.Errorf("%s is not a constant scalar", v)
			}
		}
		if bounds[0] > bounds[1] {
			return fmt.Errorf("the bounds are %g and %g", bounds[0], bounds[1])
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		x, low, high := clipped(m)
		if low == nil {
			return b.Op("Clip", x, b.Scalar(0, x), scalar(b, high))
		}
		return b.Op("Clip", x, scalar(b, low), scalar(b, high))
	},
}

// scalar is a constant of one element as a constant without axes, which later
// patterns see as the number that it is.
func scalar(b *ir.Builder, v *ir.Value) *ir.Value {
	if v.Type.Rank() == 0 {
		return v
	}
	t := *rewrite.Constant(v)
	t.Shape = nil
	return b.Constant(&t)
}

// clipped returns the operands of a match of clip. Both orders of the inner
// operands match, and the first may have taken a bound for x.
func clipped(m *rewrite.Match) (x, low, high *ir.Value) {
	x, low, high = m.Get("x"), m.Get("low"), m.Get("high")
	switch {
	case rewrite.Constant(x) == nil:
	case low != nil && rewrite.Constant(low) == nil:
		return low, x, high
	case rewrite.Constant(high) == nil:
		return high, low, x
	}
	return x, low, high
}
