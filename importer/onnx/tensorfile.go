package onnx

import (
	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// DecodeTensor reads a tensor from the bytes of a TensorProto file, the .pb
// files beside test models for instance. The tensor aliases b; its data must
// not be external.
func DecodeTensor(b []byte) (*ir.Tensor, error) {
	p := &pb.TensorProto{}
	if err := p.Unmarshal(b); err != nil {
		return nil, diag.Errorf("LX1005", "not a tensor: %w", err)
	}
	if p.DataLocation == pb.TensorProto_EXTERNAL {
		return nil, diag.Errorf("LX1006", "tensor %q: its data are external", p.Name)
	}
	d := &decoder{src: &mapping{data: b}, tensors: map[*pb.TensorProto]*ir.Tensor{}}
	return d.tensor(p)
}
