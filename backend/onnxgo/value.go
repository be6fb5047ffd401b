package onnxgo

import (
	"fmt"

	"github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"

	"github.com/lxtc/lxtc/ir"
)

// A Value is a node of onnx-go's graph: one tensor of the model. It implements
// onnx.Namer and onnx.DataCarrier.
type Value struct {
	b    *Backend
	id   int64
	name string
	data tensor.Tensor
	made bool // the result of an operation

	early int  // tensors set while the model was decoded: a placeholder, a weight, or both
	given bool // a tensor was set afterwards: it is an input's
}

var (
	_ onnx.Namer       = (*Value)(nil)
	_ onnx.DataCarrier = (*Value)(nil)
)

// ID returns the value's place in the order in which onnx-go made values.
func (v *Value) ID() int64 { return v.id }

// SetName names the value.
func (v *Value) SetName(name string) { v.name = name }

// GetName returns the value's name; "" stands for an omitted operand.
func (v *Value) GetName() string { return v.name }

// SetTensor gives the value its elements.
func (v *Value) SetTensor(t tensor.Tensor) error {
	if t == nil {
		return fmt.Errorf("onnxgo: no tensor is given for value %q", v.name)
	}
	if len(v.b.nodes) == 0 { // the model is still being decoded
		v.data = t
		v.early++
		return nil
	}
	if !v.b.isInput(v) {
		return fmt.Errorf("onnxgo: value %q is not an input of the model; where weights are listed before inputs, "+
			"Model.SetInput finds the wrong one, and Model.GetNodeByName the right one", v.name)
	}
	v.data, v.given = t, true
	return nil
}

// GetTensor returns the value's elements: those set, or after Run the result.
func (v *Value) GetTensor() tensor.Tensor { return v.data }

// fromTensor returns t as a tensor of the IR, sharing no memory with it.
func fromTensor(t tensor.Tensor) (*ir.Tensor, error) {
	d, ok := t.(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("a %T is not a dense tensor", t)
	}
	if d.DataOrder().IsColMajor() {
		return nil, fmt.Errorf("a tensor in column-major order")
	}
	if d.RequiresIterator() {
		d = d.Materialize().(*tensor.Dense)
	}
	shape := append([]int{}, d.Shape()...)
	if d.Shape().TotalSize() == 0 {
		return emptyTensor(d.Dtype(), shape)
	}
	switch x := d.Data().(type) {
	case []float32:
		return ir.Of(x, shape...), nil
	case []float64:
		return ir.Of(x, shape...), nil
	case []int64:
		return ir.Of(x, shape...), nil
	case []int32:
		return ir.Of(x, shape...), nil
	case []uint8:
		return ir.Of(x, shape...), nil
	case []int8:
		return ir.Of(x, shape...), nil
	case []bool:
		return ir.Of(x, shape...), nil
	case float32: // a tensor of rank 0 returns its element
		return ir.Of([]float32{x}, shape...), nil
	case float64:
		return ir.Of([]float64{x}, shape...), nil
	case int64:
		return ir.Of([]int64{x}, shape...), nil
	case int32:
		return ir.Of([]int32{x}, shape...), nil
	case uint8:
		return ir.Of([]uint8{x}, shape...), nil
	case int8:
		return ir.Of([]int8{x}, shape...), nil
	case bool:
		return ir.Of([]bool{x}, shape...), nil
	}
	return nil, fmt.Errorf("elements of type %v are not supported", d.Dtype())
}

// emptyTensor is a tensor without elements, which has no Data.
func emptyTensor(dt tensor.Dtype, shape []int) (*ir.Tensor, error) {
	elem, ok := elemOf(dt)
	if !ok {
		return nil, fmt.Errorf("elements of type %v are not supported", dt)
	}
	return &ir.Tensor{Elem: elem, Shape: shape, Raw: []byte{}}, nil
}

// elemOf returns the element type that a dtype is.
func elemOf(dt tensor.Dtype) (ir.DType, bool) {
	switch dt {
	case tensor.Float32:
		return ir.Float, true
	case tensor.Float64:
		return ir.Double, true
	case tensor.Int64:
		return ir.Int64, true
	case tensor.Int32:
		return ir.Int32, true
	case tensor.Uint8:
		return ir.Uint8, true
	case tensor.Int8:
		return ir.Int8, true
	case tensor.Bool:
		return ir.Bool, true
	}
	return ir.Undefined, false
}

// toTensor returns t as a tensor of Gorgonia. Half floats become float32, which
// holds them exactly.
func toTensor(t *ir.Tensor) (tensor.Tensor, error) {
	if t.Len() == 0 {
		return nil, fmt.Errorf("a %s has no elements, which a tensor of Gorgonia cannot be", t.TypeOf())
	}
	var data any
	var err error
	switch t.Elem {
	case ir.Float, ir.Float16, ir.BFloat16:
		var view []float32
		view, err = t.Float32s()
		data = append([]float32(nil), view...)
	case ir.Double:
		data, err = t.Float64s()
	case ir.Int64:
		data, err = t.Int64s()
	case ir.Int32:
		data, err = narrow(t, func(x int64) int32 { return int32(x) })
	case ir.Uint8:
		data, err = narrow(t, func(x int64) uint8 { return uint8(x) })
	case ir.Int8:
		data, err = narrow(t, func(x int64) int8 { return int8(x) })
	case ir.Bool:
		data, err = narrow(t, func(x int64) bool { return x != 0 })
	default:
		return nil, fmt.Errorf("elements of type %s are not supported", t.Elem)
	}
	if err != nil {
		return nil, err
	}
	return tensor.New(tensor.WithShape(t.Shape...), tensor.WithBacking(data)), nil
}

func narrow[T any](t *ir.Tensor, f func(int64) T) ([]T, error) {
	ints, err := t.Int64s()
	if err != nil {
		return nil, err
	}
	out := make([]T, len(ints))
	for i, x := range ints {
		out[i] = f(x)
	}
	return out, nil
}
