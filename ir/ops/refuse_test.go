package ops_test

import (
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestVJPRefuses lists what has no derivative, with the reason that is given.
func TestVJPRefuses(t *testing.T) {
	for _, tt := range []struct{ name, inputs, node, want string }{
		{"dropout that trains", "float[2] x, float r, bool training", "Dropout (x, r, training)", "it may be training"},
		{
			"batch normalisation that trains", "float[2,3] x, float[3] s, float[3] b, float[3] m, float[3] v",
			"BatchNormalization <training_mode = 1> (x, s, b, m, v)", "it is in training mode",
		},
		{"a product of unknown rank", "float[] x, float[3,4] w", "MatMul (x, w)", "a rank is unknown"},
		{"a determinant", "float[2,2] x", "Det (x)", "no derivative is written for this operator"},
		{"a running product", "float[2] x, int64 a", "CumProd (x, a)", "no derivative is written for this operator"},
		{
			"steps of which nobody knows how many there are", "float[T,1,2] x, float[1,3,2] w, float[1,3,3] r", "RNN (x, w, r)",
			"no derivative is written for this operator",
		},
		{"a sum of unknown rank", "float[] x, float[3] y", "Add (x, y)", "unknown rank"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse("g ("+tt.inputs+") => (o) {\n  o = "+tt.node+"\n}", ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			n := m.Graph.Outputs[0].Def
			wantError(t, m, n, tt.want)
		})
	}
}

// TestVJPOfParameter says that an attribute of the function around a node is
// not mistaken for its default.
func TestVJPOfParameter(t *testing.T) {
	m, err := ir.Parse("g (float[2] x) => (o) {\n  o = LeakyRelu (x)\n}", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	n := m.Graph.Outputs[0].Def
	n.Attrs = ir.Attrs{{Name: "alpha", Value: ir.Ref{Name: "slope", Kind: float32(0)}}}
	wantError(t, m, n, "attribute alpha is @slope of the function around it")
}

func wantError(t *testing.T, m *ir.Model, n *ir.Node, want string) {
	t.Helper()
	b := m.At(m.Graph, nil)
	dy := m.Graph.Input("dy", n.Out[0].Type)
	ops.Standard().Lookup(n.Op).VJP(b, n, []*ir.Value{dy}, append([]bool{true}, make([]bool, len(n.In)-1)...))
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want it to say %q", err, want)
	}
}
