package attribution

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/diag"
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

// explainer is a compiled model with relevance.
type explainer struct {
	key string // map, form and target
	*lxtc.Explainer
}

// keptExplainers bounds the compiled models that a lens keeps: targets may be as
// many as samples.
const keptExplainers = 16

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
	l.above, err = l.session(ctx, upper.Clone(), scoring(), []passes.Target{l.opt.Target})
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

// A View is a Lens on one input.
type View struct {
	X      []float64 // the tensor
	Shape  []int     // of it; the first axis is 1
	Target passes.Target
	Index  []int64 // the element of the output that is scored; like in Target a position may count from the last token
	Score  float64

	lens *Lens
	in   map[string]*ir.Tensor
}

// Look computes the tensor and the score for one input: a batch of one row. What
// is scored is the target, or that of the lens if it is nil; it must be at the
// position that the lens looks at.
func (l *Lens) Look(ctx context.Context, in map[string]*ir.Tensor, target *passes.Target) (*View, error) {
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
	v := &View{Shape: slices.Clone(x.Shape), Target: l.opt.Target, lens: l, in: in}
	if target != nil {
		if t := target.Output; t != "" && l.model.IR().Graph.Find(t) != l.output {
			return nil, diag.Errorf("", "target %s is of another output than %s", target, l.Output).
				Help("explain targets in one output at a time")
		}
		v.Target = *target
		v.Target.Output = l.Output
	}
	var err error
	if v.X, err = x.Float64s(); err != nil {
		return nil, err
	}
	if err := v.check(); err != nil {
		return nil, err
	}
	scores, err := v.choose(ctx)
	if err == nil && scores == nil {
		scores, err = v.Scores(ctx, [][]float64{v.X})
	}
	if err != nil {
		return nil, err
	}
	v.Score = scores[0]
	return v, nil
}

// check reports what cannot be looked at.
func (v *View) check() error {
	l, rank := v.lens, len(v.Shape)
	switch {
	case len(v.X) == 0 || rank == 0:
		return fmt.Errorf("tensor %q has shape %v: there are no features to look at", l.Tensor, v.Shape)
	case v.Shape[0] != 1 && (rank > 2 || l.batched != nil):
		return diag.Errorf("", "tensor %q has shape %v, and one row at a time is looked at", l.Tensor, v.Shape).
			Help("give a batch of one row; a model of a fixed batch must be exported with a batch of 1, or a free one")
	case len(v.Target.Class) > 1:
		return diag.Errorf("LX3004", "target %s has %d classes, and one row at a time is looked at", v.Target, len(v.Target.Class))
	case l.place(v.Target) != l.place(l.opt.Target):
		return diag.Errorf("", "target %s is at another position of %s than %s", v.Target, l.Output, l.opt.Target).
			Help("explain targets at one position at a time")
	}
	return nil
}

// place is where a target lies in a sequence.
type place struct {
	position int64
	padded   bool // counted from the last token, padding aside
}

func (l *Lens) place(t passes.Target) place {
	switch {
	case l.output.Type.Rank() != 3:
		return place{}
	case len(t.Index) == 3:
		return place{t.Index[1], false}
	}
	return place{t.Position, t.Position < 0 && l.masked}
}

// choose finds the element that is scored. If that takes a run, it returns the
// score.
func (v *View) choose(ctx context.Context) ([]float64, error) {
	rank := v.lens.output.Type.Rank()
	if v.Index = v.Target.Element(0, rank); v.Index != nil {
		if v.lens.batched != nil && len(v.Index) > 0 && v.Index[0] != 0 && v.Index[0] != -1 {
			return nil, diag.Errorf("LX3004", "target %s is in row %d, and there is one row", v.Target, v.Index[0])
		}
		return nil, nil
	}
	y, shape, err := v.run(ctx, [][]float64{v.X})
	if err != nil {
		return nil, err
	}
	if len(shape) == 0 {
		v.Index = []int64{}
		return y, nil
	}
	axis := classAxis(shape)
	if axis < 0 || len(y) != shape[axis] {
		return nil, diag.Errorf("LX3004", "output %s of shape %v has no one axis of classes to find the largest in", v.lens.Output, shape).
			Help("name an element of it with --target")
	}
	best := 0
	for i := range y { // of one row, at one position
		if y[i] > y[best] {
			best = i
		}
	}
	v.Target.Class = []int64{int64(best)}
	v.Index = v.Target.Element(0, len(shape))
	s, err := v.pick(y, shape, 0)
	return []float64{s}, err
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
	if y == nil || len(xs) > 1 && (len(y.Shape) == 0 || y.Shape[0] != len(xs)) {
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
	if len(v.Index) != len(shape) {
		return 0, diag.Errorf("LX3004", "element %v has %d indices, and output %s has shape %v", v.Index, len(v.Index), v.lens.Output, shape)
	}
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
			return 0, diag.Errorf("LX3004", "element %v is outside the output %s of shape %v", v.Index, v.lens.Output, shape)
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
		return 0, diag.Errorf("", "output %s of shape %v has no axis of classes, and so no probability", v.lens.Output, shape).
			Help("score the output itself: leave --probability out")
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

// explainer compiles the model with relevance by the given rules, for the element
// that is explained, if it has not lately.
func (v *View) explainer(ctx context.Context, m *rules.Map, form passes.Form) (*lxtc.Explainer, error) {
	l := v.lens
	key := fmt.Sprint(m.Name, form, v.Target)
	if i := slices.IndexFunc(l.rules, func(e explainer) bool { return e.key == key }); i >= 0 {
		e := l.rules[i]
		l.rules = append(slices.Delete(l.rules, i, i+1), e)
		return e.Explainer, nil
	}
	if len(l.rules) == keptExplainers {
		if err := l.rules[0].Close(); err != nil {
			return nil, err
		}
		l.rules = slices.Delete(l.rules, 0, 1)
	}
	e, err := l.model.Explainer(ctx, l.backend, lxtc.Options{
		Rules: m, Form: form, Explain: []string{l.Tensor}, TargetsOnly: true,
		Targets: []passes.Target{v.Target},
	}, l.opt.Run)
	if err != nil {
		return nil, fmt.Errorf("rules %s: %w", m.Name, err)
	}
	l.rules = append(l.rules, explainer{key, e})
	return e, nil
}
