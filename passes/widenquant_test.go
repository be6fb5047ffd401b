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

// What cannot be computed in floats is an error that says what stood in the
// way, as soon as relevance would have to pass it.
func TestIntegersThatStay(t *testing.T) {
	for _, tt := range []struct{ name, nodes, want string }{
		{"an operator on integers", "d = Div (q, k) y = DequantizeLinear (d, s, z)", "Div->d: it is not known on integers that stand for other numbers"},
		{"a sum that may overflow", "d = Add (q, k) y = DequantizeLinear (d, s, z)", "Add->d: it may overflow uint8"},
		{"another zero point", "y = DequantizeLinear (q, s, k)", "DequantizeLinear->y: zero point k, but z in the quantization"},
		{"padding that is not the zero point", "d = Pad (q, p) y = DequantizeLinear (d, s, z)", "Pad->d: it pads with 0, and the zero point is z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse(`g (float[2,3] x) => (float[2,M] y)
				<float s = {0.1}, uint8 z = {120}, uint8 k = {3}, int64[4] p = {0, 1, 0, 1}> { q = QuantizeLinear (x, s, z) `+tt.nodes+` }`, ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			_, err = passes.Default().Run(context.Background(), m, passes.Options{Eval: reference.Eval}, passes.Driver{Strict: true})
			if err == nil || !strings.Contains(err.Error(), "no rule in attnlrp for operator QuantizeLinear") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
}
