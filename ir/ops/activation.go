package ops

import (
	"math"

	"github.com/lxtc/lxtc/ir"
)

// activationOps are the nonlinearities between layers. Where f(0) = 0 they
// have a secant, which the identity rule of relevance needs.
func activationOps() []*ir.Op {
	return []*ir.Op{
		relu, leakyRelu, thresholdedRelu, elu, selu, celu,
		sigmoid, tanh, softplus, softsign, hardSigmoid,
		gelu, swish, hardSwish, mish, shrink, swiGLU,
	}
}

var relu = activation{
	name: "Relu", since: 6, doc: "max(x, 0)",
	grad:   func(b *ir.Builder, n *ir.Node) *ir.Value { return step(b, n.In[0], 0) },
	secant: func(b *ir.Builder, n *ir.Node) *ir.Value { return step(b, n.In[0], 0) },
}.op()

var leakyRelu = activation{
	name: "LeakyRelu", since: 6, doc: "x if x > 0, else alpha · x",
	grad:   leakySlope,
	secant: leakySlope,
	body: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x := n.In[0]
		return b.Op("Where", positive(b, x), x, b.Mul(x, b.Scalar(written(n, "alpha", 0.01), x)))
	},
}.op()

func leakySlope(b *ir.Builder, n *ir.Node) *ir.Value {
	x := n.In[0]
	return b.Op("Where", positive(b, x), b.Scalar(1, x), b.Scalar(written(n, "alpha", 0.01), x))
}

var thresholdedRelu = activation{
	name: "ThresholdedRelu", since: 10, doc: "x if x > alpha, else 0",
	grad:   func(b *ir.Builder, n *ir.Node) *ir.Value { return step(b, n.In[0], attr(n, "alpha", 1)) },
	secant: func(b *ir.Builder, n *ir.Node) *ir.Value { return step(b, n.In[0], attr(n, "alpha", 1)) },
	body: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x := n.In[0]
		return maskBy(b, b.Op("Greater", x, b.Scalar(attr(n, "alpha", 1), x)), x)
	},
}.op()

// elu and its kin take the derivative for x ≤ 0 from the output, which cannot
// overflow: alpha · exp(x) = y + alpha.
var elu = activation{
	name: "Elu", since: 6, doc: "x if x > 0, else alpha · (exp(x) - 1)",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x, y := n.In[0], n.Out[0]
		return b.Op("Where", positive(b, x), b.Scalar(1, x), b.Add(y, b.Scalar(written(n, "alpha", 1), x)))
	},
	secant: func(b *ir.Builder, n *ir.Node) *ir.Value { return quotient(b, n, 1) },
	body: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x := n.In[0]
		return b.Op("Where", positive(b, x), x, b.Scale(expm1(b, x), written(n, "alpha", 1)))
	},
}.op()

// The constants of self-normalising networks as ONNX gives them.
const (
	seluAlpha = 1.67326319217681884765625
	seluGamma = 1.05070102214813232421875
)

var selu = activation{
	name: "Selu", since: 6, doc: "gamma · x if x > 0, else gamma · alpha · (exp(x) - 1)",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x, y := n.In[0], n.Out[0]
		alpha, gamma := attr(n, "alpha", seluAlpha), attr(n, "gamma", seluGamma)
		return b.Op("Where", positive(b, x), b.Scalar(gamma, x), b.Add(y, b.Scalar(alpha*gamma, x)))
	},
	secant: func(b *ir.Builder, n *ir.Node) *ir.Value { return quotient(b, n, attr(n, "gamma", seluGamma)) },
	body: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x := n.In[0]
		alpha, gamma := attr(n, "alpha", seluAlpha), attr(n, "gamma", seluGamma)
		return b.Op("Where", positive(b, x), b.Scale(x, gamma), b.Scale(expm1(b, x), gamma*alpha))
	},
}.op()

var celu = activation{
	name: "Celu", since: 12, doc: "x if x > 0, else alpha · (exp(x / alpha) - 1)",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x, y := n.In[0], n.Out[0]
		left := b.Add(b.Scale(y, 1/written(n, "alpha", 1)), b.Scalar(1, x))
		return b.Op("Where", positive(b, x), b.Scalar(1, x), left)
	},
	secant: func(b *ir.Builder, n *ir.Node) *ir.Value { return quotient(b, n, 1) },
	body: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x, alpha := n.In[0], written(n, "alpha", 1)
		return b.Op("Where", positive(b, x), x, b.Scale(expm1(b, b.Div(x, b.Scalar(alpha, x))), alpha))
	},
}.op()

var sigmoid = activation{
	name: "Sigmoid", since: 6, doc: "1 / (1 + exp(-x))",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		y := n.Out[0]
		return b.Mul(y, b.Sub(b.Scalar(1, y), y))
	},
}.op()

