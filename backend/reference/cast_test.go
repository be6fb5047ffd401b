package reference

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
)

// Relative positions of 16, 32, 64 and 128 lie where buckets of T5 and MPNet begin.
// The models compute the bucket in float32 from a float32's log(16); float64 would
// put two of these in the bucket before.
func TestCastToIntegerRoundsToFloat32(t *testing.T) {
	width := float64(float32(math.Log(16)))
	positions := &Array{Elem: ir.Float, Shape: []int{4}}
	exact := &Array{Elem: ir.Double, Shape: []int{4}}
	for _, d := range []float64{16, 32, 64, 128} {
		x := math.Log(d/8) / width * 8
		positions.F, exact.F = append(positions.F, x), append(exact.F, x)
	}
	got, err := convert(positions, ir.Int64)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int64{2, 4, 6, 8}, got.I); d != "" {
		t.Errorf("from float32 (-want +got):\n%s", d)
	}
	if got, err = convert(exact, ir.Int64); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int64{2, 4, 6, 8}, got.I); d == "" {
		t.Error("the same in float64: this test shows nothing")
	}
}
