package arrays_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/ir"
)

func TestConvert(t *testing.T) {
	halves := func(elem ir.DType, raw ...byte) *ir.Tensor {
		t.Helper()
		h, err := ir.NewTensor(elem, []int{len(raw) / 2}, raw)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, c := range []struct {
		fact string
		in   *ir.Tensor
		want *ir.Tensor // its type is asked for
		err  string
	}{
		{fact: "the same type is the same tensor", in: ir.Of([]float32{1}), want: ir.Of([]float32{1})},
		{fact: "float64 is rounded to float32", in: ir.Of([]float64{0.1}, 1), want: ir.Of([]float32{0.1}, 1)},
		{fact: "float32 widens", in: ir.Of([]float32{0.5}, 1), want: ir.Of([]float64{0.5}, 1)},
		{fact: "1 as float16 is 0x3c00", in: ir.Of([]float32{1, -2}, 2), want: halves(ir.Float16, 0x00, 0x3c, 0x00, 0xc0)},
		{fact: "1 as bfloat16 is 0x3f80", in: ir.Of([]float64{1}, 1), want: halves(ir.BFloat16, 0x80, 0x3f)},
		{fact: "float16 to bfloat16", in: halves(ir.Float16, 0x00, 0x3c), want: halves(ir.BFloat16, 0x80, 0x3f)},
		{fact: "int32 widens", in: ir.Of([]int32{-7}, 1), want: ir.Of([]int64{-7}, 1)},
		{fact: "int64 that fits", in: ir.Of([]int64{1 << 30}, 1), want: ir.Of([]int32{1 << 30}, 1)},
		{fact: "int64 that does not fit", in: ir.Of([]int64{1 << 31}, 1), want: ir.Of([]int32{0}, 1), err: "2147483648 does not fit into int32"},
		{fact: "a negative number is no byte", in: ir.Of([]int64{-1}, 1), want: ir.Of([]uint8{0}, 1), err: "-1 does not fit into uint8"},
		{fact: "truth is not 0", in: ir.Of([]int64{0, 2}, 2), want: ir.Of([]bool{false, true}, 2)},
		{fact: "true is 1", in: ir.Of([]bool{false, true}, 2), want: ir.Of([]int64{0, 1}, 2)},
		{fact: "a fraction is no integer", in: ir.Of([]float32{1}, 1), want: ir.Of([]int64{1}, 1), err: "int64 cannot be given as float"},
		{fact: "an integer is no fraction", in: ir.Of([]int64{1}, 1), want: ir.Of([]float32{1}, 1), err: "float cannot be given as int64"},
	} {
		t.Run(c.fact, func(t *testing.T) {
			got, err := arrays.Convert(c.in, c.want.Elem)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
