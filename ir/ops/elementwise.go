package ops

import (
	"math"

	"github.com/lxtc/lxtc/ir"
)

// elementwiseOps are arithmetic and elementary functions, element by element
// and broadcasting by NumPy's rules.
func elementwiseOps() []*ir.Op {
	return []*ir.Op{
		add, sub, mul, div, pow, mod, sum, mean, cumSum, cumProd,
		neg,
		odd(unary("Abs", 6, "|x|", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Mul(dy, b.Op("Sign", x))
		}), 0),
		unary("Sqrt", 6, "the square root", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Div(dy, b.Scale(y, 2))
		}),
		unary("Reciprocal", 6, "1 / x", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Neg(b.Mul(dy, b.Mul(y, y)))
		}),
		unary("Exp", 6, "e to the power x", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Mul(dy, y)
		}),
		unary("Log", 6, "the natural logarithm", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Div(dy, x)
		}),
		odd(unary("Sin", 7, "the sine", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Mul(dy, b.Op("Cos", x))
		}), 1),
		unary("Cos", 7, "the cosine", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Neg(b.Mul(dy, b.Op("Sin", x)))
		}),
		odd(unary("Tan", 7, "the tangent", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Mul(dy, b.Add(b.Mul(y, y), b.Scalar(1, y)))
		}), 1),
		odd(unary("Sinh", 9, "the hyperbolic sine", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Mul(dy, b.Op("Cosh", x))
		}), 1),
		unary("Cosh", 9, "the hyperbolic cosine", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Mul(dy, b.Op("Sinh", x))
		}),
		odd(unary("Asin", 7, "the inverse of the sine", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Div(dy, b.Op("Sqrt", oneMinusSquare(b, x)))
		}), 1),
		unary("Acos", 7, "the inverse of the cosine", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Neg(b.Div(dy, b.Op("Sqrt", oneMinusSquare(b, x))))
		}),
		odd(unary("Atan", 7, "the inverse of the tangent", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Div(dy, b.Add(b.Mul(x, x), b.Scalar(1, x)))
		}), 1),
		odd(unary("Asinh", 9, "the inverse of the hyperbolic sine", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Div(dy, b.Op("Sqrt", b.Add(b.Mul(x, x), b.Scalar(1, x))))
		}), 1),
		unary("Acosh", 9, "the inverse of the hyperbolic cosine", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Div(dy, b.Op("Sqrt", b.Sub(b.Mul(x, x), b.Scalar(1, x))))
		}),
		odd(unary("Atanh", 9, "the inverse of the hyperbolic tangent", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Div(dy, oneMinusSquare(b, x))
		}), 1),
		odd(unary("Erf", 9, "the error function", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value {
			return b.Mul(dy, b.Scale(b.Op("Exp", b.Neg(b.Mul(x, x))), 2/math.SqrtPi))
		}), 2/math.SqrtPi),
		unary("Sign", 9, "-1, 0 or 1", nil),
		unary("Floor", 6, "rounded down", nil),
		unary("Ceil", 6, "rounded up", nil),
		unary("Round", 11, "rounded to the nearest integer, ties to even", nil),
	}
}

// unary returns an elementwise function of one argument. grad is the
// derivative of <dy, f(x)> from x, y = f(x) and dy; nil if it is zero almost
// everywhere.
func unary(name string, since int64, doc string, grad func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value) *ir.Op {
	op := &ir.Op{
		Name: ir.OpName{Name: name}, Since: since, Doc: doc,
		In: ir.P("X"), Out: ir.P("Y"), Infer: same,
	}
	if grad != nil {
		op.VJP = func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
			return lazily(want, func() *ir.Value { return grad(b, n.In[0], n.Out[0], dy[0]) })
		}
	}
	return op
}

// odd gives op the secant f(x)/x, which is slope at x = 0.
func odd(op *ir.Op, slope float64) *ir.Op {
	op.Secant = func(b *ir.Builder, n *ir.Node) *ir.Value { return quotient(b, n, slope) }
	return op
}

