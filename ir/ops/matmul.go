package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// matmulOps are the matrix products.
func matmulOps() []*ir.Op { return []*ir.Op{matMul, gemm} }

var matMul = &ir.Op{
	Name: ir.OpName{Name: "MatMul"}, Since: 1, Doc: "matrix product, broadcasting leading dimensions",
	In: ir.P("A", "B"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, err := matMulType(n.In[0], n.In[1])
		return []ir.Type{t}, err
	},
	VJP: matMulVJP,
}

func matMulType(x, w *ir.Value) (ir.Type, error) {
	elem, err := mergeElem(x, w)
	a, b := x.Type.Shape, w.Type.Shape
	if err != nil || a == nil || b == nil {
		return ir.Type{Elem: elem}, err
	}
	if len(a) == 0 || len(b) == 0 {
		return ir.Type{}, fmt.Errorf("operands are %s and %s, want rank 1 or more", x.Type, w.Type)
	}
	rows, cols := len(a) > 1, len(b) > 1
	if !rows {
		a = []ir.Dim{ir.N(1), a[0]}
	}
	if !cols {
		b = []ir.Dim{b[0], ir.N(1)}
	}
	i, j := len(a)-2, len(b)-2
	if a[i+1].Differ(b[j]) {
		return ir.Type{}, fmt.Errorf("operands are %s and %s: inner dimensions %s and %s differ", x.Type, w.Type, a[i+1], b[j])
	}
	out, err := broadcast(a[:i], b[:j])
	if err != nil {
		return ir.Type{}, err
	}
	if rows {
		out = append(out, a[i])
	}
	if cols {
		out = append(out, b[j+1])
	}
	return ir.Type{Elem: elem, Shape: out}, nil
}

// matMulVJP is dX = dY Wᵀ and dW = Xᵀ dY, summed over what was broadcast. A
// vector operand is a matrix with one row or column.
func matMulVJP(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
	x, w, g := n.In[0], n.In[1], dy[0]
	if x.Type.Rank() < 1 || w.Type.Rank() < 1 {
		b.Fail("%v: derivative of a product of %s and %s: a rank is unknown", n, x.Type, w.Type)
		return make([]*ir.Value, len(want))
	}
	if w.Type.Rank() == 1 {
		w = b.Op("Unsqueeze", w, b.Ints(1))
		g = b.Op("Unsqueeze", g, b.Ints(-1))
	}
	if x.Type.Rank() == 1 {
		x = b.Op("Unsqueeze", x, b.Ints(0))
		g = b.Op("Unsqueeze", g, b.Ints(-2))
	}
	return lazily(want,
		func() *ir.Value {
			dx := b.SumTo(b.MatMul(g, b.SwapLast(w)), x)
			if x != n.In[0] {
				dx = b.Op("Squeeze", dx, b.Ints(0))
			}
			return dx
		},
		func() *ir.Value {
			dw := matMulWeight(b, x, w, g)
			if w != n.In[1] {
				dw = b.Op("Squeeze", dw, b.Ints(1))
			}
			return dw
		})
}

// matMulWeight is Xᵀ dY. A weight that is shared by all rows takes them as one
// long matrix instead of a product each and their sum.
func matMulWeight(b *ir.Builder, x, w, g *ir.Value) *ir.Value {
	if w.Type.Rank() == 2 && x.Type.Rank() > 2 {
		x, g = flatRows(b, x, w, 0), flatRows(b, g, w, 1)
	}
	return b.SumTo(b.MatMul(b.SwapLast(x), g), w)
}

// flatRows reshapes v to a matrix; its last dimension is dimension axis of w.
func flatRows(b *ir.Builder, v, w *ir.Value, axis int) *ir.Value {
	if k, ok := w.Type.Shape[axis].Num(); ok && k > 0 {
		return b.Op("Reshape", v, b.Ints(-1, k))
	}
	k := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(axis)}, {Name: "end", Value: int64(axis + 1)}}, w)
	shape := b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}}, b.Ints(-1), k)
	return b.Op("Reshape", v, shape)
}

var gemm = &ir.Op{
	Name: ir.OpName{Name: "Gemm"}, Since: 11, Doc: "alpha · A B + beta · C, A and B transposed if transA, transB",
	In: ir.P("A", "B", "C?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		elem, err := mergeElem(n.In...)
		if err != nil {
			return nil, err
		}
		a, err := gemmSide(n, 0, "transA")
		if err != nil {
			return nil, err
		}
		w, err := gemmSide(n, 1, "transB")
		if err != nil {
			return nil, err
		}
		if a[1].Differ(w[0]) {
			return nil, fmt.Errorf("operands are %s and %s: inner dimensions %s and %s differ", n.In[0].Type, n.In[1].Type, a[1], w[0])
		}
		out := ir.Type{Elem: elem, Shape: []ir.Dim{a[0], w[1]}}
		if c := n.Input(2); c != nil {
			if c.Type.Rank() > 2 {
				return nil, fmt.Errorf("operand C is %s, want rank 2 or less", c.Type)
			}
			if _, err := broadcast(out.Shape, c.Type.Shape); err != nil {
				return nil, fmt.Errorf("operand C: %w", err)
			}
		}
		return one(out)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		x, w, g := n.In[0], n.In[1], dy[0]
		tx, tw := n.Attrs.Int("transA", 0), n.Attrs.Int("transB", 0)
		product := func(p, q *ir.Value, tp, tq int64) *ir.Value {
			return b.OpA("Gemm", ir.Attrs{
				{Name: "alpha", Value: n.Attrs.Float("alpha", 1)}, {Name: "transA", Value: tp}, {Name: "transB", Value: tq},
			}, p, q)
		}
		return lazily(want,
			func() *ir.Value {
				if tx != 0 {
					return product(w, g, tw, 1)
				}
				return product(g, w, 0, 1-tw)
			},
			func() *ir.Value {
				if tw != 0 {
					return product(g, x, 1, tx)
				}
				return product(x, g, 1-tx, 0)
			},
			func() *ir.Value { return b.Scale(b.SumTo(g, n.In[2]), written(n, "beta", 1)) })
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		side := func(i int, trans string) *ir.Value {
			if n.Attrs.Int(trans, 0) != 0 {
				return b.Transpose(n.In[i], 1, 0)
			}
			return n.In[i]
		}
		y := b.Scale(b.MatMul(side(0, "transA"), side(1, "transB")), written(n, "alpha", 1))
		if c := n.Input(2); c != nil {
			y = b.Add(y, b.Scale(c, written(n, "beta", 1)))
		}
		return []*ir.Value{y}
	},
}

// gemmSide returns the shape of an operand of Gemm, after transposition.
func gemmSide(n *ir.Node, i int, trans string) ([]ir.Dim, error) {
	t := n.In[i].Type
	switch t.Rank() {
	case -1:
		return unknownDims(2), nil
	case 2:
	default:
		return nil, fmt.Errorf("%s is %s, want rank 2", "AB"[i:i+1], t)
	}
	s := slices.Clone(t.Shape)
	if n.Attrs.Int(trans, 0) != 0 {
		slices.Reverse(s)
	}
	return s, nil
}
