package onnx

import (
	"strconv"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

func valueInfo(name string, t ir.Type) *pb.ValueInfoProto {
	return &pb.ValueInfoProto{Name: name, Type: typeProto(t)}
}

// typeProto encodes a type; nil for one of which nothing is known.
func typeProto(t ir.Type) *pb.TypeProto {
	if t.Elem == ir.Undefined && t.Shape == nil {
		return nil
	}
	tensor := &pb.TypeProto_Tensor{ElemType: int32(t.Elem)}
	if t.Shape != nil {
		tensor.Shape = &pb.TensorShapeProto{}
		for _, d := range t.Shape {
			tensor.Shape.Dim = append(tensor.Shape.Dim, dimProto(d))
		}
	}
	return &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: tensor}}
}

func dimProto(d ir.Dim) *pb.TensorShapeProto_Dimension {
	if n, ok := d.Num(); ok {
		return &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}}
	}
	if d.IsUnknown() {
		return &pb.TensorShapeProto_Dimension{}
	}
	sym := d.Sym
	if d.N != 1 {
		sym = strconv.FormatInt(d.N, 10) + "*" + sym
	}
	return &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimParam{DimParam: sym}}
}

// tensor encodes t, its data where the plan puts them.
func (e *encoder) tensor(t *ir.Tensor) *pb.TensorProto {
	out := &pb.TensorProto{DataType: int32(t.Elem)}
	for _, d := range t.Shape {
		out.Dims = append(out.Dims, int64(d))
	}
	e.plan.fill(out, t)
	return out
}

func (e *encoder) attr(a ir.Attr, ns *names) (*pb.AttributeProto, error) {
	p := &pb.AttributeProto{Name: a.Name}
	value := a.Value
	if ref, ok := value.(ir.Ref); ok {
		p.RefAttrName, value = ref.Name, ref.Kind
	}
	kind, ok := kindOf(value)
	if !ok {
		return nil, diag.Errorf("LX4003", "attribute %q is a %T, which ONNX does not have", a.Name, value)
	}
	p.Type = kind
	if p.RefAttrName != "" {
		return p, nil
	}
	var err error
	switch v := value.(type) {
	case float32:
		p.F = v
	case int64:
		p.I = v
	case string:
		p.S = []byte(v)
	case []float32:
		p.Floats = v
	case []int64:
		p.Ints = v
	case []string:
		for _, s := range v {
			p.Strings = append(p.Strings, []byte(s))
		}
	case *ir.Tensor:
		p.T = e.tensor(v)
	case []*ir.Tensor:
		for _, t := range v {
			p.Tensors = append(p.Tensors, e.tensor(t))
		}
	case ir.Type:
		p.Tp = typeProto(v)
	case *ir.Graph:
		p.G, err = e.graph(v, ns.within(v))
	case []*ir.Graph:
		for _, g := range v {
			gp, err := e.graph(g, ns.within(g))
			if err != nil {
				return nil, err
			}
			p.Graphs = append(p.Graphs, gp)
		}
	}
	p.SayZero()
	return p, err
}

// kindOf returns the type of an attribute with the given value.
func kindOf(value any) (pb.AttributeProto_AttributeType, bool) {
	switch value.(type) {
	case float32:
		return pb.AttributeProto_FLOAT, true
	case int64:
		return pb.AttributeProto_INT, true
	case string:
		return pb.AttributeProto_STRING, true
	case []float32:
		return pb.AttributeProto_FLOATS, true
	case []int64:
		return pb.AttributeProto_INTS, true
	case []string:
		return pb.AttributeProto_STRINGS, true
	case *ir.Tensor:
		return pb.AttributeProto_TENSOR, true
	case []*ir.Tensor:
		return pb.AttributeProto_TENSORS, true
	case ir.Type:
		return pb.AttributeProto_TYPE_PROTO, true
	case *ir.Graph:
		return pb.AttributeProto_GRAPH, true
	case []*ir.Graph:
		return pb.AttributeProto_GRAPHS, true
	}
	return pb.AttributeProto_UNDEFINED, false
}
