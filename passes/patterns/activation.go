package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// swish is x·sigmoid(x), also called SiLU.
var swish = &rewrite.Rule{
	Name:  "swish",
	Doc:   "x · sigmoid(x) is Swish (SiLU)",
	Match: rewrite.MustParse(`y = Mul (x, Sigmoid (x))`),
	With:  func(b *ir.Builder, m *rewrite.Match) *ir.Value { return b.Op("Swish", m.Get("x")) },
}

// quickGelu is x·sigmoid(αx); CLIP has α = 1.702.
var quickGelu = &rewrite.Rule{
	Name:  "quick-gelu",
	Doc:   "x · sigmoid(α x) is Swish with α",
	Match: rewrite.MustParse(`y = Mul (x, Sigmoid (Mul (x, alpha)))`),
	If: func(m *rewrite.Match) error {
		a, err := m.Scalar("alpha")
		if err == nil && a <= 0 {
			err = fmt.Errorf("alpha is %g", a)
		}
		return err
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		a, _ := m.Scalar("alpha")
		return b.OpA("Swish", ir.Attrs{{Name: "alpha", Value: float32(a)}}, m.Get("x"))
	},
}

// mish is spelled with or without Softplus.
var mish = &rewrite.Rule{
	Name:  "mish",
	Doc:   "x · tanh(softplus(x)) is Mish",
	Match: rewrite.MustParse(`y = Mul (x, Tanh (Softplus (x) | Log (Add (Exp (x), 1))))`),
	With:  func(b *ir.Builder, m *rewrite.Match) *ir.Value { return b.Op("Mish", m.Get("x")) },
}

// hardSwish as MobileNetV3 and EfficientNet-Lite exports spell it.
var hardSwish = &rewrite.Rule{
	Name: "hard-swish",
	Doc:  "x · clip(x + 3, 0, 6) / 6 is HardSwish",
	Match: rewrite.MustParse(`
		c = Clip (Add (x, 3), 0, 6)
		unit = Clip (Add (Div (x, 6) | Mul (x, 0.16666667), 0.5), 0, 1)
		y = Div (Mul (x, c), 6) | Mul (x, Div (c, 6) | Mul (c, 0.16666667) | unit) | Mul (Mul (x, c), 0.16666667) | Mul (x, HardSigmoid <alpha = 0.16666667> (x))
	`),
	If: func(m *rewrite.Match) error {
		for _, n := range m.Nodes {
			if beta := n.Attrs.Float("beta", 0.5); n.Op.Name == "HardSigmoid" && beta != 0.5 {
				return fmt.Errorf("beta of %v is %g", n, beta)
			}
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return b.Op("HardSwish", m.Get("x")) },
}

// softsign is an operator that PyTorch's exporters do not use.
var softsign = &rewrite.Rule{
	Name:  "softsign",
	Doc:   "x / (1 + |x|) is Softsign",
	Match: rewrite.MustParse(`y = Div (x, Add (Abs (x), 1))`),
	With:  func(b *ir.Builder, m *rewrite.Match) *ir.Value { return b.Op("Softsign", m.Get("x")) },
}
