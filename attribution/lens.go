package attribution

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// Options say what a Lens looks at.
type Options struct {
	// Tensor is an input or a tensor inside, by its ONNX name; "" is the one that
	// lxtc explains by default. Its first axis is the batch.
	Tensor string

	// Target is what is scored. Without an index it is the largest element of
	// each input, and stays that element while the input is changed.
	Target passes.Target

	Probability bool // score the softmax over the classes instead of the output itself
	Batch       int  // at most this many changed inputs in one run; 0 is 8
	Run         backend.Options
}

// A Lens is a model as a function from one of its tensors to a score. It is
// compiled once and serves any input; one goroutine at a time.
type Lens struct {
	Tensor string // what the score is a function of
	Output string // what is scored

	opt     Options
	backend backend.Backend
	whole   *lxtc.Model
	model   *lxtc.Model     // that takes Tensor as an input
	output  *ir.Value       // what is scored
	masked  bool            // an input tells padding from tokens in the output
	below   backend.Session // computes Tensor; nil if it is an input
	above   backend.Session // computes the output from Tensor
	elem    ir.DType
	batched []string    // inputs, Tensor among them, whose first axis is the batch; nil if the model has none that is free
	rules   []explainer // the latest is last
}

// NewLens compiles the parts of a model below and above the tensor.
func NewLens(ctx context.Context, m *lxtc.Model, b backend.Backend, opt Options) (*Lens, error) {
	l := &Lens{Tensor: opt.Tensor, opt: opt, backend: b, whole: m}
	if l.opt.Batch <= 0 {
		l.opt.Batch = 8
	}
	if err := l.choose(ctx, m); err != nil {
		return nil, err
	}
	from, err := l.expanded(ctx, m.IR())
	if err != nil {
		return nil, err
	}
	upper, in, err := cut(from, l.Tensor)
	if err != nil {
		return nil, err
	}
	l.model, l.elem, l.Tensor = lxtc.FromIR(upper), in.Type.Elem, in.Name
	if !l.elem.IsFloat() {
		return nil, fmt.Errorf("tensor %q is %s; only floating point numbers can be explained", l.Tensor, in.Type)
	}
	if from.Graph.Find(l.Tensor).Def != nil {
		if l.below, err = l.session(ctx, below(from, l.Tensor), passes.Pipeline{passes.Legalize, passes.Dead, passes.Schedule}, nil); err != nil {
			return nil, err
		}
	}
	l.output = upper.Graph.Find(l.opt.Target.Output)
	l.Output = l.output.Name
	l.opt.Target.Output = l.Output
	l.batched = batchOf(upper.Graph, in, l.output)
	l.masked = passes.PaddingMask(upper.Graph, l.output) != nil
	l.above, err = l.session(ctx, upper.Clone(), passes.Forward(), []passes.Target{l.opt.Target})
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// choose finds the default tensor and output by rewriting the model.
func (l *Lens) choose(ctx context.Context, m *lxtc.Model) error {
	opt := lxtc.Options{Allow: true}
	if l.opt.Tensor != "" {
		opt.Explain = []string{l.opt.Tensor}
	}
	if err := scorable(l.opt.Target); err != nil {
		return err
	}
	switch t := l.opt.Target; {
	case t.Output == "" && t.Index == nil && t.Class == nil && t.Rank == 0 && t.Position == 0:
		l.opt.Target = passes.Argmax
	default:
		opt.Targets = []passes.Target{t}
	}
	r, err := m.Rewrite(ctx, opt)
	if err != nil {
		return err
	}
	if n := len(r.Report.Explained); n != 1 {
		return diag.Errorf("LX3003", "the model has %d tensors to explain, %s, and one is looked at", n, strings.Join(r.Report.Explained, ", ")).
			In(m.IR().File).Help("name one of them with --explain")
	}
	l.Tensor = r.Report.Explained[0]
	t, err := passes.ParseTarget(r.Report.Targets[0])
	if err != nil {
		return err
	}
	l.opt.Target.Output = t.Output
	return nil
}

// scorable reports a target that is not the value of one element.
func scorable(t passes.Target) error {
	if !t.Scored() {
		return diag.Errorf("LX3004", "target %s is not the value of one element, and one is scored", t).Help("name one class, token or element")
	}
	return nil
}

// expanded returns the model, or if it has the tensor or the output only inside a
// fused operator, a copy with the parts of those.
func (l *Lens) expanded(ctx context.Context, m *ir.Model) (*ir.Model, error) {
	if m.Graph.Find(l.Tensor) != nil && m.Graph.Find(l.opt.Target.Output) != nil {
		return m, nil
	}
	c := m.Clone()
	c.Closer = nil
	_, err := passes.Pipeline{passes.Expand}.Run(ctx, c, passes.Options{Eval: reference.Eval}, passes.Driver{})
	return c, err
}

func (l *Lens) session(ctx context.Context, m *ir.Model, p passes.Pipeline, targets []passes.Target) (backend.Session, error) {
	m.Closer = nil
	opt := passes.Options{Supports: l.backend.Supports, Eval: reference.EvalFor(l.backend), Targets: targets, TargetsOnly: true}
	if _, err := p.Run(ctx, m, opt, passes.Driver{}); err != nil {
		return nil, err
	}
	return backend.Open(l.backend, m, l.opt.Run)
}

// batchOf returns the inputs whose first axis is the same free dimension as
// that of the tensor and the output; nil if theirs is not.
func batchOf(g *ir.Graph, in, out *ir.Value) []string {
	if in.Type.Rank() < 1 || out.Type.Rank() < 1 || !in.Type.Shape[0].Same(out.Type.Shape[0]) {
		return nil
	}
	if _, known := in.Type.Shape[0].Num(); known {
		return nil
	}
	var names []string
	for _, v := range g.Inputs {
		if v.Type.Rank() > 0 && v.Type.Shape[0].Same(in.Type.Shape[0]) {
			names = append(names, v.Name)
		}
	}
	return names
}

// Close frees what the backend holds.
func (l *Lens) Close() error {
	var first error
	for _, s := range []backend.Session{l.below, l.above} {
		if s != nil {
			if err := s.Close(); first == nil {
				first = err
			}
		}
	}
	for _, x := range l.rules {
		if err := x.Close(); first == nil {
			first = err
		}
	}
	return first
}

// Rows divides inputs of several rows into those of one row each. Inputs without
// an axis of batch go with every row. It returns nil if there is one row only, or
// the model has a fixed batch.
func (l *Lens) Rows(in map[string]*ir.Tensor) []map[string]*ir.Tensor {
	n := 0
	for _, name := range l.batched {
		if t := in[name]; t != nil && len(t.Shape) > 0 {
			n = max(n, t.Shape[0])
		}
	}
	if n < 2 {
		return nil
	}
	rows := make([]map[string]*ir.Tensor, n)
	for k := range rows {
		rows[k] = maps.Clone(in)
		for _, name := range l.batched {
			t := in[name]
			if t == nil || len(t.Shape) == 0 || t.Shape[0] != n {
				continue // a run says what does not fit
			}
			size := len(t.Raw) / n
			row := *t
			row.Shape = slices.Clone(t.Shape)
			row.Shape[0], row.Raw = 1, t.Raw[k*size:(k+1)*size]
			rows[k][name] = &row
		}
	}
	return rows
}
