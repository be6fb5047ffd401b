// Package passes turns one model into another, step by step.
//
// The default pipeline is the table in default.go. A pass is a value; the
// driver, not the pass, verifies, times, dumps, and checks that a pass that
// says it changed something did, and that one that says it didn't didn't.
package passes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/rules"
)

// A Pass is one step. It changes m in place and says what it did to c.
type Pass struct {
	Name  string
	Doc   string   // a title, at most 60 letters; then, after a blank line, more
	After []string // passes that must come earlier, if they are there at all
	Run   func(c *Context, m *ir.Model) error
}

// Options are what the passes need to know. The zero value rewrites by
// AttnLRP in gradient form, from the highest logit of the last position to the
// float inputs or token embeddings.
type Options struct {
	Rules   *rules.Map // nil is AttnLRP
	RuleSet rules.Set  // nil is rules.Standard and the rules of Rules
	Form    Form

	Through     []Condition // lets relevance through some elements of a tensor only
	Beside      bool        // relevance may also pass beside the tensors of Through: by residual connections
	Explain     []string    // names of the tensors to explain; none is DefaultSources
	Targets     []Target    // what the relevance starts from; none is the argmax of the last position
	Weights     bool        // make the weights of the targets an input of the graph: see WeightsInput
	Temperature float64     // explain softmax(output/T); 0 is no softmax
	TargetsOnly bool        // the outputs themselves are not wanted, save what the targets are of
	Sums        bool        // also output relevance summed per token or pixel
	Gradients   bool        // in gradient form output G, as "G:" and the tensor's name, not R = x∘G
	Checkpoint  bool        // hold less memory and compute more: see pass Checkpoint

	// Eval computes a node from constants; nil folds nothing.
	Eval func(n *ir.Node, in []*ir.Tensor) ([]*ir.Tensor, error)

	// Supports says whether whatever runs the result has an operator. A nil
	// Supports keeps functions and inlines only what Opset lacks.
	Supports func(n *ir.Node) error
	Opset    int64 // version of ai.onnx that the result must do with; 0 is any

	// Neutral binds rules that keep no relevance, in place of those that do: see
	// pass Neutral, which is for the same checks.
	Neutral bool

	Allow bool // go on when a live operator has no rule: nothing flows through it

	declared map[string]ir.DType // of outputs that widen made float32
	cuts     map[string]bool     // outputs of which demand left the positions of targets that a mask decides
}

// Form is which form of the rules is emitted.
type Form int

const (
	GradientForm Form = iota // modified gradients, times the input at the end
	ExplicitForm             // relevance at every node
)

// String returns the form's name, as the command line takes it.
func (f Form) String() string {
	if f == ExplicitForm {
		return "explicit"
	}
	return "gradient"
}

// A Pipeline is passes in order.
type Pipeline []Pass

// Driver says how to run a pipeline. The zero value is quiet.
type Driver struct {
	// Dump is called with the model before the first pass, under the name
	// "input", and after each pass. Nil for none.
	Dump func(pass string, m *ir.Model) error

	// Strict verifies the model after every pass, not only at both ends.
	Strict bool
}

// Check reports a pass that is unnamed, undocumented, twice there, or too
// early.
func (p Pipeline) Check() error {
	at := map[string]int{}
	for i, pass := range p {
		if _, dup := at[pass.Name]; dup || pass.Name == "" || pass.Doc == "" {
			return fmt.Errorf("pass %q: want a name of its own and a doc", pass.Name)
		}
		at[pass.Name] = i
	}
	for i, pass := range p {
		for _, a := range pass.After {
			if j, ok := at[a]; ok && j > i {
				return fmt.Errorf("pass %s must come after %s", pass.Name, a)
			}
		}
	}
	return nil
}

// Lookup returns the named pass, and whether there is one.
func (p Pipeline) Lookup(name string) (Pass, bool) {
	i := slices.IndexFunc(p, func(pass Pass) bool { return pass.Name == name })
	if i < 0 {
		return Pass{}, false
	}
	return p[i], true
}

