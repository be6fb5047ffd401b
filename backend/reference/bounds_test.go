package reference_test

import (
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// TestTooLarge asks for outputs of terabytes, and for some that no input can
// make: an error is right, memory or a panic is not.
func TestTooLarge(t *testing.T) {
	vector := func(x ...int64) *ir.Tensor { return ir.Of(x, len(x)) }
	scalar := func(x int64) *ir.Tensor { return ir.Of([]int64{x}) }
	one, row := ir.Of([]float32{1}, 1), ir.Of([]float32{1, 2, 3}, 1, 1, 3)
	ints := func(name string, x ...int64) ir.Attr { return ir.Attr{Name: name, Value: x} }
	for _, tt := range []struct {
		op    string
		attrs ir.Attrs
		in    []*ir.Tensor
		want  string
	}{
		{"ConstantOfShape", nil, []*ir.Tensor{vector(1<<20, 1<<20)}, "the most this backend holds"},
		{"ConstantOfShape", nil, []*ir.Tensor{vector(-1)}, "negative dimension"},
		{"Expand", nil, []*ir.Tensor{one, vector(1 << 40)}, "the most this backend holds"},
		{"Tile", nil, []*ir.Tensor{one, vector(1 << 40)}, "cannot repeat 1099511627776 times"},
		{"Pad", nil, []*ir.Tensor{one, vector(1<<62, 1<<62)}, "too large"},
		{"Range", nil, []*ir.Tensor{scalar(0), scalar(1 << 62), scalar(1)}, "too many"},
		{"Range", nil, []*ir.Tensor{scalar(0), scalar(1), scalar(0)}, "delta is 0"},
		{"OneHot", nil, []*ir.Tensor{vector(0, 1), scalar(1 << 50), ir.Of([]float32{0, 1}, 2)}, "depth 1125899906842624"},
		{"Reshape", nil, []*ir.Tensor{one, vector(1<<40, -1)}, "no shape"},
		{"Reshape", nil, []*ir.Tensor{one, vector(0, 0, 2)}, "do not have shape"},
		{"CenterCropPad", nil, []*ir.Tensor{one, vector(1 << 40)}, "no shape"},
		{"Split", ir.Attrs{{Name: "num_outputs", Value: int64(1 << 40)}}, []*ir.Tensor{one}, "cannot split into 1099511627776 parts"},
		{"Gather", nil, []*ir.Tensor{one, vector(7)}, "index 7 is out of range for dimension 1"},
		{"Conv", ir.Attrs{ints("pads", 1<<29, 1<<29)}, []*ir.Tensor{row, row}, "the most this backend holds"},
		{"ConvTranspose", ir.Attrs{ints("strides", 1<<29)}, []*ir.Tensor{row, row}, "the most this backend holds"},
		{"MaxPool", ir.Attrs{ints("kernel_shape", 1<<30), ints("pads", 1<<30, 1<<30)}, []*ir.Tensor{row}, "the most this backend holds"},
		{"Resize", nil, []*ir.Tensor{row, nil, nil, vector(1, 1, 1<<29)}, "cannot be resized"},
	} {
		t.Run(tt.op, func(t *testing.T) {
			_, err := reference.Eval(&ir.Node{Op: ir.OpName{Name: tt.op}, Attrs: tt.attrs}, tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
