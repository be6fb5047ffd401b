package ops

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
)

// The orders are those with which attention that ONNX Runtime 1.32 has fused
// computes what it did before.
func TestFusedMatMulTransposes(t *testing.T) {
	trans, batch := ir.Attr{Name: "transA", Value: int64(1)}, ir.Attr{Name: "transBatchA", Value: int64(1)}
	for _, c := range []struct {
		name  string
		rank  int
		attrs ir.Attrs
		want  []int64
	}{
		{"as it is", 4, nil, nil},
		{"the last two axes", 4, ir.Attrs{trans}, []int64{0, 1, 3, 2}},
		{"the first axis goes before the last", 4, ir.Attrs{batch}, []int64{1, 2, 0, 3}},
		{"both", 4, ir.Attrs{trans, batch}, []int64{1, 2, 3, 0}},
		{"a matrix has no batch", 2, ir.Attrs{trans, batch}, []int64{1, 0}},
		{"a vector", 1, ir.Attrs{trans, batch}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &ir.Value{Type: ir.Type{Elem: ir.Float, Shape: make([]ir.Dim, c.rank)}}
			if d := cmp.Diff(c.want, fusedPerm(&ir.Node{In: []*ir.Value{x}, Attrs: c.attrs}, 0, "A")); d != "" {
				t.Error(d)
			}
		})
	}
}
