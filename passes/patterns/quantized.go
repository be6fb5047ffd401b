package patterns

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// QuantizedScale is the role of a product with scales, which makes floats of
// integers.
const QuantizedScale = "quantized.scale"

// scaledLinear names a dense layer of integers, whose scales stand between the
// product and the bias. It leaves them there: integers are multiplied without
// rounding, and numbers that are scaled before are not.
var scaledLinear = &rewrite.Rule{
	Name: "scaled-linear",
	Doc:  "a product of integers with a constant, scaled, plus a bias, is that of lxt.Linear",
	Match: rewrite.MustParse(`
		x = lxt.FakeQuantize (_, _, 1, ...)
		w = DequantizeLinear (_, ones, ...)
		p = MatMul (x, w)
		scale = Mul (_, _)
		y = Add (Mul (p, scale), b)
	`),
	If: func(m *rewrite.Match) error {
		w := m.Get("w")
		switch {
		case !allOnes(m.Get("ones")):
			return fmt.Errorf("%s is scaled", w)
		case !IsWeight(w):
			return fmt.Errorf("%s is no weight", w)
		case w.Type.Rank() != 2:
			return fmt.Errorf("%s is %s, want a matrix", w, w.Type)
		}
		return rowVector(m.Get("b"), m.Root.Out[0].Type)
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		layer := b.Node(ir.OpName{Domain: "lxt", Name: "Linear"}, nil, m.Get("x"), m.Get("w"))
		layer.Name = m.Get("p").Def.Name
		y := b.Mul(layer.Out[0], m.Get("scale"))
		y.Def.Role = QuantizedScale
		return b.Add(y, m.Get("b"))
	},
}

func allOnes(v *ir.Value) bool {
	t := rewrite.Constant(v)
	if t == nil {
		return false
	}
	fs, err := t.Float64s()
	return err == nil && !slices.ContainsFunc(fs, func(f float64) bool { return f != 1 })
}
