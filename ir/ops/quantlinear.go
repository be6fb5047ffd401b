package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// quantLinearOps multiply small integers, with a scale and a zero point for
// each. Like the conversions, they have no derivative: relevance needs the model
// before quantisation, or one that dequantises its weights.
func quantLinearOps() []*ir.Op { return []*ir.Op{convInteger, qLinearConv, qLinearMatMul} }

var convInteger = &ir.Op{
	Name: ir.OpName{Name: "ConvInteger"}, Since: 10, Doc: "the convolution of integers less their zero points, in int32",
	In: ir.P("x", "w", "x_zero_point?", "w_zero_point?"), Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) { return inferIntegers(n, n.In[0], n.In[1], ir.Int32) },
}

var qLinearConv = &ir.Op{
	Name: ir.OpName{Name: "QLinearConv"}, Since: 10, Doc: "the convolution of quantised numbers, quantised",
	In:  ir.P("x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B?"),
	Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		return inferIntegers(n, n.In[0], n.In[3], n.In[7].Type.Elem)
	},
}

// inferIntegers is Infer of a convolution of x by w, of any element types.
func inferIntegers(n *ir.Node, x, w *ir.Value, elem ir.DType) ([]ir.Type, error) {
	as := func(v *ir.Value) *ir.Value { return &ir.Value{Name: v.Name, Type: v.Type.WithElem(elem)} }
	return conv.Infer(&ir.Node{Op: conv.Name, In: []*ir.Value{as(x), as(w)}, Attrs: n.Attrs})
}

var qLinearMatMul = &ir.Op{
	Name: ir.OpName{Name: "QLinearMatMul"}, Since: 10, Doc: "the matrix product of quantised numbers, quantised",
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
}
