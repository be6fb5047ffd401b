package ops

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// reduceOps combine the elements along some axes. The axes are the second
// input; without it all axes are reduced.
func reduceOps() []*ir.Op {
	return []*ir.Op{
		reduceSum, reduceMean, reduceProd,
		reduceExtremum("ReduceMax", "the largest element"), reduceExtremum("ReduceMin", "the smallest element"),
		reduceL1, reduceL2, reduceSumSquare, reduceLogSum, reduceLogSumExp,
	}
}

// reduction returns an operator whose derivative is grad: from g, the incoming
// derivative, which broadcasts against x, to that of x.
func reduction(name string, since int64, doc string, grad func(r *reducer, g *ir.Value) *ir.Value) *ir.Op {
	return &ir.Op{
		Name: ir.OpName{Name: name}, Since: since, Doc: doc + " along the axes",
		In: ir.P("data", "axes?"), Out: ir.P("reduced"),
		Infer: inferReduce,
		VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
			return lazily(want, func() *ir.Value {
				if isNoop(n) {
					// Even then ReduceL1 and the like change the elements.
					n = &ir.Node{Op: n.Op, In: []*ir.Value{n.In[0], b.Ints()}, Out: n.Out, Attrs: n.Attrs}
				}
				r := &reducer{b, n, n.In[0]}
				return grad(r, r.spread(dy[0]))
			})
		},
	}
}

// isNoop reports whether n is known to reduce no axis at all.
func isNoop(n *ir.Node) bool {
	if n.Attrs.Int("noop_with_empty_axes", 0) == 0 {
		return false
	}
	axes, ok := constInts(n.Input(1))
	return n.Input(1) == nil || ok && len(axes) == 0
}

// inferReduce is Infer of all operators of this file.
func inferReduce(n *ir.Node) ([]ir.Type, error) {
	t := n.In[0].Type
	if isNoop(n) {
		return one(t)
	}
	keep := n.Attrs.Int("keepdims", 1) != 0
	axes, known := constInts(n.Input(1))
	all := n.Input(1) == nil || known && len(axes) == 0
	switch {
	case all && !keep:
		return one(withDims(t, []ir.Dim{}))
	case t.Shape == nil:
		return one(t)
	case all:
		return one(withDims(t, slices.Repeat([]ir.Dim{ir.N(1)}, t.Rank())))
	case !known && keep:
		return one(withDims(t, unknownDims(t.Rank())))
	case !known:
		if c := knownCount(n.In[1]); c > 0 && c <= t.Rank() {
			return one(withDims(t, unknownDims(t.Rank()-c)))
		}
		return one(withDims(t, nil))
	}
	norm, err := normAxes(axes, t.Rank())
	if err != nil {
		return nil, err
	}
	out := []ir.Dim{}
	for i, d := range t.Shape {
		switch {
		case !slices.Contains(norm, i):
			out = append(out, d)
		case keep:
			out = append(out, ir.N(1))
		}
	}
	return one(withDims(t, out))
}

// A reducer writes derivatives of one reduction of x.
type reducer struct {
	b *ir.Builder
	n *ir.Node
	x *ir.Value
}

// spread gives v, which has the shape of the output, the reduced axes back as
// ones.
func (r *reducer) spread(v *ir.Value) *ir.Value {
	if r.n.Attrs.Int("keepdims", 1) != 0 || isNoop(r.n) {
		return v
	}
	axes := r.n.Input(1)
	if known, ok := constInts(axes); axes == nil || ok && len(known) == 0 {
		rank := r.x.Type.Rank()
		if rank < 0 {
			return r.b.Fail("%v: derivative of a reduction of unknown rank", r.n)
		}
		if rank == 0 {
			return v
		}
		return r.b.Op("Reshape", v, r.b.Ints(slices.Repeat([]int64{1}, rank)...))
	}
	return r.b.Op("Unsqueeze", v, axes)
}

// again reduces v along the same axes, keeping them as ones.
func (r *reducer) again(op string, v *ir.Value) *ir.Value {
	attrs := ir.Attrs{{Name: "keepdims", Value: int64(1)}}
	if noop := r.n.Attrs.Int("noop_with_empty_axes", 0); noop != 0 {
		attrs = attrs.With("noop_with_empty_axes", noop)
	}
	return r.b.OpA(op, attrs, v, r.n.Input(1))
}

// full repeats v along the reduced axes, to the shape of x.
func (r *reducer) full(v *ir.Value) *ir.Value { return r.b.Op("Expand", v, like(r.b, r.x)) }

// y is the output, with the reduced axes as ones.
func (r *reducer) y() *ir.Value { return r.spread(r.n.Out[0]) }

// body returns op with a body: inner maps x, and the result of reducing that
// with another operator is mapped by outer.
func body(op *ir.Op, reduce string, inner, outer func(b *ir.Builder, v *ir.Value) *ir.Value) *ir.Op {
	op.Body = func(b *ir.Builder, n *ir.Node) []*ir.Value {
		return []*ir.Value{outer(b, b.OpA(reduce, n.Attrs, inner(b, n.In[0]), n.Input(1)))}
	}
	return op
}

func unchanged(b *ir.Builder, v *ir.Value) *ir.Value { return v }
func squared(b *ir.Builder, v *ir.Value) *ir.Value   { return b.Mul(v, v) }

