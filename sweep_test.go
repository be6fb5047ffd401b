package lxtc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// Every point of a sweep is what a run of the whole program gives at its
// values.
func TestSweepIsManyRuns(t *testing.T) {
	free, err := rules.Parse("free.rules", "Conv => gamma($conv)\nGemm, lxt.Linear => gamma($dense=0.5)\nuse epsilon-plus", rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	m, err := lxtc.Load(filepath.Join("testdata", "onnx", "digits-cnn"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	x := make([]float32, 32*32)
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range x {
		x[i] = rng.Float32()
	}
	in := map[string]*ir.Tensor{"pixels": ir.Of(x, 1, 1, 32, 32)}
	opt := lxtc.Options{Rules: free, Form: passes.ExplicitForm}
	for _, c := range []struct {
		backend backend.Backend
		limit   float64 // of the largest magnitude
	}{
		{reference.New(), 1e-6}, // float64 within a stage, float32 between them: 1e-7
		{gorgonia.New(), 0},     // the same kernels on the same numbers
	} {
		t.Run(c.backend.Name(), func(t *testing.T) {
			whole, err := m.Explainer(t.Context(), c.backend, opt, backend.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer whole.Close()
			s, err := m.Sweep(t.Context(), c.backend, opt, backend.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if diff := cmp.Diff([]string{"$dense", "$conv"}, s.Params); diff != "" {
				t.Errorf("the convolutions come after the dense layers in relevance, and turn first: %s", diff)
			}
			var order []string
			values := map[string][]float32{"$conv": {0, 0.25, 4}, "$dense": {0.5, 0}}
			err = s.Run(t.Context(), in, values, func(p lxtc.Point) error {
				order = append(order, fmt.Sprint(p.Values["$dense"], p.Values["$conv"]))
				given := map[string]*ir.Tensor{"pixels": in["pixels"]}
				for name, v := range p.Values {
					given[name] = ir.Of([]float32{v})
				}
				want, err := whole.Run(t.Context(), given)
				if err != nil {
					return err
				}
				for _, name := range []string{"logits", "R:pixels"} {
					a, err := want[name].Float64s()
					if err != nil {
						return err
					}
					b, err := p.Out[name].Float64s()
					if err != nil {
						return err
					}
					if diff := cmp.Diff(a, b, cmpopts.EquateApprox(0, c.limit*slices.Max(a))); diff != "" {
						t.Errorf("%s at %v: %s", name, p.Values, diff)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"0.5 0", "0.5 0.25", "0.5 4", "0 0", "0 0.25", "0 4"}, order); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSweepNeedsItsParameters(t *testing.T) {
	m, err := lxtc.Load(filepath.Join("testdata", "onnx", "digits-cnn"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Sweep(t.Context(), reference.New(), lxtc.Options{}, backend.Options{}); err == nil {
		t.Error("a map without free parameters: no error")
	}
	free, err := rules.Parse("free.rules", "Conv => gamma($gamma)\nuse epsilon-plus", rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Sweep(t.Context(), reference.New(), lxtc.Options{Rules: free, Form: passes.ExplicitForm}, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := map[string]*ir.Tensor{"pixels": ir.Of(make([]float32, 32*32), 1, 1, 32, 32)}
	never := func(lxtc.Point) error { t.Error("visited"); return nil }
	if err := s.Run(t.Context(), in, nil, never); err == nil {
		t.Error("no value and no default: no error")
	}
	if err := s.Run(t.Context(), in, map[string][]float32{"$beta": {1}}, never); err == nil {
		t.Error("a parameter that is not there: no error")
	}
	stop := errors.New("stop")
	visits := 0
	err = s.Run(t.Context(), in, map[string][]float32{"$gamma": {0, 1}}, func(lxtc.Point) error { visits++; return stop })
	if !errors.Is(err, stop) || visits != 1 {
		t.Errorf("after an error of visit: %d visits, error %v", visits, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx, in, map[string][]float32{"$gamma": {0}}, never); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancellation: %v", err)
	}
}

// A saved model keeps its free parameters: inputs, with the defaults of the map.
func TestASavedModelHasItsParameters(t *testing.T) {
	free, err := rules.Parse("free.rules", "Conv => gamma($conv)\nGemm, lxt.Linear => gamma($dense=0.5)\nuse epsilon-plus", rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	m, err := lxtc.Load(filepath.Join("testdata", "onnx", "digits-cnn"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r, err := m.Rewrite(t.Context(), lxtc.Options{Rules: free})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "saved.onnx")
	if err := r.Save(path, lxtc.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	saved, err := lxtc.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	defaults := map[string]bool{}
	for _, v := range saved.IR().Graph.Inputs {
		defaults[v.Name] = v.Default != nil
	}
	if diff := cmp.Diff(map[string]bool{"pixels": false, "$conv": false, "$dense": true}, defaults); diff != "" {
		t.Error(diff)
	}
	unset, err := m.Explainer(t.Context(), reference.New(), lxtc.Options{Rules: free}, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer unset.Close()
	in := map[string]*ir.Tensor{"pixels": ir.Of(make([]float32, 32*32), 1, 1, 32, 32)}
	if _, err := unset.Run(t.Context(), in); err == nil || !strings.Contains(err.Error(), "$conv=0.25") {
		t.Errorf("a parameter without a value: %v, want an error that says how to give one", err)
	}
}