// quotient is f(x)/x from the output of n, and slope where x = 0. Close to 0
// it is as exact as f is.
func quotient(b *ir.Builder, n *ir.Node, slope float64) *ir.Value {
	x := n.In[0]
	zero := b.Op("Equal", x, b.Scalar(0, x))
	safe := b.Op("Where", zero, b.Scalar(1, x), x)
	return b.Op("Where", zero, b.Scalar(slope, x), b.Div(n.Out[0], safe))
}

func oneMinusSquare(b *ir.Builder, x *ir.Value) *ir.Value {
	return b.Sub(b.Scalar(1, x), b.Mul(x, x))
}

// maskBy returns v where cond holds and zero elsewhere.
func maskBy(b *ir.Builder, cond, v *ir.Value) *ir.Value {
	return b.Op("Where", cond, v, b.Scalar(0, v))
}

// castTo casts v to the element type of like.
func castTo(b *ir.Builder, v, like *ir.Value) *ir.Value {
	switch like.Type.Elem {
	case v.Type.Elem:
		return v
	case ir.Undefined:
		return b.Op("CastLike", v, like)
	}
	return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(like.Type.Elem)}}, v)
}

// indicator is 1 where cond holds and 0 elsewhere, with the element type of
// like.
func indicator(b *ir.Builder, cond, like *ir.Value) *ir.Value { return castTo(b, cond, like) }

// inferBroadcast is Infer of operators over any number of inputs of one type.
func inferBroadcast(n *ir.Node) ([]ir.Type, error) {
	t, err := broadcastType(n.In...)
	return []ir.Type{t}, err
}

// A partial is the derivative of <dy, f(x_0, x_1)> with respect to x_i, before
// broadcasting is undone.
type partial func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value

// binaryVJP is the VJP of a broadcasting operator with the given partials.
func binaryVJP(partials ...partial) func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
	return func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		out := make([]*ir.Value, len(want))
		for i, f := range partials {
			if i < len(want) && want[i] {
				out[i] = b.SumTo(f(b, n, dy[0]), n.In[i])
			}
		}
		return out
	}
}

var add = &ir.Op{
	Name: ir.OpName{Name: "Add"}, Since: 7, Doc: "x + y",
	In: ir.P("A", "B"), Out: ir.P("C"), Commutative: true,
	Infer: inferBroadcast,
	Known: knownBinary(ir.Dim.Add),
	VJP: binaryVJP(
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return dy },
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return dy }),
}

var sub = &ir.Op{
	Name: ir.OpName{Name: "Sub"}, Since: 7, Doc: "x - y",
	In: ir.P("A", "B"), Out: ir.P("C"),
	Infer: inferBroadcast,
	Known: knownBinary(ir.Dim.Sub),
	VJP: binaryVJP(
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return dy },
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return b.Neg(dy) }),
}

var mul = &ir.Op{
	Name: ir.OpName{Name: "Mul"}, Since: 7, Doc: "x · y",
	In: ir.P("A", "B"), Out: ir.P("C"), Commutative: true,
	Infer: inferBroadcast,
	Known: knownBinary(ir.Dim.Mul),
	VJP: binaryVJP(
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return b.Mul(dy, n.In[1]) },
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return b.Mul(dy, n.In[0]) }),
}

var div = &ir.Op{
	Name: ir.OpName{Name: "Div"}, Since: 7, Doc: "x / y; towards zero for integers",
	In: ir.P("A", "B"), Out: ir.P("C"),
	Infer: inferBroadcast,
	Known: knownBinary(divDims),
	VJP: binaryVJP(
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return b.Div(dy, n.In[1]) },
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
			return b.Neg(b.Div(b.Mul(dy, n.Out[0]), n.In[1]))
		}),
}

var mod = &ir.Op{
	Name: ir.OpName{Name: "Mod"}, Since: 10, Doc: "the remainder of x / y; with the sign of x if fmod = 1, else of y",
	In: ir.P("A", "B"), Out: ir.P("C"),
	Infer: inferBroadcast,
	Known: knownBinary(modDims),
	VJP: binaryVJP(
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return dy },
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { // minus the integer quotient
			return b.Mul(dy, b.Div(b.Sub(n.Out[0], n.In[0]), n.In[1]))
		}),
}

