package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

func gelu(approximate string) func(b *ir.Builder, m *rewrite.Match) *ir.Value {
	return func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return b.OpA("Gelu", ir.Attrs{{Name: "approximate", Value: approximate}}, m.Get("x"))
	}
}

// The four spellings of GELU.
var (
	geluErf = &rewrite.Rule{
		Name: "gelu-erf",
		Doc:  "x/2 · (1 + erf(x/√2)), with the half anywhere, is Gelu",
		Match: rewrite.MustParse(`
			phi = Add (Erf (Div (x, 1.41421356) | Mul (x, 0.70710678)), 1)
			y = Mul (Mul (x, phi), 0.5) | Mul (Mul (x, 0.5), phi) | Mul (x, Mul (phi, 0.5)) | Div (Mul (x, phi), 2)
		`),
		With: gelu("none"),
	}

	geluErfScaled = &rewrite.Rule{
		Name: "gelu-erf-halves",
		Doc:  "x · (½ + ½ erf(x/√2)) is Gelu",
		Match: rewrite.MustParse(`
			y = Mul (x, Add (Mul (Erf (Div (x, 1.41421356) | Mul (x, 0.70710678)), 0.5), 0.5))
		`),
		With: gelu("none"),
	}

	geluTanh = &rewrite.Rule{
		Name: "gelu-tanh",
		Doc:  "x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))) is Gelu, tanh form",
		Match: rewrite.MustParse(`
			cube = Pow (x, 3) | Mul (x, Mul (x, x)) | Mul (Mul (x, x), x)
			inner = Add (x, Mul (cube, 0.044715)) | Add (x, Mul (x, Mul (Mul (x, x), 0.044715))) | Add (x, Mul (Mul (x, x), Mul (x, 0.044715)))
			phi = Add (Tanh (Mul (inner, 0.79788456)), 1)
			y = Mul (Mul (x, 0.5), phi) | Mul (Mul (x, phi), 0.5) | Mul (x, Mul (phi, 0.5))
		`),
		With: gelu("tanh"),
	}

	geluTanhCube = &rewrite.Rule{
		Name: "gelu-tanh-factored",
		Doc:  "x/2 · (1 + tanh(√(2/π) x (1 + 0.044715 x²))) is Gelu, tanh form",
		Match: rewrite.MustParse(`
			square = Pow (x, 2) | Mul (x, x)
			inner = Mul (Mul (x, 0.79788456), Add (Mul (square, 0.044715), 1)) | Mul (x, Mul (Add (Mul (square, 0.044715), 1), 0.79788456)) | Mul (Mul (x, Add (Mul (square, 0.044715), 1)), 0.79788456)
			phi = Add (Tanh (inner), 1)
			y = Mul (Mul (x, 0.5), phi) | Mul (Mul (x, phi), 0.5) | Mul (x, Mul (phi, 0.5))
		`),
		With: gelu("tanh"),
	}
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
		y = Div (Mul (x, c), 6) | Mul (x, Div (c, 6) | Mul (c, 0.16666667) | unit) | Mul (Mul (x, c), 0.16666667) | Mul (x, HardSigmoid <alpha = 0.16666667, beta = 0.5> (x))
	`),
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return b.Op("HardSwish", m.Get("x")) },
}
