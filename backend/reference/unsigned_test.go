package reference_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestUnsigned is about numbers that are negative as int64. ONNX Runtime has the
// same results, for the operators and types that it has kernels for.
func TestUnsigned(t *testing.T) {
	const half = 1 << 63
	tensor := func(x ...uint64) *ir.Tensor {
		t := &ir.Tensor{Elem: ir.Uint64, Shape: []int{len(x)}}
		for _, v := range x {
			t.Raw = binary.LittleEndian.AppendUint64(t.Raw, v)
		}
		return t
	}
	x, y := tensor(half+5, 3, 1<<64-1), tensor(2, half+7, 5)
	for _, c := range []struct {
		text string
		want []uint64
	}{
		{"z = Div (x, y)", []uint64{1<<62 + 2, 0, (1<<64 - 1) / 5}},
		{"z = Mod (x, y)", []uint64{1, 3, 0}},
		{"z = Max (x, y)", []uint64{half + 5, half + 7, 1<<64 - 1}},
		{"z = Min (x, y)", []uint64{2, 3, 5}},
		{"z = Abs (x)", []uint64{half + 5, 3, 1<<64 - 1}},
		{"z = Sign (x)", []uint64{1, 1, 1}},
		{"z = ReduceMax <keepdims = 0> (x)", []uint64{1<<64 - 1}},
		{"z = ReduceMin <keepdims = 0> (x)", []uint64{3}},
		{"z, i = TopK (x, two)", []uint64{1<<64 - 1, half + 5}},
		{`z = ScatterElements <reduction = "max"> (x, i0, y)`, []uint64{half + 7, 3, 1<<64 - 1}},
	} {
		m, err := ir.Parse("g (uint64[3] x, uint64[3] y) => (z) <int64[1] two = {2}, int64[3] i0 = {0, 0, 2}> { "+c.text+" }", ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		out, err := run(m, map[string]*ir.Tensor{"x": x, "y": y})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if want := tensor(c.want...); !slices.Equal(out["z"].Raw, want.Raw) {
			t.Errorf("%s: %x, want %x", c.text, out["z"].Raw, want.Raw)
		}
	}
}

// TestReductionsOfNothing: the bounds of the type, and 0 for a mean.
func TestReductionsOfNothing(t *testing.T) {
	for _, c := range []struct {
		op   string
		want int32
	}{
		{"ReduceSum", 0}, {"ReduceProd", 1}, {"ReduceMean", 0}, {"ReduceMax", -1 << 31}, {"ReduceMin", 1<<31 - 1}, {"ReduceLogSum", -1 << 31},
	} {
		m, err := ir.Parse("g (int32[1,0] x) => (z) <int64[1] axis = {1}> { z = "+c.op+" <keepdims = 0> (x, axis) }", ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		out, err := run(m, map[string]*ir.Tensor{"x": ir.Of([]int32{}, 1, 0)})
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		if got, err := out["z"].Int64s(); err != nil || len(got) != 1 || got[0] != int64(c.want) {
			t.Errorf("%s: %v (%v), want %d", c.op, got, err, c.want)
		}
	}
}
