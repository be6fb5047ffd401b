package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

var matMulIntegerToFloat = &ir.Op{
	Name: msft("MatMulIntegerToFloat"), Since: 1, Fused: true, Doc: "the matrix product of quantized numbers, in float, plus bias",
	In:    ir.P("A", "B", "a_scale", "b_scale", "a_zero_point?", "b_zero_point?", "bias?"),
	Out:   ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) { return inferProduct(n, n.In[2].Type.Elem) },
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		return []*ir.Value{productToFloat(b, n, n.In[0], n.In[2], n.Input(4), n.In[3], n.Input(5), n.Input(6))}
	},
}

var dynamicQuantizeMatMul = &ir.Op{
	Name: msft("DynamicQuantizeMatMul"), Since: 1, Fused: true, Doc: "MatMulIntegerToFloat of A quantized over its own range",
	In:    ir.P("A", "B", "b_scale", "b_zero_point?", "bias?"),
	Out:   ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) { return inferProduct(n, n.In[0].Type.Elem) },
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		q := b.Node(ir.OpName{Name: "DynamicQuantizeLinear"}, nil, n.In[0])
		return []*ir.Value{productToFloat(b, n, q.Out[0], q.Out[1], q.Out[2], n.In[2], n.Input(3), n.Input(4))}
	},
}

// inferProduct is Infer of a product of the first two inputs.
func inferProduct(n *ir.Node, elem ir.DType) ([]ir.Type, error) {
	as := func(v *ir.Value) *ir.Value { return &ir.Value{Name: v.Name, Type: v.Type.WithElem(elem)} }
	t, err := matMulType(as(n.In[0]), as(n.In[1]))
	return []ir.Type{t}, err
}

// productToFloat is the product of integers x and input 1, with their scales,
// plus bias: as the optimizer found it before it fused.
func productToFloat(b *ir.Builder, n *ir.Node, x, scale, zero, wScale, wZero, bias *ir.Value) *ir.Value {
	sums := b.Op("MatMulInteger", x, n.In[1], scalar(b, zero), wZero)
	y := b.Mul(castTo(b, sums, scale), b.Mul(scalar(b, scale), wScale))
	if bias != nil {
		y = b.Add(y, bias)
	}
	return y
}

// qGemm has a bias in units of both scales, and a result in float if it has no
// scale for it.
var qGemm = &ir.Op{
	Name: msft("QGemm"), Since: 1, Fused: true, Doc: "alpha · A B + C of quantized numbers, quantized if y_scale is given",
	In:  ir.P("A", "a_scale", "a_zero_point", "B", "b_scale", "b_zero_point", "C?", "y_scale?", "y_zero_point?"),
	Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		elem := n.In[1].Type.Elem
		if zero := n.Input(8); zero != nil {
			elem = zero.Type.Elem
		}
		as := func(v *ir.Value) *ir.Value { return &ir.Value{Name: v.Name, Type: v.Type.WithElem(ir.Float)} }
		ts, err := gemm.Infer(&ir.Node{Op: gemm.Name, Attrs: n.Attrs, In: []*ir.Value{as(n.In[0]), as(n.In[3])}})
		if err != nil {
			return nil, err
		}
		return one(ts[0].WithElem(elem))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		side := func(i int, trans string) *ir.Value {
			if n.Attrs.Int(trans, 0) != 0 {
				return b.Transpose(n.In[i], 1, 0)
			}
			return n.In[i]
		}
		sums := b.Op("MatMulInteger", side(0, "transA"), side(3, "transB"), scalar(b, n.In[2]), n.In[5])
		if bias := n.Input(6); bias != nil {
			sums = b.Add(sums, bias)
		}
		unit := b.Scale(b.Mul(scalar(b, n.In[1]), n.In[4]), attr(n, "alpha", 1))
		if n.Input(7) == nil {
			return []*ir.Value{b.Mul(castTo(b, sums, unit), unit)}
		}
		return []*ir.Value{requantize(b, sums, b.Div(unit, scalar(b, n.In[7])), n.Input(8))}
	},
}

// msQLinearConv is QLinearConv with the channels second, or last.
var msQLinearConv = &ir.Op{
	Name: msft("QLinearConv"), Since: 1, Fused: true, Doc: "QLinearConv, with channels last if channels_last",
	In: qLinearConv.In, Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		plain := &ir.Node{Op: qLinearConv.Name, Attrs: n.Attrs, In: append([]*ir.Value{}, n.In...)}
		rank := n.In[0].Type.Rank()
		if !channelsLast(n) || rank < 3 {
			return qLinearConv.Infer(plain)
		}
		to, from := channelPerms(rank)
		plain.In[0] = &ir.Value{Name: n.In[0].Name, Type: permuted(n.In[0].Type, to)}
		ts, err := qLinearConv.Infer(plain)
		if err != nil {
			return nil, err
		}
		return one(permuted(ts[0], from))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		in, rank := append([]*ir.Value{}, n.In...), n.In[0].Type.Rank()
		if !channelsLast(n) {
			return []*ir.Value{b.OpA("QLinearConv", without(n.Attrs, "channels_last"), in...)}
		}
		if rank < 3 {
			return []*ir.Value{b.Fail("x is %s, want three axes or more", n.In[0].Type)}
		}
		to, from := channelPerms(rank)
		in[0] = b.Transpose(in[0], to...)
		return []*ir.Value{b.Transpose(b.OpA("QLinearConv", without(n.Attrs, "channels_last"), in...), from...)}
	},
}

// qAttention is Attention of a quantized input and quantized weights; the rest
// of it is float.
var qAttention = &ir.Op{
	Name: msft("QAttention"), Since: 1, Fused: true, Doc: "Attention of quantized input and weights",
	In: ir.P("input", "weight", "bias", "input_scale", "weight_scale", "mask_index?", "input_zero_point?",
		"weight_zero_point?", "past?"),
	Out: ir.P("output", "present?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if n.Attrs.Int("do_rotary", 0) != 0 {
			return nil, fmt.Errorf("do_rotary is not supported")
		}
		in := []*ir.Value{operand{x: 0}.asFloat(n), operand{x: 1}.asFloat(n), n.In[2], n.Input(5), n.Input(8)}
		return msAttention.Infer(&ir.Node{Op: msAttention.Name, Attrs: n.Attrs, In: in, Out: n.Out})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := b.Op("DequantizeLinear", n.In[0], scalar(b, n.In[3]), scalar(b, n.Input(6)))
		scale, zero := n.In[4], n.Input(7)
		if zero != nil && scale.Type.Rank() == 1 && zero.Type.Rank() == 0 {
			zero = b.Op("Expand", zero, b.Op("Shape", scale))
		}
		w := b.OpA("DequantizeLinear", ir.Attrs{{Name: "axis", Value: int64(1)}}, n.In[1], scale, zero)
		a := b.Node(msAttention.Name, without(n.Attrs, "do_rotary"), x, w, n.In[2], n.Input(5), n.Input(8))
		return a.Out
	},
}
