package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// quantLinearOps multiply small integers, with a scale and a zero point for
// each. They have no derivative: relevance passes what the dequantize pass makes
// of them.
func quantLinearOps() []*ir.Op { return []*ir.Op{convInteger, qLinearConv, qLinearMatMul} }

var convInteger = &ir.Op{
	Name: ir.OpName{Name: "ConvInteger"}, Since: 10, Doc: "the convolution of integers less their zero points, in int32",
	In: ir.P("x", "w", "x_zero_point?", "w_zero_point?"), Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) { return inferIntegers(n, n.In[0], n.In[1], ir.Int32) },
}

var qLinearConv = &ir.Op{
	Name: ir.OpName{Name: "QLinearConv"}, Since: 10, Fused: true, Doc: "the convolution of quantised numbers, quantised",
	In:  ir.P("x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B?"),
	Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		return inferIntegers(n, n.In[0], n.In[3], n.In[7].Type.Elem)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		rank := n.In[3].Type.Rank()
		if rank < 3 {
			return []*ir.Value{b.Fail("weights %s, want three axes or more", n.In[3].Type)}
		}
		channels := make([]int64, rank-1) // of the output, or of a scale of one
		for i := range channels {
			channels[i] = 1
		}
		channels[0] = -1
		sums := b.OpA("ConvInteger", n.Attrs, n.In[0], n.In[3], n.In[2], n.In[5])
		if bias := n.Input(8); bias != nil {
			sums = b.Add(sums, b.Op("Reshape", bias, b.Ints(channels...)))
		}
		unit := b.Div(b.Mul(scalar(b, n.In[1]), b.Op("Reshape", n.In[4], b.Ints(channels...))), scalar(b, n.In[6]))
		return []*ir.Value{requantize(b, sums, unit, n.In[7])}
	},
}

// inferIntegers is Infer of a convolution of x by w, of any element types.
func inferIntegers(n *ir.Node, x, w *ir.Value, elem ir.DType) ([]ir.Type, error) {
	as := func(v *ir.Value) *ir.Value { return &ir.Value{Name: v.Name, Type: v.Type.WithElem(elem)} }
	return conv.Infer(&ir.Node{Op: conv.Name, In: []*ir.Value{as(x), as(w)}, Attrs: n.Attrs})
}

var qLinearMatMul = &ir.Op{
	Name: ir.OpName{Name: "QLinearMatMul"}, Since: 10, Fused: true, Doc: "the matrix product of quantised numbers, quantised",
	In:  ir.P("a", "a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "y_scale", "y_zero_point"),
	Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		as := func(v *ir.Value) *ir.Value { return &ir.Value{Name: v.Name, Type: v.Type.WithElem(ir.Int32)} }
		t, err := matMulType(as(n.In[0]), as(n.In[3]))
		if err != nil {
			return nil, err
		}
		elem := n.In[7].Type.Elem
		if elem != ir.Undefined && !elem.IsInt() && !elem.IsSmallFloat() {
			return nil, fmt.Errorf("a zero point of type %s", elem)
		}
		return one(t.WithElem(elem))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if n.In[0].Type.Elem.IsSmallFloat() {
			y := b.MatMul(b.Op("DequantizeLinear", n.In[0:3]...), b.Op("DequantizeLinear", n.In[3:6]...))
			return []*ir.Value{b.Op("QuantizeLinear", y, n.In[6], n.In[7])}
		}
		rows := n.In[1] // one for each row of A, or one
		if rows.Type.Rank() == 1 && !rows.Type.Shape[0].Is(1) {
			rows = b.Op("Unsqueeze", rows, b.Ints(-1))
		}
		sums := b.Op("MatMulInteger", n.In[0], n.In[3], n.In[2], n.In[5])
		unit := b.Div(b.Mul(rows, n.In[4]), scalar(b, n.In[6]))
		return []*ir.Value{requantize(b, sums, unit, n.In[7])}
	},
}

// requantize brings sums, of which 1 stands for unit of the output's scale, to
// the output's integers: as ONNX Runtime does, by one product in float32.
func requantize(b *ir.Builder, sums, unit, zero *ir.Value) *ir.Value {
	y := b.Mul(castTo(b, sums, unit), unit)
	return b.Op("QuantizeLinear", y, b.Scalar(1, unit), scalar(b, zero))
}

// scalar gives a tensor of one element the rank 0.
func scalar(b *ir.Builder, v *ir.Value) *ir.Value {
	if v == nil || v.Type.Rank() == 0 {
		return v
	}
	return b.Op("Reshape", v, b.Constant(ir.Of([]int64{}, 0)))
}
