package lxtc_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"github.com/lxtc/lxtc/ir/ops"
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
		{gorgonia.New(), 1e-6},  // the same kernels, products of more rows at once: equal here, 7e-7 elsewhere
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
			if diff := cmp.Diff([]lxtc.Together{{Param: "$dense", Most: 2}, {Param: "$conv", Most: 3}}, s.Together()); diff != "" {
				t.Errorf("values at once: %s", diff)
			}
		})
	}
}

// Every architecture takes several points at once, in both forms, and with a limit of
// memory fewer, or one after another: with the results of single runs.
func TestSweepOfArchitectures(t *testing.T) {
	free, err := rules.Parse("free.rules", "Conv => gamma($conv=0.5)\nGemm, lxt.Linear => gamma($p)\nMatMul if const(1) => gamma($p)\nuse attnlrp", rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]float32{"$p": {0, 0.1, 0.5, 1, 4}}
	for i, file := range symbolic {
		form := passes.Form(i % 2)
		t.Run(fmt.Sprintf("%s/%v", file, form), func(t *testing.T) {
			m := loaded(t, file)
			opt := lxtc.Options{Rules: free, Form: form, TargetsOnly: true}
			in := symbolInputs(m.IR(), sizes[0], uint64(i))
			whole := explainer(t, m, gorgonia.New(), opt)
			s, err := m.Sweep(t.Context(), gorgonia.New(), opt, backend.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = s.Run(t.Context(), in, values, func(p lxtc.Point) error {
				given := maps.Clone(in)
				for name, v := range p.Values {
					given[name] = ir.Of([]float32{v})
				}
				// Measured: at most 2e-7 of the largest relevance.
				nearly(t, p.Values, p.Out, runOn(t, whole, given), 2e-6)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range s.Together() {
				if at.Param == "$p" && at.Most != 5 || at.Why != nil {
					t.Errorf("%s: %d values at once, %v; want all 5", at.Param, at.Most, at.Why)
				}
			}
		})
	}
}

// A limit of memory bounds how many points run at once, and holds.
func TestSweepKeepsToItsMemory(t *testing.T) {
	free, err := rules.Parse("free.rules", "Conv => gamma($conv)\nuse epsilon-plus", rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	m := loaded(t, "digits-cnn")
	x := make([]float32, 8*32*32)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	in := map[string]*ir.Tensor{"pixels": ir.Of(x, 8, 1, 32, 32)}
	values := map[string][]float32{"$conv": {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}}
	for _, c := range []struct {
		memory int64
		most   int
	}{{0, 10}, {32 << 20, 5}, {16 << 20, 2}} {
		s, err := m.Sweep(t.Context(), gorgonia.New(), lxtc.Options{Rules: free, Form: passes.ExplicitForm}, backend.Options{Memory: c.memory})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		points := 0
		if err := s.Run(t.Context(), in, values, func(lxtc.Point) error { points++; return nil }); err != nil {
			t.Errorf("in %d MiB: %v", c.memory>>20, err)
		}
		if most := s.Together()[0].Most; points != 10 || most > c.most || most < c.most/2 {
			t.Errorf("in %d MiB: %d points, %d at once; want 10, and about %d at once", c.memory>>20, points, most, c.most)
		}
	}
}

// A rule with an operator that takes no several points is swept one point after
// another, and the sweep says why.
func TestSweepOneAfterAnother(t *testing.T) {
	odd := &rules.Rule{
		Name: "odd", Doc: "scale relevance by a determinant", Params: []rules.Param{{Name: "p", Default: "1", Doc: "a factor"}},
		Relevance: func(c *rules.Context) []*ir.Value {
			p := c.OpA("Reshape", nil, c.Param("p", c.R[0]), c.Ints(1, 1))
			return c.Only(0, c.Mul(c.R[0], c.Op("Det", p)))
		},
	}
	set := append(rules.Standard(), odd)
	free, err := rules.Parse("free.rules", "Relu => odd($p)\nuse epsilon-plus", set)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ir.Parse(`<ir_version: 10, opset_import: ["" : 21]> g (float[1,2] x) => (float[1,2] y) { y = Relu (x) }`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	opt := lxtc.Options{Rules: free, RuleSet: set, Form: passes.ExplicitForm}
	s, err := lxtc.FromIR(m).Sweep(t.Context(), gorgonia.New(), opt, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []string
	in := map[string]*ir.Tensor{"x": ir.Of([]float32{1, 3}, 1, 2)}
	err = s.Run(t.Context(), in, map[string][]float32{"$p": {1, 2, 3}}, func(p lxtc.Point) error {
		r, err := p.Out["R:x"].Float64s()
		got = append(got, fmt.Sprint(r))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"[0 3]", "[0 6]", "[0 9]"}, got); diff != "" {
		t.Error(diff)
	}
	at := s.Together()[0]
	if at.Most != 1 || at.Why == nil || !strings.Contains(at.Why.Error(), "(Det): it does not take several points at once") {
		t.Errorf("%d at once: %v", at.Most, at.Why)
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
