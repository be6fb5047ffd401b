package patterns

import (
	"math"

	"github.com/lxtc/lxtc/ir"
)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// softplus is log(1 + exp(x)) without its overflow.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func elu(x, alpha float64) float64 {
	if x > 0 {
		return x
	}
	return alpha * math.Expm1(x)
}

func float(name string, f float64) ir.Attr { return ir.Attr{Name: name, Value: float32(f)} }

// geluTolerance is how far values may be from GELU's: half-precision models
// hold 0.044715 and √(2/π) with errors of 1e-3, which move it by 6e-4. Its two
// forms are 5e-4 apart, so the nearer one is meant.
const geluTolerance = 1e-3

// geluForms are GELU and its approximation.
func geluForms(unary) []candidate {
	form := func(name string) ir.Attrs { return ir.Attrs{{Name: "approximate", Value: name}} }
	return []candidate{
		{func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }, form("none")},
		{func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) }, form("tanh")},
	}
}

// anySwish has the α that makes the value at 1 right.
func anySwish(u unary) []candidate {
	y := u.at(1)
	if !(y > 0.5 && y < 1) { // α is positive
		return nil
	}
	alpha := math.Log(y / (1 - y))
	return []candidate{{func(x float64) float64 { return x * sigmoid(alpha*x) }, ir.Attrs{float("alpha", alpha)}}}
}

// hardSigmoids are PyTorch's and Keras's.
func hardSigmoids(unary) []candidate {
	of := func(alpha float64) candidate {
		return candidate{func(x float64) float64 { return min(max(alpha*x+0.5, 0), 1) }, ir.Attrs{float("alpha", alpha), float("beta", 0.5)}}
	}
	return []candidate{of(1. / 6), of(0.2)}
}

// leakyRelus have the slope that makes the value at -1 right.
func leakyRelus(u unary) []candidate {
	alpha := -u.at(-1)
	if !(alpha > 0 && alpha < 0.99) { // x + 1e-6 is none
		return nil
	}
	return []candidate{{func(x float64) float64 { return max(x, 0) + alpha*min(x, 0) }, ir.Attrs{float("alpha", alpha)}}}
}

// elus have the limit that makes the value at -30 right.
func elus(u unary) []candidate {
	alpha := -u.at(-30)
	if !(alpha > 0) {
		return nil
	}
	return []candidate{{func(x float64) float64 { return elu(x, alpha) }, ir.Attrs{float("alpha", alpha)}}}
}

// shrinks have a λ that stands in the spelling.
func shrinks(u unary) (cs []candidate) {
	for _, lambda := range u.numbers() {
		if lambda <= 0 {
			continue
		}
		for _, bias := range []float64{0, lambda} {
			cs = append(cs, candidate{func(x float64) float64 {
				switch {
				case x > lambda:
					return x - bias
				case x < -lambda:
					return x + bias
				}
				return 0
			}, ir.Attrs{float("bias", bias), float("lambd", lambda)}})
		}
	}
	return cs
}
