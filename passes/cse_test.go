package passes_test

import (
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// Numbers that are one float32, but were meant differently, stay two.
func TestCSEKeepsExactNumbersApart(t *testing.T) {
	m, err := ir.Parse(`g (float[2] x, float a, float b) => (y, z) {
  y = Add (x, a)
  z = Add (x, b)
}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	var first *ir.Node
	for n := range m.Graph.Nodes() {
		first = n
		break
	}
	b := m.At(m.Graph, first)
	for i, x := range []float64{0, 1e-50} {
		n, err := ir.Scalar(ir.Float, x)
		if err != nil {
			t.Fatal(err)
		}
		m.Graph.ReplaceUses(m.Graph.Inputs[1+i], b.Constant(n))
	}
	if _, err := (passes.Pipeline{passes.CSE}).Run(t.Context(), m, passes.Options{}, passes.Driver{}); err != nil {
		t.Fatal(err)
	}
	if n := m.Graph.Len(); n != 4 {
		t.Errorf("%d nodes, want 4: 1e-50 is not 0 in double precision\n%s", n, m.Text())
	}
}
