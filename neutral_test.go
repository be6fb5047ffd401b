package lxtc_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// Where nothing is added to live values and no rule absorbs, as much relevance
// arrives as started: in every architecture, by the paths that every map takes.
func TestNeutral(t *testing.T) {
	for _, file := range symbolic {
		if strings.HasPrefix(file, "digits-vit") {
			continue // its class token is joined to what is explained, and gets some: `lxtc check` has it in its books
		}
		m := loaded(t, file)
		maps := []string{"attnlrp", "cp-lrp"}
		switch {
		case strings.Contains(file, "vgg"):
			maps = []string{"attnlrp", "epsilon-plus", "epsilon-alpha2-beta1", "epsilon-gamma-box", "epsilon-plus-flat", "gradient-input"}
		case strings.Contains(file, "cnn"): // of one channel, where zbox has bounds for three
			maps = []string{"attnlrp", "epsilon-plus", "epsilon-alpha2-beta1", "epsilon-plus-flat", "gradient-input"}
		}
		for _, name := range maps {
			t.Run(file+"/"+name, func(t *testing.T) {
				in := symbolInputs(m.IR(), map[string]int{"batch": 2, "sequence": 6, "decoded": 3}, 3)
				for k, x := range in { // within the bounds of zbox
					if x.Elem == ir.Float {
						in[k] = clipped(t, x, 1.8)
					}
				}
				seeded, explained := neutral(t, m.IR(), name, in)
				if d := math.Abs(seeded - explained); !(d <= 1e-9*math.Abs(seeded)) {
					t.Errorf("%.12g of relevance started, and %.12g arrived", seeded, explained)
				}
			})
		}
	}
}

// neutral returns the relevance that starts at the default target, and that which
// arrives at what is explained.
func neutral(t *testing.T, m *ir.Model, ruleMap string, in map[string]*ir.Tensor) (seeded, explained float64) {
	t.Helper()
	rm, err := rules.Load(ruleMap)
	if err != nil {
		t.Fatal(err)
	}
	p := passes.Default()
	i := slices.IndexFunc(p, func(pass passes.Pass) bool { return pass.Name == passes.Swap.Name })
	p = slices.Insert(p, i, passes.Neutral)
	c := m.Clone()
	keepSeed := passes.Pass{Name: "keep-seed", Doc: "make the seed an output", After: []string{"seed"}, Run: func(c *passes.Context, m *ir.Model) error {
		m.Graph.Outputs = append(m.Graph.Outputs, m.Graph.Find("seed:logits"))
		c.Did("output", "seed:logits", "")
		return nil
	}}
	i = slices.IndexFunc(p, func(pass passes.Pass) bool { return pass.Name == passes.Relevance.Name })
	p = slices.Insert(p, i+1, keepSeed)
	opt := passes.Options{Rules: rm, Form: passes.ExplicitForm, Neutral: true, Eval: reference.Eval}
	if _, err := p.Run(context.Background(), c, opt, passes.Driver{}); err != nil {
		t.Fatal(err)
	}
	out, err := backend.Run(context.Background(), reference.NewDouble(), c, backend.Options{}, in)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range out {
		f, err := x.Float64s()
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, r := range f {
			sum += r
		}
		switch {
		case name == "seed:logits":
			seeded += sum
		case strings.HasPrefix(name, "R:"):
			explained += sum
		}
	}
	return seeded, explained
}

// clipped limits a tensor's values.
func clipped(t *testing.T, x *ir.Tensor, most float64) *ir.Tensor {
	t.Helper()
	f, err := x.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	for i := range f {
		f[i] = max(float32(-most), min(float32(most), f[i]))
	}
	return ir.Of(f, x.Shape...)
}
