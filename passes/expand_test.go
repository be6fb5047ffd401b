package passes_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// TestWholeFusedOperator says why an operator has no rule that expand could not
// take apart.
func TestWholeFusedOperator(t *testing.T) {
	for _, tt := range []struct{ name, inputs, want string }{
		{"as many steps as a run has", "float[T,1,2] x", "the numbers of steps and of states must be known"},
		{"five steps", "float[5,1,2] x", ""},
	} {
		m, err := ir.Parse(`g (`+tt.inputs+`) => (float[?,1,1,2] y)
<float[1,2,2] w = {1, 2, 3, 4}, float[1,2,2] r = {1, 0, 0, 1}> {
  y = RNN (x, w, r)
}`, ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		opt := passes.Options{Eval: reference.Eval, Targets: []passes.Target{{Index: []int64{0, 0, 0, 0}}}}
		_, err = passes.Default().Run(context.Background(), m, opt, passes.Driver{})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want it to say %q", tt.name, err, tt.want)
		}
	}
}