var tanh = activation{
	name: "Tanh", since: 6, doc: "the hyperbolic tangent",
	grad:   func(b *ir.Builder, n *ir.Node) *ir.Value { return oneMinusSquare(b, n.Out[0]) },
	secant: func(b *ir.Builder, n *ir.Node) *ir.Value { return quotient(b, n, 1) },
}.op()

var softplus = activation{
	name: "Softplus", since: 1, doc: "log(1 + exp(x))",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value { return b.Op("Sigmoid", n.In[0]) },
	body: func(b *ir.Builder, n *ir.Node) *ir.Value { // max(x, 0) + log(1 + exp(-|x|)) does not overflow
		x := n.In[0]
		tail := b.Op("Log", b.Add(b.Scalar(1, x), b.Op("Exp", b.Neg(b.Op("Abs", x)))))
		return b.Add(b.Op("Relu", x), tail)
	},
}.op()

var softsign = activation{
	name: "Softsign", since: 1, doc: "x / (1 + |x|)",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		s := softsignSlope(b, n)
		return b.Mul(s, s)
	},
	secant: softsignSlope,
	body:   func(b *ir.Builder, n *ir.Node) *ir.Value { return b.Mul(n.In[0], softsignSlope(b, n)) },
}.op()

// softsignSlope is 1 / (1 + |x|).
func softsignSlope(b *ir.Builder, n *ir.Node) *ir.Value {
	return b.Op("Reciprocal", b.Add(b.Op("Abs", n.In[0]), b.Scalar(1, n.In[0])))
}

var hardSigmoid = activation{
	name: "HardSigmoid", since: 6, doc: "alpha · x + beta limited to [0, 1]",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		y := n.Out[0]
		return b.Op("Where", inside(b, y), b.Scalar(written(n, "alpha", 0.2), y), b.Scalar(0, y))
	},
	body: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x := n.In[0]
		line := b.Add(b.Scale(x, written(n, "alpha", 0.2)), b.Scalar(written(n, "beta", 0.5), x))
		return b.Op("Clip", line, b.Scalar(0, x), b.Scalar(1, x))
	},
}.op()

// inside reports where 0 < y < 1.
func inside(b *ir.Builder, y *ir.Value) *ir.Value {
	return b.Op("And", b.Op("Greater", y, b.Scalar(0, y)), b.Op("Less", y, b.Scalar(1, y)))
}

// The tanh approximation of Gelu: √(2/π) · (x + geluCubic · x³).
const geluCubic = 0.044715

var geluScale = math.Sqrt(2 / math.Pi)

// gelu is x · Φ(x), Φ being the standard normal distribution function or its
// approximation by tanh. Φ is also its secant.
var gelu = activation{
	name: "Gelu", since: 20, doc: "x · Φ(x); approximate = tanh approximates Φ",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x, phi := n.In[0], geluPhi(b, n)
		xx := b.Mul(x, x)
		if n.Attrs.String("approximate", "none") == "tanh" {
			// Φ' = 2 Φ (1 - Φ) u', as Φ = ½ (1 + tanh u)
			du := b.Add(b.Scale(xx, 3*geluCubic*geluScale), b.Scalar(geluScale, x))
			spread := b.Mul(phi, b.Sub(b.Scalar(1, x), phi))
			return b.Add(phi, b.Mul(b.Mul(b.Scale(x, 2), spread), du))
		}
		density := b.Scale(b.Op("Exp", b.Scale(xx, -0.5)), 1/math.Sqrt(2*math.Pi))
		return b.Add(phi, b.Mul(x, density))
	},
	secant: geluPhi,
	body:   func(b *ir.Builder, n *ir.Node) *ir.Value { return b.Mul(n.In[0], geluPhi(b, n)) },
}.op()

func geluPhi(b *ir.Builder, n *ir.Node) *ir.Value {
	x := n.In[0]
	var s *ir.Value
	if n.Attrs.String("approximate", "none") == "tanh" {
		cube := b.Scale(b.Mul(b.Mul(x, x), x), geluCubic)
		s = b.Op("Tanh", b.Scale(b.Add(x, cube), geluScale))
	} else {
		s = b.Op("Erf", b.Scale(x, 1/math.Sqrt2))
	}
	return b.Scale(b.Add(s, b.Scalar(1, x)), 0.5)
}

// swish is x · sigmoid(alpha · x); alpha = 1 is SiLU.
var swish = activation{
	name: "Swish", since: 24, doc: "x · sigmoid(alpha · x)",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		s, y := swishGate(b, n), n.Out[0]
		rest := b.Mul(b.Scale(y, written(n, "alpha", 1)), b.Sub(b.Scalar(1, s), s))
		return b.Add(s, rest)
	},
	secant: swishGate,
	body:   func(b *ir.Builder, n *ir.Node) *ir.Value { return b.Mul(n.In[0], swishGate(b, n)) },
}.op()

