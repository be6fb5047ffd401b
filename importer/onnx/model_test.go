package onnx

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// protoModel is a model of one graph from float inputs to float outputs. Inputs
// and outputs read "x[2,N]".
func protoModel(opset int64, inputs, outputs string, nodes ...*pb.NodeProto) *pb.ModelProto {
	g := &pb.GraphProto{Name: "g", Node: nodes}
	for s := range strings.FieldsSeq(inputs) {
		g.Input = append(g.Input, protoValue(s))
	}
	for s := range strings.FieldsSeq(outputs) {
		g.Output = append(g.Output, protoValue(s))
	}
	return &pb.ModelProto{
		IrVersion:   8,
		OpsetImport: []*pb.OperatorSetIdProto{{Version: opset}, {Domain: "f", Version: 1}},
		Graph:       g,
	}
}

// protoValue reads "name", "name[dims]" or "name:type[dims]".
func protoValue(s string) *pb.ValueInfoProto {
	name, dims, shaped := strings.Cut(s, "[")
	name, elem, typed := strings.Cut(name, ":")
	if !typed {
		elem = "float"
	}
	e, ok := ir.ParseDType(elem)
	if !ok {
		panic("no type " + elem)
	}
	t := &pb.TypeProto_Tensor{ElemType: int32(e)}
	if shaped {
		t.Shape = &pb.TensorShapeProto{}
		for d := range strings.SplitSeq(strings.TrimSuffix(dims, "]"), ",") {
			p := &pb.TensorShapeProto_Dimension{}
			var n int64
			if _, err := fmt.Sscan(d, &n); err == nil {
				p.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}
			} else if d != "?" {
				p.Value = &pb.TensorShapeProto_Dimension_DimParam{DimParam: d}
			}
			t.Shape.Dim = append(t.Shape.Dim, p)
		}
	}
	return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: t}}}
}

// protoNode reads "y, z = domain.Op(a, , b)".
func protoNode(s string, attrs ...*pb.AttributeProto) *pb.NodeProto {
	out, call, _ := strings.Cut(s, "=")
	op, in, _ := strings.Cut(strings.TrimSpace(call), "(")
	name := ir.ParseOpName(op)
	return &pb.NodeProto{
		OpType: name.Name, Domain: name.Domain,
		Input: protoNames(strings.TrimSuffix(in, ")")), Output: protoNames(out), Attribute: attrs,
	}
}

func protoNames(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	names := strings.Split(s, ",")
	for i, n := range names {
		names[i] = strings.TrimSpace(n)
	}
	return names
}

func protoAttr(name string, value any) *pb.AttributeProto {
	a := &pb.AttributeProto{Name: name}
	switch v := value.(type) {
	case int:
		a.Type, a.I = pb.AttributeProto_INT, int64(v)
	case float64:
		a.Type, a.F = pb.AttributeProto_FLOAT, float32(v)
	case string:
		a.Type, a.S = pb.AttributeProto_STRING, []byte(v)
	case []int64:
		a.Type, a.Ints = pb.AttributeProto_INTS, v
	case []float32:
		a.Type, a.Floats = pb.AttributeProto_FLOATS, v
	case []string:
		a.Type = pb.AttributeProto_STRINGS
		for _, s := range v {
			a.Strings = append(a.Strings, []byte(s))
		}
	case *pb.TensorProto:
		a.Type, a.T = pb.AttributeProto_TENSOR, v
	case *pb.SparseTensorProto:
		a.Type, a.SparseTensor = pb.AttributeProto_SPARSE_TENSOR, v
	case *pb.GraphProto:
		a.Type, a.G = pb.AttributeProto_GRAPH, v
	default:
		panic(fmt.Sprintf("no attribute of %T", value))
	}
	return a
}

func protoBytes(t testing.TB, m *pb.ModelProto) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeProto decodes m, checks the result and closes it with the test.
func decodeProto(t testing.TB, m *pb.ModelProto, opts ...Option) (*ir.Model, error) {
	t.Helper()
	got, err := Decode(protoBytes(t, m), opts...)
	if err != nil {
		return nil, err
	}
	if err := ir.Verify(got); err != nil {
		t.Errorf("the decoded model is not valid: %v", err)
	}
	return got, nil
}

// text is the text of a model's graph without the header.
func text(m *ir.Model) string { return ir.GraphText(m.Graph) }

// wantCode reports an error that has not the given code or does not say want.
func wantCode(t testing.TB, err error, code, want string) {
	t.Helper()
	var e *diag.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s saying %q", err, code, want)
	}
}
