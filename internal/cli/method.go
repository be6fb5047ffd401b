package cli

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/attribution"
	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

// otherMethod is the flags of `lxtc explain` for what is not relevance by
// rules.
type otherMethod struct {
	method string
	patch  int
	base   string
	seed   uint64
	sampling
}

// sampling is how often a method looks.
type sampling struct {
	steps   int     // of integrated gradients
	samples int     // of smoothgrad
	noise   float64 // of smoothgrad, in units of the tensor's range
}

// usual is what zennit does.
var usual = sampling{steps: 20, samples: 20, noise: 0.1}

func (o *otherMethod) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.method, "method", "", "explain by another `METHOD` than rules, to compare: "+strings.Join(moreMethods(), ", "))
	f.IntVar(&o.patch, "patch", 0, "side in pixels of what occlusion removes at once; 0 is a sixteenth of the picture")
	f.StringVar(&o.base, "base", "zero", "where integrated gradients start, and what occlusion puts in place: zero, mean, or a `NUMBER`")
	f.IntVar(&o.steps, "steps", usual.steps, "steps of integrated gradients")
	f.IntVar(&o.samples, "samples", usual.samples, "samples of smoothgrad")
	f.Float64Var(&o.noise, "noise", usual.noise, "deviation of smoothgrad's noise, as a `SHARE` of the range of what is explained")
	f.Uint64Var(&o.seed, "seed", 1, "of the random numbers of smoothgrad")
	complete(c, "base", "zero", "mean")
	complete(c, "method", moreMethods()...)
}

// moreMethods are the methods that --method names.
func moreMethods() []string {
	return []string{"gradient", "gradient-input", "integrated-gradients", "smoothgrad", "occlusion", "rollout"}
}

// methodOf returns a method by its name.
func methodOf(name string, gradient attribution.Method, parts *attribution.Features, base []float64, how sampling, rng *rand.Rand) (attribution.Method, error) {
	plain, err := attribution.Gradient()
	if err != nil {
		return attribution.Method{}, err
	}
	product, err := attribution.GradientInput()
	if err != nil {
		return attribution.Method{}, err
	}
	for _, m := range []attribution.Method{
		plain, product,
		attribution.Integrated(gradient, base, how.steps),
		attribution.Smoothed(gradient, how.noise, how.samples, rng),
		attribution.Occluded(parts, base),
		attribution.RolledOut(parts),
	} {
		if m.Name == name {
			return m, nil
		}
	}
	return attribution.Method{}, usagef("no method is called %q%s; there are %s, and rule maps (-r)", name, diag.DidYouMean(name, moreMethods()), strings.Join(moreMethods(), ", "))
}

// baseOf returns the values that --base names.
func (o *otherMethod) baseOf(parts *attribution.Features, x []float64) ([]float64, error) {
	switch o.base {
	case "zero":
		return parts.Zero(), nil
	case "mean":
		return parts.Mean(x), nil
	}
	v, err := strconv.ParseFloat(o.base, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return nil, usagef("--base is %q, want zero, mean or a number", o.base)
	}
	return slices.Repeat([]float64{v}, len(x)), nil
}

// underlying returns the method whose gradients are integrated or smoothed: relevance by
// a rule map in gradient form, of which "gradient" is the gradient itself.
func (j *job) underlying(ref string) (attribution.Method, error) {
	switch ref {
	case defaultRules:
		return attribution.GradientInput()
	case "gradient":
		return attribution.Gradient()
	}
	return attribution.Rules(j.opt.Rules, passes.GradientForm), nil
}

// explainByMethod explains the way that --method says, and draws it as
// relevance is drawn. Gradients are those of the model, or with -r the modified
// ones of a rule map.
func (a *app) explainByMethod(ctx context.Context, j *job, e explanation, format string, look heatmap.Options) error {
	switch {
	case e.seeds != "" || e.contrast || e.temperature != 0:
		return usagef("--method explains one element of an output: leave --seed-npz, --contrast and --temperature out")
	case len(e.through) > 0 || e.allow || j.opt.Form == passes.ExplicitForm:
		return usagef("--method needs gradients, or no rules at all: leave --through, --allow-missing and --form explicit out")
	case e.steps < 1 || e.samples < 1 || !(e.noise >= 0) || e.patch < 0:
		return usagef("--steps and --samples count from 1, --noise and --patch from 0")
	case e.rules != defaultRules && e.method != "integrated-gradients" && e.method != "smoothgrad":
		return usagef("--method %s follows no rules: leave --rules out", e.method)
	case len(j.opt.Targets) > 1 || len(j.opt.Explain) > 1:
		return usagef("--method explains one element of an output by one tensor, and there are %d targets and %d tensors", len(j.opt.Targets), len(j.opt.Explain))
	}
	o := attribution.Options{Run: a.running(e.threads)}
	if len(j.opt.Targets) == 1 {
		o.Target = j.opt.Targets[0]
	}
	if len(j.opt.Explain) == 1 {
		o.Tensor = j.opt.Explain[0]
	}
	lens, err := attribution.NewLens(ctx, j.model.Model, j.backend, o)
	if err != nil {
		return err
	}
	defer lens.Close()
	v, err := lens.Look(ctx, j.feed.tensors, nil)
	if err != nil {
		return err
	}
	parts, err := attribution.FeaturesOf(v.Shape, e.patch)
	if err != nil {
		return err
	}
	gradient, err := j.underlying(e.rules)
	if err != nil {
		return err
	}
	base, err := e.baseOf(parts, v.X)
	if err != nil {
		return err
	}
	m, err := methodOf(e.method, gradient, parts, base, e.sampling, rand.New(rand.NewPCG(e.seed, 0)))
	if err != nil {
		return err
	}
	r, err := m.Explain(ctx, v)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	if format == "npz" {
		array, err := npy.New(v.Shape, r)
		if err != nil {
			return err
		}
		b, err := npy.EncodeArchive(npy.Archive{{Name: "R:" + lens.Tensor, Array: array}})
		if err != nil {
			return err
		}
		return a.writeBytes(e.out, b)
	}
	target := j.model.describeElement(lens.Output, j.model.element(v, j.feed), v.Score)
	d := heatmap.Doc{Title: "Why " + target + "?", Model: j.model.name, Rules: m.Name}
	if err := j.model.arrange(&d, target, j.feed, lens.Tensor, r, v.Shape); err != nil {
		return err
	}
	return a.draw(d, look, e.out, format)
}

// element returns the index of what a view scores. A mask says where the last
// token is.
func (s *subject) element(v *attribution.View, f *feed) []int64 {
	index := slices.Clone(v.Index)
	if at := s.lastTokens(v.Target, f); at != nil && len(index) == 3 {
		index[1] = at[0]
	}
	return index
}

// describeElement says what an element of an output is, and its value.
func (s *subject) describeElement(output string, index []int64, value float64) string {
	what := fmt.Sprintf("%s = %.4g", passes.Target{Output: output, Index: index}, value)
	out := s.output(output)
	if out == nil || len(index) == 0 {
		return what
	}
	axis := passes.ClassAxis(out.Type.Shape)
	if axis < 0 || axis >= len(index) {
		return what
	}
	n, _ := out.Type.Shape[axis].Num()
	if label := s.label(int(index[axis]), int(n), len(index)); label != "" {
		return fmt.Sprintf("%s (%s)", label, what)
	}
	return what
}
