package onnx

import (
	"errors"
	"slices"
	"testing"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// Any bytes are an error with a code or a valid model. An operator's inference
// must not panic: Decode would report it, and the file of a stranger must not
// be able to reach it.
func FuzzDecode(f *testing.F) {
	w := protoModel(11, "x[B,3]", "y", protoNode("h = MatMul(x, w)"), protoNode("y = Softmax(h)"))
	w.Graph.Initializer = []*pb.TensorProto{{Name: "w", Dims: []int64{3, 2}, DataType: 1, FloatData: make([]float32, 6)}}
	for _, m := range []*pb.ModelProto{
		w,
		withFunctions(protoModel(17, "x", "y", protoNode("y = f.F0(x)")), chain(3)...),
		protoModel(17, "c:bool x", "y", protoNode("y = If(c)", protoAttr("then_branch", branch("t", protoNode("t = Relu(x)"))))),
		protoModel(9, "x[5,3]", "y z", protoNode("h = Slice(x)", protoAttr("starts", []int64{1}), protoAttr("ends", []int64{3})),
			protoNode("y, z = Split(h)", protoAttr("axis", 1), protoAttr("split", []int64{1, 2}))),
		protoModel(17, "x[1,3,8,8] w[4,3,3,3]", "y", protoNode("y = Conv(x, w)", protoAttr("strides", []int64{2, 2}))),
		protoModel(17, "x[2,3]", "y", protoNode("s = Shape(x)"), protoNode("h = Reshape(x, s)"), protoNode("y = Concat(h, x)", protoAttr("axis", 1))),
	} {
		f.Add(protoBytes(f, m))
	}
	f.Add(protoBytes(f, mixed()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var all []Unsupported
		_, _ = Decode(b, Collect(&all)) // must end
		for _, opts := range [][]Option{nil, {KeepUnknown()}} {
			m, err := Decode(b, opts...)
			if err == nil {
				err = ir.Verify(m)
				if err != nil {
					t.Fatalf("the decoded model is not valid: %v", err)
				}
				continue
			}
			var e *diag.Error
			if !errors.As(err, &e) || e.Code == "" || isPanic(err) {
				t.Fatalf("error %v", err)
			}
		}
	})
}

// isPanic reports whether err is that of an operator whose inference panicked.
func isPanic(err error) bool {
	var u *UnsupportedError
	return errors.As(err, &u) && slices.ContainsFunc(u.Operators, func(o Unsupported) bool { return o.Code == "LX1099" })
}
