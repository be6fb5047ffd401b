package onnx

import (
	"strings"
	"testing"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
)

// symbolicModel adds x of [B, S, 2] to itself.
func symbolicModel() *pb.ModelProto {
	m := protoModel(17, "x[1,1,2]", "y", protoNode("y = Add(x, x)"))
	for i, name := range []string{"B", "S"} {
		m.Graph.Input[0].Type.GetTensorType().Shape.Dim[i].Value = &pb.TensorShapeProto_Dimension_DimParam{DimParam: name}
	}
	return m
}

func TestSizesReplaceNames(t *testing.T) {
	m, err := decodeProto(t, symbolicModel(), Sizes(map[string]int64{"S": 7}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Graph.Outputs[0].Type.String(), "float[B,7,2]"; got != want {
		t.Errorf("y is %s, want %s", got, want)
	}
}

func TestSizesAreOfTheInputs(t *testing.T) {
	for size, want := range map[string]string{"T": "there are B, S", "S": "cannot be -1"} {
		_, err := decodeProto(t, symbolicModel(), Sizes(map[string]int64{size: -1}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("size of %s: error %v, want %q in it", size, err, want)
		}
	}
}
