package reference

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lxtc/lxtc/ir"
)

// A row whose every score is masked by the least float32 is uniform, in float64
// as in float32.
func TestSoftmaxOfLeastNumbers(t *testing.T) {
	least := -math.MaxFloat32
	x := &Array{Elem: ir.Float, Shape: []int{2, 4}, F: []float64{least, least, least, least, 1, least, 1, math.Inf(-1)}}
	near := cmpopts.EquateApprox(1e-15, 1e-15)
	got, err := softmax(&ir.Node{}, []*Array{x})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float64{0.25, 0.25, 0.25, 0.25, 0.5, 0, 0.5, 0}, got[0].F, near); d != "" {
		t.Error(d)
	}
	if got, err = logSoftmax(&ir.Node{}, []*Array{x}); err != nil {
		t.Fatal(err)
	}
	l := math.Log(4)
	if d := cmp.Diff([]float64{-l, -l, -l, -l}, got[0].F[:4], near); d != "" {
		t.Error(d)
	}
}
