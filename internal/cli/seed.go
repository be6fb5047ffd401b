package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// seed turns --seed-npz into relevance that comes with the inputs, and returns the
// options with those targets.
func (s *subject) seed(e explanation, opt lxtc.Options, f *feed) (lxtc.Options, error) {
	switch {
	case e.seeds == "":
		return opt, nil
	case e.contrast:
		return opt, usagef("--seed-npz gives the relevance of outputs, and --contrast is for a target: leave one out")
	case e.temperature != 0:
		return opt, usagef("--temperature explains a probability, and --seed-npz gives the relevance of the output itself: leave one out")
	}
	seeds, err := s.seedArrays(e.seeds)
	for _, r := range seeds {
		opt.Targets = append(opt.Targets, passes.Target{Output: r.output, Seed: true})
		f.tensors["R:"+r.output] = r.relevance
	}
	return opt, err
}

// seedOf is the relevance of one output.
type seedOf struct {
	output    string
	relevance *ir.Tensor
}

// seedArrays reads the relevance of outputs from arrays named after them.
func (s *subject) seedArrays(file string) ([]seedOf, error) {
	archive, err := npy.ReadFile(file)
	if err != nil {
		return nil, unreadable(err)
	}
	if len(archive) == 0 {
		return nil, unreadable(fmt.Errorf("%s: no arrays", file))
	}
	var seeds []seedOf
	for _, e := range archive {
		v := s.output(e.Name)
		if v == nil {
			return nil, unreadable(fmt.Errorf("%s: array %q is no output of the model%s", file, e.Name, diag.DidYouMean(e.Name, names(s.IR().Graph.Outputs))))
		}
		t, err := fit(e.Array, v.Type)
		if err != nil {
			return nil, unreadable(fmt.Errorf("%s: array %q: %w", file, e.Name, err))
		}
		seeds = append(seeds, seedOf{e.Name, t})
	}
	return seeds, nil
}

// output returns the model's output of the given name, or nil.
func (s *subject) output(name string) *ir.Value {
	for _, v := range s.IR().Graph.Outputs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// lastTokens returns the position of a target in every batch row, if a mask among
// the inputs says where the last token is; else nil.
func (s *subject) lastTokens(t passes.Target, f *feed) []int64 {
	v := s.output(t.Output)
	if v == nil || t.Index != nil || t.Select != nil || t.Seed || t.Position >= 0 {
		return nil
	}
	mask := passes.PaddingMask(s.IR().Graph, v)
	if mask == nil {
		return nil
	}
	keep, err := f.tensors[mask.Name].Int64s()
	if err != nil {
		return nil
	}
	width := f.tensors[mask.Name].Shape[1]
	length := width // of the output: past tokens aside, which are first
	if n, ok := bind(s.IR().Graph, f.tensors).of(v.Type.Shape[1]); ok {
		length = int(n)
	}
	var at []int64
	for row := range slices.Chunk(keep, max(width, 1)) {
		row = row[max(0, width-length):]
		last := len(row) - 1
		for last >= 0 && row[last] == 0 {
			last--
		}
		at = append(at, max(int64(last)+1+t.Position, 0))
	}
	return at
}

// elements returns the flat positions of a target's elements in its output, one in
// every row; in one of three axes at the given positions, if there are any.
func elements(t passes.Target, y []float64, shape []int, positions []int64) ([]int, error) {
	rank := len(shape)
	if t.Index != nil {
		k, err := flat(t.Index, shape)
		return []int{k}, err
	}
	n := classes(shape)
	if n == 0 {
		return nil, usagef("target %s: shape %v has too many axes to have one largest element; name an index", t, shape)
	}
	best := func(row, start int) (int, error) {
		if t.Class != nil {
			k, err := flat([]int64{t.Class[min(row, len(t.Class)-1)]}, []int{n})
			return start + k, err
		}
		return start + t.Largest(y[start:start+n]), nil
	}
	rows := 1
	if rank > 1 {
		rows = shape[0]
	}
	var out []int
	for row := range rows {
		start := row * n
		if rank == 3 {
			position := t.Position
			if positions != nil {
				position = positions[row]
			}
			var err error
			if start, err = flat([]int64{int64(row), position, 0}, shape); err != nil {
				return nil, err
			}
		}
		k, err := best(row, start)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// classes returns how many classes an output of the given shape scores; 0 if it
// has no axis of them.
func classes(shape []int) int {
	axis := passes.ClassAxis(ir.Dims(shape))
	switch {
	case len(shape) == 0:
		return 1
	case axis < 0:
		return 0
	}
	return shape[axis]
}

// flat returns the position of an element in row-major order; negative indices
// count from the end.
func flat(index []int64, shape []int) (int, error) {
	if len(index) != len(shape) {
		return 0, usagef("index %v has %d numbers for an output of shape %v", index, len(index), shape)
	}
	k := 0
	for a, i := range index {
		n := int64(shape[a])
		if i < 0 {
			i += n
		}
		if i < 0 || i >= n {
			return 0, usagef("index %d of axis %d is outside shape %v", index[a], a, shape)
		}
		k = k*int(n) + int(i)
	}
	return k, nil
}

// forward runs the model as it was read, half floats in float32 as everywhere:
// a norm of half floats squares them, and overflows.
func (a *app) forward(ctx context.Context, s *subject, b backend.Backend, run backend.Options, f *feed) (map[string]*ir.Tensor, error) {
	m := s.IR().Clone()
	m.Closer = nil
	opt := passes.Options{Supports: b.Supports, Eval: reference.Eval}
	pipeline := passes.Pipeline{passes.Widen, passes.Legalize, passes.Dead, passes.Schedule}
	if _, err := pipeline.Run(ctx, m, opt, passes.Driver{}); err != nil {
		return nil, err
	}
	return a.execute(ctx, b, m, run, f.tensors)
}
