package onnx_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/importer/onnx"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

func TestDecodeTensor(t *testing.T) {
	p := &pb.TensorProto{Name: "x", DataType: int32(ir.Int64), Dims: []int64{2}, Int64Data: []int64{3, -1}}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := onnx.DecodeTensor(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(ir.Of([]int64{3, -1}, 2), got); d != "" {
		t.Error(d)
	}
	p.DataLocation = pb.TensorProto_EXTERNAL
	if b, err = p.Marshal(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"external data", "its data are external", b},
		{"no protobuf", "not a tensor", []byte{0xff, 0xff, 0xff}},
	} {
		if _, err := onnx.DecodeTensor(tt.data); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}
