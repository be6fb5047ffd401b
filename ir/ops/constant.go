package ops

import (
	"errors"
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// constantOps is the operator that holds a tensor as an attribute.
func constantOps() []*ir.Op { return []*ir.Op{constant} }

var constant = &ir.Op{
	Name: ir.OpName{Name: "Constant"}, Since: 13,
	Doc: "the tensor in the node's attribute",
	Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if t, ok := refType(n.Attrs); ok {
			return one(t)
		}
		t, err := ConstantOf(n.Attrs)
		if err != nil {
			return nil, err
		}
		return one(t.TypeOf())
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		t, err := ConstantOf(n.Attrs)
		if err != nil {
			return nil
		}
		return [][]ir.Dim{t.Known()}
	},
}

// ConstantOf returns the tensor that a Constant node's attributes describe. Floats
// that are attributes themselves, as a rule's ε is, count in double precision as
// they were written; a tensor's elements are what they are.
func ConstantOf(attrs ir.Attrs) (*ir.Tensor, error) {
	for _, a := range attrs {
		switch v := a.Value.(type) {
		case *ir.Tensor:
			if v == nil {
				return nil, errors.New("attribute value holds no tensor")
			}
			return v, nil
		case float32:
			return ir.Scalar(ir.Float, ir.Decimal(v))
		case []float32:
			return decimals(v), nil
		case int64:
			return ir.Of([]int64{v}), nil
		case []int64:
			return ir.Of(v, len(v)), nil
		case string:
			return &ir.Tensor{Elem: ir.String, Shape: []int{}, Strs: []string{v}}, nil
		case []string:
			return &ir.Tensor{Elem: ir.String, Shape: []int{len(v)}, Strs: v}, nil
		default:
			return nil, fmt.Errorf("attribute %s: %T is no constant", a.Name, a.Value)
		}
	}
	return nil, errors.New("want an attribute such as value or value_float")
}

// decimals is a vector of floats as they were written.
func decimals(xs []float32) *ir.Tensor {
	t := ir.Of(xs, len(xs))
	for _, x := range xs {
		t.Exact = append(t.Exact, ir.Decimal(x))
	}
	return t
}

// refType is the type of a constant that is an attribute of the function around
// the node. Its value is not known.
func refType(attrs ir.Attrs) (ir.Type, bool) {
	if len(attrs) == 0 {
		return ir.Type{}, false
	}
	r, ok := attrs[0].Value.(ir.Ref)
	if !ok {
		return ir.Type{}, false
	}
	switch r.Kind.(type) {
	case float32:
		return ir.TypeOf(ir.Float), true
	case int64:
		return ir.TypeOf(ir.Int64), true
	case []float32:
		return ir.TypeOf(ir.Float, -1), true
	case []int64:
		return ir.TypeOf(ir.Int64, -1), true
	}
	return ir.Type{}, true
}
