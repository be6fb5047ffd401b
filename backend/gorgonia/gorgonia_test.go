package gorgonia

import (
	"context"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/backendtest"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func TestBackend(t *testing.T) { backendtest.RunAll(t, engine{strict: true}) }

type tensors = map[string]*ir.Tensor

func parsed(t testing.TB, text string) *ir.Model {
	t.Helper()
	m, err := ir.Parse(text, ops.Standard())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// open returns a strict session that ends with the test.
func open(t testing.TB, m *ir.Model, opt backend.Options) *session {
	t.Helper()
	s, err := backend.Open(engine{strict: true}, m, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.(*session)
}

// ran returns the elements of output y.
func ran(t testing.TB, s *session, in tensors) []float64 {
	t.Helper()
	out, err := s.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	xs, err := out["y"].Float64s()
	if err != nil {
		t.Fatal(err)
	}
	return xs
}

// ones is a vector of n ones.
func ones(n int) *ir.Tensor {
	xs := make([]float32, n)
	for i := range xs {
		xs[i] = 1
	}
	return ir.Of(xs, n)
}

// built is a model of one input x[S], made by f, with output y.
func built(t testing.TB, f func(b *ir.Builder, x *ir.Value) *ir.Value) *ir.Model {
	t.Helper()
	m := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
	b := m.At(m.Graph, nil)
	y := f(b, m.Graph.Input("x", ir.Type{Elem: ir.Float, Shape: []ir.Dim{ir.Sym("S")}}))
	m.Graph.Outputs = []*ir.Value{b.Named("y", y)}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}
