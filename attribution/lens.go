package attribution

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
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

	opt      Options
	backend  backend.Backend
	whole    *lxtc.Model
	model    *lxtc.Model     // that takes Tensor as an input
	output   *ir.Value       // what is scored
	position int64           // of an output of three axes, the only one that is computed
	below    backend.Session // computes Tensor; nil if it is an input
	above    backend.Session // computes the output from Tensor
	elem     ir.DType
	batched  []string // inputs, Tensor among them, whose first axis is the batch; nil if the model has none that is free
	rules    map[string]*lxtc.Explainer
}

// NewLens compiles the parts of a model below and above the tensor.
func NewLens(ctx context.Context, m *lxtc.Model, b backend.Backend, opt Options) (*Lens, error) {
	l := &Lens{Tensor: opt.Tensor, opt: opt, backend: b, whole: m, rules: map[string]*lxtc.Explainer{}}
	if l.opt.Batch <= 0 {
		l.opt.Batch = 8
	}
	if err := l.choose(ctx, m); err != nil {
		return nil, err
	}
	upper, in, err := cut(m.IR(), l.Tensor)
	if err != nil {
		return nil, err
	}
	l.model, l.elem = lxtc.FromIR(upper), in.Type.Elem
	if !l.elem.IsFloat() {
		return nil, fmt.Errorf("tensor %q is %s; only floating point numbers can be explained", l.Tensor, in.Type)
	}
	if in.Def == nil && m.IR().Graph.Find(l.Tensor).Def != nil {
		if l.below, err = l.session(ctx, below(m.IR(), l.Tensor), passes.Pipeline{passes.Legalize, passes.Dead, passes.Schedule}, nil); err != nil {
			return nil, err
		}
	}
	l.output = upper.Graph.Find(l.opt.Target.Output)
	l.Output = l.output.Name
	l.batched = batchOf(upper.Graph, in, l.output)
	l.position = l.opt.Target.Position
	if i := l.opt.Target.Index; len(i) == 3 {
		l.position = i[1]
	}
	row := passes.Target{Output: l.Output, Position: l.position}
	l.above, err = l.session(ctx, upper.Clone(), scoring(), []passes.Target{row})
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
	if t := l.opt.Target; t.Output != "" || t.Index != nil || t.Position != 0 {
		opt.Targets = []passes.Target{t}
	} else {
		l.opt.Target = passes.Argmax
	}
	r, err := m.Rewrite(ctx, opt)
	if err != nil {
		return err
	}
	if n := len(r.Report.Explained); n != 1 {
		return fmt.Errorf("the model has %d tensors to explain, %q: choose one", n, r.Report.Explained)
	}
	l.Tensor = r.Report.Explained[0]
	t, err := passes.ParseTarget(r.Report.Targets[0])
	if err != nil {
		return err
	}
	l.opt.Target.Output = t.Output
	return nil
}

// scoring is the pipeline of a model that computes one output, at one position.
func scoring() passes.Pipeline {
	return passes.Pipeline{
		passes.Fold, passes.Widen, passes.Expand, passes.Canonical, passes.Fold.Named("fold-again"),
		passes.Recognize, passes.Dead.Named("dead-before"), passes.Aim, passes.Demand, passes.Fold.Named("fold-cut"), passes.Dead.Named("dead-cut"),
		passes.Legalize, passes.Fold.Named("fold-late"), passes.CSE, passes.Dead, passes.Schedule,
	}
}