func applied(op string) func(b *ir.Builder, v *ir.Value) *ir.Value {
	return func(b *ir.Builder, v *ir.Value) *ir.Value { return b.Op(op, v) }
}

var reduceSum = known(reduction("ReduceSum", 13, "the sum", (*reducer).full), ir.N(0), ir.Dim.Add)

var reduceMean = reduction("ReduceMean", 18, "the mean", func(r *reducer, g *ir.Value) *ir.Value {
	return r.full(r.b.Div(g, r.count(g)))
})

// count is the number of elements that go into one, of the type of like.
func (r *reducer) count(like *ir.Value) *ir.Value {
	all, some := ir.Numel(r.x.Type.Shape), ir.Numel(r.n.Out[0].Type.Shape)
	if r.x.Type.Shape != nil && r.n.Out[0].Type.Shape != nil {
		if n, ok := all.Div(some).Num(); ok {
			return r.b.Scalar(float64(n), like)
		}
	}
	return castTo(r.b, r.b.Div(r.b.Op("Size", r.x), r.b.Op("Size", r.n.Out[0])), like)
}

// reduceProd multiplies. Its derivative is the product of the other elements,
// which with one zero among them is not zero only at the zero itself.
var reduceProd = known(reduction("ReduceProd", 18, "the product", func(r *reducer, g *ir.Value) *ir.Value {
	b, x := r.b, r.x
	zero := b.Op("Equal", x, b.Scalar(0, x))
	rest := b.Op("Where", zero, b.Scalar(1, x), x)
	others := b.Div(r.again("ReduceProd", rest), rest)
	zeros := r.again("ReduceSum", indicator(b, zero, x))
	elsewhere := b.Sub(zeros, indicator(b, zero, x))
	return maskBy(b, b.Op("Equal", elsewhere, b.Scalar(0, x)), b.Mul(g, others))
}), ir.N(1), ir.Dim.Mul)

// known lets op, a reduction of a vector of known elements to a scalar, be
// followed through shape arithmetic.
func known(op *ir.Op, start ir.Dim, f func(d, e ir.Dim) ir.Dim) *ir.Op {
	op.Known = func(n *ir.Node) [][]ir.Dim {
		ds := intElems(n, 0)
		if n.In[0].Type.Rank() != 1 || ds == nil || isNoop(n) {
			return nil
		}
		out := start
		for _, d := range ds {
			out = f(out, d)
		}
		if out.IsUnknown() {
			return nil
		}
		return [][]ir.Dim{{out}}
	}
	return op
}

// reduceExtremum returns ReduceMax or ReduceMin. Elements that tie share the
// derivative equally, as in torch.amax.
func reduceExtremum(name, doc string) *ir.Op {
	return reduction(name, 18, doc, func(r *reducer, g *ir.Value) *ir.Value {
		wins := indicator(r.b, r.b.Op("Equal", r.x, r.y()), r.x)
		return r.b.Mul(r.b.Div(g, r.again("ReduceSum", wins)), wins)
	})
}

var reduceL1 = body(reduction("ReduceL1", 18, "the sum of absolute values", func(r *reducer, g *ir.Value) *ir.Value {
	return r.b.Mul(g, r.b.Op("Sign", r.x))
}), "ReduceSum", applied("Abs"), unchanged)

// reduceL2 has derivative 0 where the norm is 0, as in PyTorch.
var reduceL2 = body(reduction("ReduceL2", 18, "the square root of the sum of squares", func(r *reducer, g *ir.Value) *ir.Value {
	b, y := r.b, r.y()
	zero := b.Op("Equal", y, b.Scalar(0, y))
	return b.Mul(r.x, b.Div(g, b.Op("Where", zero, b.Scalar(1, y), y)))
}), "ReduceSum", squared, applied("Sqrt"))

var reduceSumSquare = body(reduction("ReduceSumSquare", 18, "the sum of squares", func(r *reducer, g *ir.Value) *ir.Value {
	return r.b.Mul(r.b.Scale(g, 2), r.x)
}), "ReduceSum", squared, unchanged)

var reduceLogSum = body(reduction("ReduceLogSum", 18, "the logarithm of the sum", func(r *reducer, g *ir.Value) *ir.Value {
	return r.full(r.b.Div(g, r.again("ReduceSum", r.x)))
}), "ReduceSum", unchanged, applied("Log"))

var reduceLogSumExp = func() *ir.Op {
	op := reduction("ReduceLogSumExp", 18, "the logarithm of the sum of exponentials", func(r *reducer, g *ir.Value) *ir.Value {
		return r.b.Mul(g, r.b.Op("Exp", r.b.Sub(r.x, r.y())))
	})
	op.Body = func(b *ir.Builder, n *ir.Node) []*ir.Value { // less the largest element, so as not to overflow
		largest := func(attrs ir.Attrs) *ir.Value {
			m := b.OpA("ReduceMax", attrs, n.In[0], n.Input(1))
			return b.Op("Where", b.Op("IsInf", m), b.Scalar(0, m), m)
		}
		shifted := b.Sub(n.In[0], largest(n.Attrs.With("keepdims", int64(1))))
		s := b.OpA("ReduceSum", n.Attrs, b.Op("Exp", shifted), n.Input(1))
		return []*ir.Value{b.Add(b.Op("Log", s), largest(n.Attrs))}
	}
	return op
}()
