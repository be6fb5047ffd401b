package passes_test

import (
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

func TestLinear(t *testing.T) {
	const inputs = "float[B,4] x, float[B,4] z, float[4,4] w, float[4] b, float[1,2,5,5] image, float[3,2,3,3] kernel, bool[4] c, int64[2] i"
	for _, tt := range []struct {
		node string
		in   []bool
		want bool
	}{
		{"y = MatMul (x, w)", []bool{true}, true},
		{"y = MatMul (x, w)", []bool{false, true}, true},
		{"y = MatMul (x, w)", []bool{true, true}, false},
		{"y = lxt.Linear (x, w, b)", []bool{true}, true},
		{"y = lxt.Linear (x, w, b)", []bool{true, false, true}, true},
		{"y = Gemm (x, w, b)", []bool{true}, true},
		{"y = Conv (image, kernel)", []bool{true}, true},
		{"y = Add (x, b)", []bool{true, true}, true},
		{"y = Sub (x, z)", []bool{true, true}, true},
		{"y = Mul (x, b)", []bool{true}, true},
		{"y = Mul (x, z)", []bool{true, true}, false},
		{"y = Mul (x, x)", []bool{true, true}, false},
		{"y = Div (x, z)", []bool{true}, true},
		{"y = Div (x, z)", []bool{false, true}, false},
		{"y = Div (x, z)", []bool{true, true}, false},
		{"y = Where (c, x, z)", []bool{false, true, true}, true},
		{"y = Concat <axis = 0> (x, z)", []bool{true, true}, true},
		{"y = Gather (x, i)", []bool{true}, true},
		{"y = Transpose (x)", []bool{true}, true},
		{"y = ReduceMean (x)", []bool{true}, true},
		{"y = ReduceMax (x)", []bool{true}, false},
		{"y = ReduceSumSquare (x)", []bool{true}, false},
		{"y = CumSum (x, one)", []bool{true}, true},
		{"y = AveragePool <kernel_shape = [2, 2]> (image)", []bool{true}, true},
		{"y = MaxPool <kernel_shape = [2, 2]> (image)", []bool{true}, false},
		{"y = Resize (image, , , size)", []bool{true}, true},
		{"y = BatchNormalization (x, b, b, b, b)", []bool{true}, true},
		{"y = LayerNormalization (x, b)", []bool{true}, false},
		{"y = RMSNormalization (x, b)", []bool{true}, false},
		{"y = Softmax (x)", []bool{true}, false},
		{"y = Relu (x)", []bool{true}, false},
		{"y = Tanh (x)", []bool{true}, false},
		{"y = Gelu (x)", []bool{true}, false},
		{"y = Exp (x)", []bool{true}, false},
		{"y = Abs (x)", []bool{true}, false},
		{"y = Neg (x)", []bool{true}, true},
		{"y = Cast <to = 11> (x)", []bool{true}, true},
		{"y = Floor (x)", []bool{true}, false}, // has no derivative
	} {
		m, err := ir.Parse("g ("+inputs+") => () <int64 one = {1}, int64[4] size = {1, 2, 7, 7}> {"+tt.node+"}", ops.Standard())
		if err != nil {
			t.Fatalf("%s: %v", tt.node, err)
		}
		for n := range m.Graph.Nodes() {
			in := append(tt.in, make([]bool, len(n.In)-len(tt.in))...)
			if got := passes.Linear(m, n, in); got != tt.want {
				t.Errorf("%s is linear in %v: %v, want %v", tt.node, tt.in, got, tt.want)
			}
		}
	}
}
