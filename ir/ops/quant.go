package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// quantOps turn numbers into small integers and back. Nothing flows through
// them: their derivative is zero almost everywhere, or with respect to an
// integer. The dequantize pass makes lxt.FakeQuantize of those that activations
// go through.
func quantOps() []*ir.Op {
	return []*ir.Op{quantizeLinear, dequantizeLinear, dynamicQuantizeLinear, matMulInteger}
}

var quantizeLinear = &ir.Op{
	Name: ir.OpName{Name: "QuantizeLinear"}, Since: 21, Doc: "x / y_scale rounded, plus y_zero_point, saturated",
	In: ir.P("x", "y_scale", "y_zero_point?"), Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		elem := ir.DType(n.Attrs.Int("output_dtype", 0))
		switch zero := n.Input(2); {
		case zero != nil && elem != 0 && zero.Type.Elem != elem && zero.Type.Elem != ir.Undefined:
			return nil, fmt.Errorf("output_dtype %s, but a zero point of type %s", elem, zero.Type.Elem)
		case zero != nil:
			elem = zero.Type.Elem
		case elem == 0:
			elem = ir.Uint8
		}
		return inferQuant(n, elem)
	},
}

var dequantizeLinear = &ir.Op{
	Name: ir.OpName{Name: "DequantizeLinear"}, Since: 21, Doc: "(x - x_zero_point) · x_scale",
	In: ir.P("x", "x_scale", "x_zero_point?"), Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		elem := n.In[1].Type.Elem
		if d := ir.DType(n.Attrs.Int("output_dtype", 0)); d != 0 {
			elem = d
		}
		if _, err := mergeElem(n.In[0], n.Input(2)); err != nil {
			return nil, err
		}
		return inferQuant(n, elem)
	},
}

var dynamicQuantizeLinear = &ir.Op{
	Name: ir.OpName{Name: "DynamicQuantizeLinear"}, Since: 11, Doc: "x as uint8 over its own range, with scale and zero point",
	In: ir.P("x"), Out: ir.P("y", "y_scale", "y_zero_point"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		return []ir.Type{n.In[0].Type.WithElem(ir.Uint8), ir.TypeOf(ir.Float), ir.TypeOf(ir.Uint8)}, nil
	},
}

var matMulInteger = &ir.Op{
	Name: ir.OpName{Name: "MatMulInteger"}, Since: 10, Doc: "the matrix product of integers less their zero points, in int32",
	In: ir.P("A", "B", "a_zero_point?", "b_zero_point?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		asInt32 := func(v *ir.Value) *ir.Value { return &ir.Value{Name: v.Name, Type: v.Type.WithElem(ir.Int32)} }
		t, err := matMulType(asInt32(n.In[0]), asInt32(n.In[1])) // signs may differ
		return []ir.Type{t}, err
	},
}

// inferQuant checks that a scale fits: one number, one for each index of an
// axis, or one for each block along it.
func inferQuant(n *ir.Node, elem ir.DType) ([]ir.Type, error) {
	t, scale := n.In[0].Type, n.In[1].Type
	out := t.WithElem(elem)
	if t.Shape == nil || len(scale.Shape) == 0 || len(scale.Shape) == 1 && scale.Shape[0].Is(1) {
		return one(out)
	}
	k, err := normAxis(n.Attrs.Int("axis", 1), len(t.Shape))
	if err != nil {
		return nil, err
	}
	block := n.Attrs.Int("block_size", 0)
	switch {
	case block < 0:
		return nil, fmt.Errorf("block_size %d", block)
	case block == 0 && len(scale.Shape) != 1:
		return nil, fmt.Errorf("a scale %s for %s without block_size", scale, t)
	case block == 0 && scale.Shape[0].Differ(t.Shape[k]):
		return nil, fmt.Errorf("%s scales for axis %d of %s", scale.Shape[0], k, t)
	case block > 0 && len(scale.Shape) != len(t.Shape):
		return nil, fmt.Errorf("a scale %s for blocks of %s", scale, t)
	}
	return one(out)
}