func swishGate(b *ir.Builder, n *ir.Node) *ir.Value {
	return b.Op("Sigmoid", b.Scale(n.In[0], written(n, "alpha", 1)))
}

// hardSwish is x · HardSigmoid(x) with alpha = 1/6 and beta = 1/2.
var hardSwish = activation{
	name: "HardSwish", since: 14, doc: "x · max(0, min(1, x / 6 + 1/2))",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		gate := hardSwishGate(b, n)
		return b.Add(gate, maskBy(b, inside(b, gate), b.Scale(n.In[0], 1.0/6)))
	},
	secant: hardSwishGate,
	body:   func(b *ir.Builder, n *ir.Node) *ir.Value { return b.Mul(n.In[0], hardSwishGate(b, n)) },
}.op()

func hardSwishGate(b *ir.Builder, n *ir.Node) *ir.Value {
	x := n.In[0]
	line := b.Add(b.Scale(x, 1.0/6), b.Scalar(0.5, x))
	return b.Op("Clip", line, b.Scalar(0, x), b.Scalar(1, x))
}

// mish is x · tanh(softplus(x)).
var mish = activation{
	name: "Mish", since: 18, doc: "x · tanh(softplus(x))",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		gate := mishGate(b, n)
		rest := b.Mul(b.Op("Sigmoid", n.In[0]), oneMinusSquare(b, gate))
		return b.Add(gate, b.Mul(n.In[0], rest))
	},
	secant: mishGate,
	body:   func(b *ir.Builder, n *ir.Node) *ir.Value { return b.Mul(n.In[0], mishGate(b, n)) },
}.op()

func mishGate(b *ir.Builder, n *ir.Node) *ir.Value {
	return b.Op("Tanh", b.Op("Softplus", n.In[0]))
}

// An activation is an elementwise function of one argument: grad is f'(x).
type activation struct {
	name               string
	since              int64
	doc                string
	grad, secant, body func(b *ir.Builder, n *ir.Node) *ir.Value
}

func (a activation) op() *ir.Op {
	op := &ir.Op{
		Name: ir.OpName{Name: a.name}, Since: a.since, Doc: a.doc,
		In: ir.P("X"), Out: ir.P("Y"), Infer: same, Secant: a.secant,
		VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
			return lazily(want, func() *ir.Value { return b.Mul(dy[0], a.grad(b, n)) })
		},
	}
	if a.body != nil {
		op.Body = func(b *ir.Builder, n *ir.Node) []*ir.Value { return []*ir.Value{a.body(b, n)} }
	}
	return op
}

// attr returns a floating point attribute.
func attr(n *ir.Node, name string, def float32) float64 { return float64(n.Attrs.Float(name, def)) }

// written returns one as the number that was written, which is for those that are
// factors or terms: see ir.Decimal. Rounded to float32 it is the attribute again.
func written(n *ir.Node, name string, def float32) float64 { return n.Attrs.Decimal(name, def) }

// step is 1 where x > at and 0 elsewhere.
func step(b *ir.Builder, x *ir.Value, at float64) *ir.Value {
	return indicator(b, b.Op("Greater", x, b.Scalar(at, x)), x)
}

// expm1 is exp(x) - 1 without cancellation near 0, for x ≤ 0 and no overflow
// above: 2 · sinh(x/2) · exp(x/2).
func expm1(b *ir.Builder, x *ir.Value) *ir.Value {
	half := b.Scale(b.Op("Min", x, b.Scalar(0, x)), 0.5)
	return b.Scale(b.Mul(b.Op("Sinh", half), b.Op("Exp", half)), 2)
}

var shrink = activation{
	name: "Shrink", since: 9, doc: "x less bias beyond lambd on either side, else 0",
	grad: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x := n.In[0]
		return indicator(b, b.Op("Greater", b.Op("Abs", x), b.Scalar(attr(n, "lambd", 0.5), x)), x)
	},
	body: func(b *ir.Builder, n *ir.Node) *ir.Value {
		x := n.In[0]
		limit, bias := attr(n, "lambd", 0.5), b.Scalar(attr(n, "bias", 0), x)
		below, above := b.Op("Less", x, b.Scalar(-limit, x)), b.Op("Greater", x, b.Scalar(limit, x))
		return b.Op("Where", below, b.Add(x, bias), maskBy(b, above, b.Sub(x, bias)))
	},
}.op()

// swiGLU is a gated product: its parts have rules.
var swiGLU = &ir.Op{
	Name: ir.OpName{Name: "SwiGLU"}, Since: 28, Fused: true, Doc: "Swish(A) · B",
	In: ir.P("A", "B"), Out: ir.P("Y"), Infer: inferBroadcast,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		gate := b.OpA("Swish", ir.Attrs{{Name: "alpha", Value: n.Attrs.Float("alpha", 1)}}, n.In[0])
		return []*ir.Value{b.Mul(gate, n.In[1])}
	},
}
