// Package lxtc explains ONNX models: it rewrites a model so that it also
// computes, by Layer-wise Relevance Propagation, how much each part of its
// input contributed to an output.
//
//	m, err := lxtc.Load("model.onnx")
//	r, err := m.Rewrite(ctx, lxtc.Options{})           // AttnLRP, gradient form
//	err = r.Save("model.lrp.onnx", lxtc.SaveOptions{}) // plain ONNX
//
// or, to run it here:
//
//	x, err := m.Explainer(ctx, gorgonia.New(), lxtc.Options{}, backend.Options{})
//	out, err := x.Run(ctx, inputs)                     // "R:" and the name of each explained tensor
package lxtc

import (
	"context"
	"fmt"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	exporter "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A Model is an ONNX model as it was read. Rewriting does not change it.
type Model struct{ ir *ir.Model }

// Load reads a model: an .onnx file, or a folder as HuggingFace tools export
// them.
func Load(path string, opts ...onnx.Option) (*Model, error) {
	m, err := onnx.Load(path, opts...)
	if err != nil {
		return nil, err
	}
	return &Model{m}, nil
}

// FromIR makes a Model of one that was built or parsed. The model must not be
// changed afterwards.
func FromIR(m *ir.Model) *Model { return &Model{m} }

// IR returns the model's graph. It must not be changed.
func (m *Model) IR() *ir.Model { return m.ir }

// Close releases the model's files. What was made of it must not be used
// afterwards.
func (m *Model) Close() error { return m.ir.Close() }

// Options say what to explain and how. The zero value explains the highest
// output (of the last token, in a language model) by AttnLRP in gradient form,
// back to the floating point inputs or token embeddings.
type Options struct {
	Rules   *rules.Map  // nil is AttnLRP
	RuleSet rules.Set   // rules that nodes may name; nil is rules.Standard and those of Rules
	Form    passes.Form // gradient or explicit
	Explain []string    // tensors, by the names that the file gives them
	Targets []passes.Target
	Through []passes.Condition // lets relevance through some elements of a tensor only
	Beside  bool               // relevance may also pass beside the tensors of Through, by residual connections
	// Weights makes the weights of the targets an input of the model, float[n] called
	// passes.WeightsInput, so that one model explains each of them, or a difference.
	Weights bool
	// Temperature explains softmax(output/T) instead of the output; 0 does not.
	Temperature float64
	// TargetsOnly computes no output but the targets, and of a sequence only the
	// target's position: faster where only relevance is wanted.
	TargetsOnly bool
	Sums        bool // also relevance summed per token or pixel, as "R.sum:" and the name
	Gradients   bool // in gradient form G instead of R = x∘G, as "G:" and the name
	// Checkpoint holds less memory and computes more: what relevance needs of the
	// inside of a layer or block is computed again when relevance comes there.
	Checkpoint bool
	Allow      bool // let nothing flow through live operators without a rule, instead of failing

	Inline bool // for Rewrite: plain ai.onnx operators instead of functions in domain lxt

	Pipeline passes.Pipeline // nil is passes.Default
	Driver   passes.Driver
}

// A Rewritten is a model that computes relevance besides its outputs.
type Rewritten struct {
	Model  *ir.Model
	Report *passes.Report
}

// SaveOptions say how to write a model.
type SaveOptions = exporter.Options

// Save writes the model as an ONNX file. Weights in files of external data are
// referred to, not copied.
func (r *Rewritten) Save(path string, opt SaveOptions) error {
	return exporter.Save(path, r.Model, opt)
}

// minOpset is the version of ai.onnx that rewritten models are written in, if
// the original is not newer: the newest that all common runtimes read.
const minOpset = 21

// Rewrite returns the model with relevance, in operators that any ONNX runtime
// knows. On an error the report, if there is one, says how far it got.
func (m *Model) Rewrite(ctx context.Context, opt Options) (*Rewritten, error) {
	po := opt.Passes()
	po.Opset = max(minOpset, m.ir.Opsets[""])
	if opt.Inline {
		po.Supports = func(n *ir.Node) error { return plain(m.ir.Ops, n, po.Opset) }
	}
	return m.rewrite(ctx, po, opt)
}

// plain reports what is no primitive operator of ai.onnx at the given version.
func plain(known *ir.OpSet, n *ir.Node, opset int64) error {
	op := known.Lookup(n.Op)
	switch {
	case n.Op.Domain == "lxt" || op == nil:
		return fmt.Errorf("%s is not of ai.onnx", n.Op)
	case op.Since > opset && n.Op.Domain == "":
		return fmt.Errorf("%s is not in ai.onnx %d", n.Op, opset)
	}
	return nil
}

func (m *Model) rewrite(ctx context.Context, po passes.Options, opt Options) (*Rewritten, error) {
	p := opt.Pipeline
	if p == nil {
		p = passes.Default()
	}
	out := m.ir.Clone()
	out.Closer = nil // the original owns the files
	report, err := p.Run(ctx, out, po, opt.Driver)
	return &Rewritten{out, report}, err
}

// Passes returns what the options mean to a pipeline of passes.
func (opt Options) Passes() passes.Options {
	return passes.Options{
		Rules: opt.Rules, RuleSet: opt.RuleSet, Form: opt.Form, Explain: opt.Explain, Targets: opt.Targets, Through: opt.Through, Beside: opt.Beside, Weights: opt.Weights,
		Temperature: opt.Temperature, TargetsOnly: opt.TargetsOnly, Sums: opt.Sums, Gradients: opt.Gradients, Checkpoint: opt.Checkpoint, Allow: opt.Allow, Eval: reference.Eval,
	}
}

// An Explainer is a rewritten model that is ready to run.
type Explainer struct {
	*Rewritten
	session backend.Session
}

// Explainer rewrites the model for a backend and compiles it. On an error the
// Explainer holds what was rewritten so far, and cannot run.
func (m *Model) Explainer(ctx context.Context, b backend.Backend, opt Options, run backend.Options) (*Explainer, error) {
	po := opt.Passes()
	po.Supports, po.Eval = b.Supports, reference.EvalFor(b)
	r, err := m.rewrite(ctx, po, opt)
	if err != nil {
		return &Explainer{Rewritten: r}, err
	}
	s, err := backend.Open(b, r.Model, run)
	if err != nil {
		return &Explainer{Rewritten: r}, err
	}
	return &Explainer{r, s}, nil
}

// Run computes the model's outputs and the relevance of every explained
// tensor, under "R:" and its name. Inputs are given by name, and so are free
// parameters of the rule map: scalars, under "$" and their name. One Run at a
// time.
func (x *Explainer) Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	if err := passes.Unset(x.Model.Graph, in); err != nil {
		return nil, err
	}
	out, err := x.session.Run(ctx, in)
	if err != nil && ctx.Err() == nil && x.Model.File != "" {
		err = fmt.Errorf("%s: %w", x.Model.File, err)
	}
	return out, err
}

// Stats describes the program and its last run.
func (x *Explainer) Stats() backend.Stats { return x.session.Stats() }

// Close frees what the backend holds.
func (x *Explainer) Close() error { return x.session.Close() }