var pow = &ir.Op{
	Name: ir.OpName{Name: "Pow"}, Since: 12, Doc: "x to the power y, of the type of x",
	In: ir.P("X", "Y"), Out: ir.P("Z"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		s, err := broadcast(n.In[0].Type.Shape, n.In[1].Type.Shape)
		return []ir.Type{{Elem: n.In[0].Type.Elem, Shape: s}}, err
	},
	VJP: binaryVJP(powBase, powExponent),
}

// powBase is dy · y · x^(y-1). A constant exponent keeps to plain products
// where it can: x² is how exporters write squares.
func powBase(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	x := n.In[0]
	if e, ok := constTensor(n.In[1]).Item(); ok {
		switch e {
		case 1:
			return dy
		case 2:
			return b.Mul(dy, b.Scale(x, 2))
		}
		return b.Mul(dy, b.Scale(b.Op("Pow", x, b.Scalar(e-1, x)), e))
	}
	y := castTo(b, n.In[1], x)
	return b.Mul(dy, b.Mul(y, b.Op("Pow", x, b.Sub(y, b.Scalar(1, x)))))
}

// powExponent is dy · x^y · log x, taken to be 0 where x = 0.
func powExponent(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	x := n.In[0]
	zero := b.Op("Equal", x, b.Scalar(0, x))
	log := b.Op("Log", b.Op("Where", zero, b.Scalar(1, x), x))
	return castTo(b, b.Mul(dy, b.Mul(n.Out[0], log)), n.In[1])
}

var sum = &ir.Op{
	Name: ir.OpName{Name: "Sum"}, Since: 8, Doc: "the sum of the inputs",
	In: ir.P("data_0*"), Out: ir.P("sum"), Commutative: true,
	Infer: inferBroadcast,
	VJP:   eachVJP(func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return dy }),
	Body:  func(b *ir.Builder, n *ir.Node) []*ir.Value { return []*ir.Value{addAll(b, n.In)} },
}

var mean = &ir.Op{
	Name: ir.OpName{Name: "Mean"}, Since: 8, Doc: "the mean of the inputs",
	In: ir.P("data_0*"), Out: ir.P("mean"), Commutative: true,
	Infer: inferBroadcast,
	VJP: eachVJP(func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
		return b.Scale(dy, 1/float64(len(n.In)))
	}),
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s := addAll(b, n.In)
		return []*ir.Value{b.Div(s, b.Scalar(float64(len(n.In)), s))}
	},
}

func addAll(b *ir.Builder, vs []*ir.Value) *ir.Value {
	if len(vs) == 1 {
		return b.Op("Identity", vs[0])
	}
	s := vs[0]
	for _, v := range vs[1:] {
		s = b.Add(s, v)
	}
	return s
}

// eachVJP is the VJP of a broadcasting operator that treats all inputs alike.
func eachVJP(f partial) func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
	return func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		out := make([]*ir.Value, len(want))
		for i := range out {
			if want[i] {
				out[i] = b.SumTo(f(b, n, dy[0]), n.In[i])
			}
		}
		return out
	}
}

// cumSum is linear; its transpose sums from the other end.
var cumSum = &ir.Op{
	Name: ir.OpName{Name: "CumSum"}, Since: 11, Doc: "running sums along an axis",
	In: ir.P("x", "axis"), Out: ir.P("y"),
	Infer: same,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			back := n.Attrs.With("reverse", 1-n.Attrs.Int("reverse", 0))
			return b.OpA("CumSum", back, dy[0], n.In[1])
		})
	},
}

var cumProd = &ir.Op{
	Name: ir.OpName{Name: "CumProd"}, Since: 26, Doc: "running products along an axis",
	In: ir.P("x", "axis"), Out: ir.P("y"), Infer: same, VJP: noVJP,
}

// neg is odd: -x is x times -1, also for the identity rule.
var neg = func() *ir.Op {
	op := unary("Neg", 6, "-x", func(b *ir.Builder, x, y, dy *ir.Value) *ir.Value { return b.Neg(dy) })
	op.Secant = func(b *ir.Builder, n *ir.Node) *ir.Value { return b.Scalar(-1, n.In[0]) }
	return op
}()
