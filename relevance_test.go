package lxtc_test

import (
	"testing"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
)

// relevanceOf explains a model and returns the named results: "R:x".
func relevanceOf(t *testing.T, m *lxtc.Model, b backend.Backend, opt lxtc.Options, in map[string]*ir.Tensor, names ...string) [][]float64 {
	t.Helper()
	x, err := m.Explainer(t.Context(), b, opt, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	out, err := x.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	rs := make([][]float64, len(names))
	for i, name := range names {
		if rs[i], err = out[name].Float64s(); err != nil {
			t.Fatal(err)
		}
	}
	return rs
}
