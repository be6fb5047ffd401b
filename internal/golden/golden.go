// Package golden reads cases with reference relevance: a model, inputs, what
// is explained, and what a reference tool or script computed for it in
// float64.
package golden

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A Case is one model with its runs.
type Case struct {
	Name  string
	Model string // path of the .onnx file
	Runs  []Run
}

// A Run is one explanation with its reference.
type Run struct {
	Name        string // of the inputs and the reference: "T12 attnlrp.efficient"
	Rules       string // a built-in map
	Form        passes.Form
	Exact       bool // with a stabilizer of almost nothing: for float64
	Inputs      map[string]*ir.Tensor
	Targets     []passes.Target
	Temperature float64
	Want        []Relevance
}

// Relevance is the reference for one tensor of the model.
type Relevance struct {
	Key    string // what the reference calls it
	Tensor string // what the model calls it
	Array  npy.Array
	Limit  float64 // the largest relative L2 error that is allowed
}

// ExactLimit is the error allowed in float64 for an exact run and for gradient form.
// What is left is what exporters have computed in float32 and written into the file,
// such as weights with a batch normalization folded into them, and activations near 0,
// where the reference divides by them. Measured: 5e-7, and 1e-9 or less in half of the
// cases.
const ExactLimit = 1e-6

// The errors that are allowed: LXT's own float32 is up to 3e-6 away from its
// float64 in gradient form, and up to 6e-4 on real models in explicit form.
const (
	GradientLimit = 1e-5
	ExplicitLimit = 1e-4
)

// limit returns the error allowed for a form, given the reference tool's own
// error in float32, of which ten times is allowed.
func limit(f passes.Form, own float64) float64 {
	if f == passes.ExplicitForm {
		return max(ExplicitLimit, 10*own)
	}
	return max(GradientLimit, 10*own)
}

// Options returns how to explain the run.
func (r *Run) Options() (lxtc.Options, error) {
	m, err := rules.Load(r.Rules)
	if err != nil {
		return lxtc.Options{}, err
	}
	if r.Exact {
		m = exact(m)
	}
	opt := lxtc.Options{Rules: m, Form: r.Form, Targets: r.Targets, Temperature: r.Temperature}
	for _, w := range r.Want {
		opt.Explain = append(opt.Explain, w.Tensor)
	}
	return opt, nil
}

// exactly returns the run in explicit form, with a stabilizer of almost nothing,
// which makes it the gradient form's equal.
func (r Run) exactly() Run {
	r.Form, r.Exact, r.Name = passes.ExplicitForm, true, r.Name+", exactly"
	r.Want = slices.Clone(r.Want)
	for i := range r.Want {
		r.Want[i].Limit = ExactLimit
	}
	return r
}

// exact returns m with stabilizers of 1e-14, which have the sign of what they
// stabilize.
func exact(m *rules.Map) *rules.Map {
	e := *m
	e.Lines = slices.Clone(m.Lines)
	for i := range e.Lines {
		call := &e.Lines[i].Call
		call.Args = slices.Clone(call.Args)
		for j, p := range call.Rule.Params {
			switch p.Name {
			case "eps":
				call.Args[j] = "1e-14"
			case "stabilizer":
				call.Args[j] = "sign"
			}
		}
	}
	return &e
}

// Explain runs the case on a backend and returns its outputs.
func (r *Run) Explain(ctx context.Context, m *lxtc.Model, b backend.Backend) (map[string]*ir.Tensor, error) {
	opt, err := r.Options()
	if err != nil {
		return nil, err
	}
	x, err := m.Explainer(ctx, b, opt, backend.Options{})
	if err != nil {
		return nil, err
	}
	defer x.Close()
	return x.Run(ctx, r.Inputs)
}

// Distance returns the L2 norm of the difference between a tensor and the
// reference over the norm of the reference.
func (w *Relevance) Distance(got *ir.Tensor) (float64, error) {
	if got == nil {
		return 0, fmt.Errorf("no relevance of %s", w.Tensor)
	}
	a, err := got.Float64s()
	if err != nil {
		return 0, err
	}
	b, err := w.Array.Float64s()
	if err != nil {
		return 0, err
	}
	if !slices.Equal(got.Shape, w.Array.Shape) {
		return 0, fmt.Errorf("relevance of %s has shape %v, want %v", w.Tensor, got.Shape, w.Array.Shape)
	}
	var diff, norm float64
	for i := range a {
		diff += (a[i] - b[i]) * (a[i] - b[i])
		norm += b[i] * b[i]
	}
	return math.Sqrt(diff / norm), nil
}

// tensors reads an archive of inputs.
func tensors(archive npy.Archive, prefix string) (map[string]*ir.Tensor, error) {
	in := map[string]*ir.Tensor{}
	for _, e := range archive {
		if len(e.Name) < len(prefix) || e.Name[:len(prefix)] != prefix {
			continue
		}
		t, err := arrays.Tensor(e.Array)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		in[e.Name[len(prefix):]] = t
	}
	return in, nil
}

func readInputs(file string) (map[string]*ir.Tensor, error) {
	archive, err := npy.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return tensors(archive, "")
}

// under lists the files of that name in the folders of a root, sorted.
func under(root, name string) ([]string, error) {
	return filepath.Glob(filepath.Join(root, "*", name))
}