func (l *Lens) session(ctx context.Context, m *ir.Model, p passes.Pipeline, targets []passes.Target) (backend.Session, error) {
	m.Closer = nil
	opt := passes.Options{Supports: l.backend.Supports, Eval: reference.Eval, Targets: targets, TargetsOnly: true}
	if _, err := p.Run(ctx, m, opt, passes.Driver{}); err != nil {
		return nil, err
	}
	program, err := l.backend.Compile(m, l.opt.Run)
	if err != nil {
		return nil, err
	}
	return program.NewSession()
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

// A View is a Lens on one input.
type View struct {
	X     []float64 // the tensor
	Shape []int     // of it; the first axis is 1
	Index []int64   // the element of the output that is scored
	Score float64

	lens *Lens
	in   map[string]*ir.Tensor
}

// Look computes the tensor and the score for one input: a batch of one row. The
// element of the output is index if that is not nil, and otherwise the target
// of the lens.
func (l *Lens) Look(ctx context.Context, in map[string]*ir.Tensor, index []int64) (*View, error) {
	x := in[l.Tensor]
	if l.below != nil {
		out, err := l.below.Run(ctx, in)
		if err != nil {
			return nil, err
		}
		x = only(out)
	}
	if x == nil {
		return nil, fmt.Errorf("no input %q", l.Tensor)
	}
	v := &View{Shape: slices.Clone(x.Shape), lens: l, in: in}
	if len(v.Shape) == 0 || l.batched != nil && v.Shape[0] != 1 {
		return nil, fmt.Errorf("tensor %q has shape %v; one row at a time is looked at", l.Tensor, v.Shape)
	}
	var err error
	if v.X, err = x.Float64s(); err != nil {
		return nil, err
	}
	if index == nil {
		index, err = v.target(ctx)
	}
	if err != nil {
		return nil, err
	}
	if len(index) == 3 && index[1] != l.position {
		return nil, fmt.Errorf("element %v is at position %d of %s, and the lens looks at position %d", index, index[1], l.Output, l.position)
	}
	v.Index = index
	scores, err := v.Scores(ctx, [][]float64{v.X})
	if err != nil {
		return nil, err
	}
	v.Score = scores[0]
	return v, nil
}

// target returns the element that is scored, with all indices known.
func (v *View) target(ctx context.Context) ([]int64, error) {
	t := v.lens.opt.Target
	if t.Index != nil {
		return t.Index, nil
	}
	y, shape, err := v.run(ctx, [][]float64{v.X})
	if err != nil {
		return nil, err
	}
	axis := classAxis(shape)
	if axis < 0 {
		return nil, fmt.Errorf("output %s of shape %v has no axis of classes; name an element of it", v.lens.Output, shape)
	}
	if index := t.Element(0, len(shape)); index != nil {
		return index, nil
	}
	best := 0
	for i := range y { // of one row, at one position
		if y[i] > y[best] {
			best = i
		}
	}
	index := make([]int64, len(shape))
	index[axis] = int64(best)
	if axis == 2 {
		index[1] = v.lens.position
	}
	return index, nil
}

// classAxis returns the axis over which an output scores classes: the last of
// up to three, or the second of more if those after it are 1; -1 if neither.
func classAxis(shape []int) int {
	switch {
	case len(shape) < 4:
		return len(shape) - 1
	case !slices.ContainsFunc(shape[2:], func(n int) bool { return n != 1 }):
		return 1
	}
	return -1
}

// Scores returns the score of each of the given values of the tensor.
func (v *View) Scores(ctx context.Context, xs [][]float64) ([]float64, error) {
	step := 1
	if v.lens.batched != nil {
		step = v.lens.opt.Batch
	}
	var out []float64
	for part := range slices.Chunk(xs, step) {
		y, shape, err := v.run(ctx, part)
		if err != nil {
			return nil, err
		}
		for b := range part {
			s, err := v.pick(y, shape, b)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// run computes the output for several values of the tensor at once.
func (v *View) run(ctx context.Context, xs [][]float64) ([]float64, []int, error) {
	l := v.lens
	in := make(map[string]*ir.Tensor, len(v.in)+1)
	for name, t := range v.in {
		if len(xs) > 1 && slices.Contains(l.batched, name) {
			t = repeat(t, len(xs))
		}
		in[name] = t
	}
	shape := slices.Clone(v.Shape)
	shape[0] *= len(xs)
	t, err := arrays.Convert(ir.Of(slices.Concat(xs...), shape...), l.elem)
	if err != nil {
		return nil, nil, err
	}
	in[l.Tensor] = t
	out, err := l.above.Run(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	y := only(out)
	if y == nil || len(y.Shape) == 0 || len(xs) > 1 && y.Shape[0] != len(xs) {
		return nil, nil, fmt.Errorf("output %s does not have one row for each of %d inputs", l.Output, len(xs))
	}
	vals, err := y.Float64s()
	return vals, y.Shape, err
}

// only returns the one output of a run; passes may have given it another name.
func only(out map[string]*ir.Tensor) *ir.Tensor {
	for _, t := range out {
		return t
	}
	return nil
}

// repeat stacks n copies of a tensor of one row.
func repeat(t *ir.Tensor, n int) *ir.Tensor {
	c := *t
	c.Shape = slices.Clone(t.Shape)
	c.Shape[0] *= n
	c.Raw = slices.Repeat(t.Raw, n)
	return &c
}

// pick returns the score of one row of the output.
func (v *View) pick(y []float64, shape []int, row int) (float64, error) {
	at, stride, n := 0, 1, 1
	class := classAxis(shape)
	classStride := 1
	for a := len(shape) - 1; a >= 0; a-- {
		i := v.Index[a]
		switch {
		case a == 0 && len(v.lens.batched) > 0:
			i = int64(row)
		case i < 0:
			i += int64(shape[a])
		}
		if a == 1 && len(shape) == 3 && shape[1] == 1 {
			i = 0 // the other positions were not computed
		}
		if i < 0 || i >= int64(shape[a]) {
			return 0, fmt.Errorf("element %v is outside the output %s of shape %v", v.Index, v.lens.Output, shape)
		}
		at += int(i) * stride
		if a == class {
			classStride, n = stride, shape[a]
		}
		stride *= shape[a]
	}
	if !v.lens.opt.Probability {
		return y[at], nil
	}
	if class < 0 {
		return 0, fmt.Errorf("output %s of shape %v has no axis of classes, and so no probability", v.lens.Output, shape)
	}
	first := at - at/classStride%n*classStride
	top, sum := math.Inf(-1), 0.0
	for c := range n {
		top = max(top, y[first+c*classStride])
	}
	for c := range n {
		sum += math.Exp(y[first+c*classStride] - top)
	}
	return math.Exp(y[at]-top) / sum, nil
}

// Relevance returns the relevance of the tensor by the given rules. A map is
// known by its name.
func (v *View) Relevance(ctx context.Context, m *rules.Map, form passes.Form) ([]float64, error) {
	e, err := v.explainer(ctx, m, form)
	if err != nil {
		return nil, err
	}
	in := make(map[string]*ir.Tensor, len(v.in)+1)
	for name, t := range v.in {
		in[name] = t
	}
	if in[v.lens.Tensor], err = arrays.Convert(ir.Of(v.X, v.Shape...), v.lens.elem); err != nil {
		return nil, err
	}
	out, err := e.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	return out["R:"+v.lens.Tensor].Float64s()
}

// explainer compiles, once for each element that is explained, the model with
// relevance by the given rules.
func (v *View) explainer(ctx context.Context, m *rules.Map, form passes.Form) (*lxtc.Explainer, error) {
	l := v.lens
	key := fmt.Sprint(m.Name, form, v.Index)
	if e := l.rules[key]; e != nil {
		return e, nil
	}
	e, err := l.model.Explainer(ctx, l.backend, lxtc.Options{
		Rules: m, Form: form, Explain: []string{l.Tensor}, TargetsOnly: true,
		Targets: []passes.Target{{Output: l.Output, Index: v.Index}},
	}, l.opt.Run)
	if err != nil {
		return nil, fmt.Errorf("rules %s: %w", m.Name, err)
	}
	l.rules[key] = e
	return e, nil
}
