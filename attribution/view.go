package attribution

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

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
		if err := scorable(*target); err != nil {
			return nil, err
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
	axis := passes.ClassAxis(ir.Dims(shape))
	if axis < 0 || len(y) != shape[axis] {
		return nil, diag.Errorf("LX3004", "output %s of shape %v has no one axis of classes to find the largest in", v.lens.Output, shape).
			Help("name an element of it with --target")
	}
	best := v.Target.Largest(y) // of one row, at one position
	v.Target.Class = []int64{int64(best)}
	v.Index = v.Target.Element(0, len(shape))
	s, err := v.pick(y, shape, 0)
	return []float64{s}, err
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
	class := passes.ClassAxis(ir.Dims(shape))
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
