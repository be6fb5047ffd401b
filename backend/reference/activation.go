package reference

import (
	"math"

	"github.com/lxtc/lxtc/ir"
)

var activationKernels = map[string]kernel{
	"Relu":     unary(func(x float64) float64 { return max(x, 0) }, func(x int64) int64 { return max(x, 0) }),
	"Sigmoid":  unary(sigmoid, nil),
	"Tanh":     unary(math.Tanh, nil),
	"Softplus": unary(softplus, nil),
	"Softsign": unary(func(x float64) float64 { return x / (1 + math.Abs(x)) }, nil),
	"HardSwish": unary(func(x float64) float64 {
		return x * max(0, min(1, x/6+0.5))
	}, nil),
	"Mish": unary(func(x float64) float64 { return x * math.Tanh(softplus(x)) }, nil),
	"Gelu": func(n *ir.Node, in []*Array) ([]*Array, error) {
		if n.Attrs.String("approximate", "none") == "tanh" {
			return unary(geluTanh, nil)(n, in)
		}
		return unary(func(x float64) float64 { return x * 0.5 * (1 + math.Erf(x/math.Sqrt2)) }, nil)(n, in)
	},
	"LeakyRelu": withAlpha(leaky),
	"Swish":     withAlpha(func(x, alpha float64) float64 { return x * sigmoid(alpha*x) }),
	"ThresholdedRelu": func(n *ir.Node, in []*Array) ([]*Array, error) {
		alpha := float64(n.Attrs.Float("alpha", 1))
		return unary(func(x float64) float64 {
			if x > alpha {
				return x
			}
			return 0
		}, nil)(n, in)
	},
	"Elu": withAlpha(func(x, alpha float64) float64 {
		if x < 0 {
			return alpha * math.Expm1(x)
		}
		return x
	}),
	"Celu": withAlpha(func(x, alpha float64) float64 {
		return max(0, x) + min(0, alpha*math.Expm1(x/alpha))
	}),
	"Selu": func(n *ir.Node, in []*Array) ([]*Array, error) {
		alpha := float64(n.Attrs.Float("alpha", 1.67326319217681884765625))
		gamma := float64(n.Attrs.Float("gamma", 1.05070102214813232421875))
		return unary(func(x float64) float64 {
			if x < 0 {
				return gamma * alpha * math.Expm1(x)
			}
			return gamma * x
		}, nil)(n, in)
	},
	"Shrink": func(n *ir.Node, in []*Array) ([]*Array, error) {
		limit, bias := float64(n.Attrs.Float("lambd", 0.5)), float64(n.Attrs.Float("bias", 0))
		return unary(func(x float64) float64 {
			if math.Abs(x) > limit {
				return x - math.Copysign(1, x)*bias
			}
			return 0
		}, nil)(n, in)
	},
	"HardSigmoid": func(n *ir.Node, in []*Array) ([]*Array, error) {
		alpha, beta := attribute(n, "alpha"), attribute(n, "beta")
		return unary(func(x float64) float64 { return max(0, min(1, alpha*x+beta)) }, nil)(n, in)
	},
}

// withAlpha returns the kernel of a function with a parameter, attribute alpha.
func withAlpha(f func(x, alpha float64) float64) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		alpha := attribute(n, "alpha")
		return unary(func(x float64) float64 { return f(x, alpha) }, nil)(n, in)
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func geluTanh(x float64) float64 {
	u := math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)
	return 0.5 * x * (1 + math.Tanh(u))
}
