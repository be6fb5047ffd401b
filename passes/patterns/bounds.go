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
	Match: rewrite.MustParse(`y = Min (Max (x, low), high) | Max (Min (x, high), low)`),
	If: func(m *rewrite.Match) error {
		_, low, high := clipped(m)
		var bounds [2]float64
		for i, v := range []*ir.Value{low, high} {
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
	case rewrite.Constant(low) == nil:
		return low, x, high
	case rewrite.Constant(high) == nil:
		return high, low, x
	}
	return x, low, high
}

// relu is the same without an upper bound.
var relu = &rewrite.Rule{
	Name:  "relu",
	Doc:   "max(x, 0) is Relu",
	Match: rewrite.MustParse(`y = Max (x, 0)`),
	If: func(m *rewrite.Match) error {
		if x := m.Get("x"); !x.Type.Elem.IsFloat() {
			return fmt.Errorf("%s is %s", x, x.Type.Elem) // a size, for which runtimes have no Relu
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return b.Op("Relu", m.Get("x")) },
}

// leakyRelu is spelled with Max, which holds for slopes below one.
var leakyRelu = &rewrite.Rule{
	Name:  "leaky-relu",
	Doc:   "max(x, α x) is LeakyRelu",
	Match: rewrite.MustParse(`y = Max (x, Mul (x, alpha))`),
	If: func(m *rewrite.Match) error {
		a, err := m.Scalar("alpha")
		if err == nil && (a <= 0 || a >= 1) {
			err = fmt.Errorf("alpha is %g", a)
		}
		return err
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		a, _ := m.Scalar("alpha")
		return b.OpA("LeakyRelu", ir.Attrs{{Name: "alpha", Value: float32(a)}}, m.Get("x"))
	},
}

// hardSigmoid is what is left of such a gate when hardSwish has taken its
// products: the gate of a squeeze-and-excitation block.
var hardSigmoid = &rewrite.Rule{
	Name: "hard-sigmoid",
	Doc:  "clip(x + 3, 0, 6) / 6 is HardSigmoid",
	Match: rewrite.MustParse(`
		c = Clip (Add (x, 3), 0, 6)
		y = Div (c, 6) | Mul (c, 0.16666667) | Clip (Add (Div (x, 6) | Mul (x, 0.16666667), 0.5), 0, 1)
	`),
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return b.OpA("HardSigmoid", ir.Attrs{{Name: "alpha", Value: float32(1) / 6}, {Name: "beta", Value: float32(0.5)}}, m.Get("x"))
	},
}