// Run applies the passes to m. On an error the model is in an unspecified
// state, and the report says how far it got.
func (p Pipeline) Run(ctx context.Context, m *ir.Model, opt Options, d Driver) (*Report, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if err := fill(&opt); err != nil {
		return nil, err
	}
	r := &Report{File: m.File, Form: opt.Form.String(), Rules: opt.Rules.Name}
	if err := ir.Verify(m); err != nil {
		return r, diag.Errorf("LX2001", "the model is not well formed: %w", err).In(m.File)
	}
	if d.Dump != nil {
		if err := d.Dump("input", m); err != nil {
			return r, err
		}
	}
	hash := ir.Hash(m)
	for i, pass := range p {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		var err error
		if hash, err = runPass(ctx, pass, m, hash, &opt, r); err != nil {
			return r, err
		}
		if d.Dump != nil {
			if err := d.Dump(pass.Name, m); err != nil {
				return r, err
			}
		}
		if d.Strict || i == len(p)-1 {
			if err := ir.Verify(m); err != nil {
				return r, diag.Errorf("LX2002", "pass %s broke the model: %w", pass.Name, err).In(m.File).
					Help("this is a defect of lxtc; `lxtc dump -after %s` shows the model", pass.Name)
			}
		}
	}
	return r, nil
}

// runPass runs one pass over m, whose hash is before, and returns the hash after.
func runPass(ctx context.Context, pass Pass, m *ir.Model, before uint64, opt *Options, r *Report) (after uint64, err error) {
	r.Steps = append(r.Steps, Step{Pass: pass.Name, Before: m.Graph.Len()})
	step := &r.Steps[len(r.Steps)-1]
	start := time.Now()
	err = pass.guarded(&Context{Context: ctx, Options: opt, report: r, step: step}, m)
	step.Time, step.After = time.Since(start), m.Graph.Len()
	var placed *diag.Error
	switch {
	case errors.As(err, &placed): // says itself where and what
		return before, err
	case err != nil:
		return before, fmt.Errorf("pass %s: %w", pass.Name, err)
	}
	after = ir.Hash(m)
	if changed := after != before; changed != (len(step.Done) > 0) {
		return after, fmt.Errorf("pass %s reports %d rewrites, but changed is %v", pass.Name, len(step.Done), changed)
	}
	return after, nil
}

// guarded runs the pass. A panic becomes an error: models come from outside,
// and an operator that trips over one must not end its user's process.
func (p Pass) guarded(c *Context, m *ir.Model) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = diag.Errorf("LX2002", "pass %s broke off: %v", p.Name, e).In(m.File).
				Help("this is a defect of lxtc, or of an operator or rule that was added to it")
		}
	}()
	return p.Run(c, m)
}

func fill(opt *Options) error {
	if opt.Rules == nil {
		m, err := rules.Load("attnlrp")
		if err != nil {
			return err
		}
		opt.Rules = m
	}
	if opt.RuleSet == nil {
		opt.RuleSet = append(rules.Standard(), opt.Rules.Rules()...)
	}
	opt.Targets = slices.Clone(opt.Targets) // passes resolve and move them
	var explain []string
	for _, name := range opt.Explain {
		if !slices.Contains(explain, name) {
			explain = append(explain, name)
		}
	}
	opt.Explain = explain
	return nil
}

// A Context is what a pass may ask for, and where it writes its report.
type Context struct {
	context.Context
	*Options
	report *Report
	step   *Step
}

// Did records one rewrite: by which rule or pattern, what was there, and what
// replaced it.
func (c *Context) Did(what, from, to string) {
	c.step.Done = append(c.step.Done, Done{what, from, to})
}

// Skipped records something that a reader may have expected to be rewritten,
// and why it was not.
func (c *Context) Skipped(what, from, why string) {
	c.step.Skipped = append(c.step.Skipped, Skip{what, from, why})
}

// Warn records something that the user should know.
func (c *Context) Warn(format string, args ...any) {
	c.report.Warnings = append(c.report.Warnings, fmt.Sprintf(format, args...))
}

// Kept reports whether the user named v: it is explained, or a target, or an
// output. A pass must leave such a value in the graph, under its name.
func (c *Context) Kept(m *ir.Model, v *ir.Value) bool {
	return m.Graph.IsOutput(v) || c.explained(v) || slices.ContainsFunc(c.Through, func(k Condition) bool { return v.Named(k.Tensor) }) || slices.ContainsFunc(c.Targets, func(t Target) bool { return v.Named(t.Output) })
}
