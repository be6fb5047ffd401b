package ops

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// A cut is what Slice does to one axis. A bound that is a number may be
// negative, as written; other bounds are dimensions.
type cut struct {
	axis       int
	start, end bound
	step       int64 // 0 if not known
}

// A bound is the number n, or, where exact is false, the dimension d; or less
// than nothing by the dimension neg.
type bound struct {
	n      int64
	exact  bool
	d, neg ir.Dim
}

// cutsOf returns the cuts of a Slice node; ok is false if its axes are not
// known.
func cutsOf(n *ir.Node) (cuts []cut, ok bool, err error) {
	rank := n.In[0].Type.Rank()
	starts, ends := bounds(n.In[1]), bounds(n.In[2])
	if starts == nil || ends == nil || rank < 0 {
		return nil, false, nil
	}
	if len(starts) != len(ends) {
		return nil, false, fmt.Errorf("%d starts and %d ends", len(starts), len(ends))
	}
	axes, err := cutAxes(n, len(starts), rank)
	if err != nil || axes == nil {
		return nil, false, err
	}
	var steps []int64
	if v := n.Input(4); v != nil {
		if steps, ok = constInts(v); ok && len(steps) != len(starts) {
			return nil, false, fmt.Errorf("%d starts and %d steps", len(starts), len(steps))
		} else if ok && slices.Contains(steps, 0) {
			return nil, false, fmt.Errorf("a step is 0")
		}
	}
	cuts = make([]cut, len(starts))
	for i := range cuts {
		cuts[i] = cut{axis: axes[i], start: starts[i], end: ends[i], step: 1}
		if n.Input(4) != nil {
			cuts[i].step = 0
			if steps != nil {
				cuts[i].step = steps[i]
			}
		}
	}
	return cuts, true, nil
}

// cutAxes returns the axes that Slice cuts, in the order of its starts; nil if
// they are not known.
func cutAxes(n *ir.Node, k, rank int) ([]int, error) {
	v := n.Input(3)
	if v == nil {
		if k > rank {
			return nil, fmt.Errorf("%d starts for rank %d", k, rank)
		}
		axes := make([]int, k)
		for i := range axes {
			axes[i] = i
		}
		return axes, nil
	}
	ints, ok := constInts(v)
	if !ok {
		return nil, nil
	}
	if len(ints) != k {
		return nil, fmt.Errorf("%d starts and %d axes", k, len(ints))
	}
	return axesInOrder(ints, rank)
}

// bounds returns the elements of an integer vector as bounds, nil if not even
// their number is known. What is negative is found a few nodes back: exporters
// write the last S elements as a slice from -S, and put -1 into shapes.
func bounds(v *ir.Value) []bound { return boundsBack(v, 4) }

func boundsBack(v *ir.Value, depth int) []bound {
	if ints, ok := constInts(v); ok {
		bs := make([]bound, len(ints))
		for i, x := range ints {
			bs[i] = number(x)
		}
		return bs
	}
	ds := knownElems(v)
	if ds == nil {
		return nil
	}
	bs := make([]bound, len(ds))
	for i, d := range ds {
		bs[i] = bound{d: d, neg: ir.Unknown}
		if m, ok := d.Num(); ok {
			bs[i] = number(m)
		}
	}
	if back := signedBack(v.Def, depth); len(back) == len(bs) {
		for i, d := range ds {
			if d.IsUnknown() {
				bs[i] = back[i]
			}
		}
	}
	return bs
}

func number(x int64) bound { return bound{n: x, exact: true, d: ir.N(x), neg: ir.Unknown} }

// signedBack returns the elements of the output of n, from those of its inputs.
func signedBack(n *ir.Node, depth int) []bound {
	if n == nil || n.Op.Domain != "" || len(n.In) == 0 || slices.Contains(n.In, nil) || depth == 0 {
		return nil
	}
	switch n.Op.Name {
	case "Neg":
		ds := intElems(n, 0)
		bs := make([]bound, len(ds))
		for i, d := range ds {
			bs[i] = bound{d: ir.Unknown, neg: d}
			if m, ok := d.Num(); ok {
				bs[i] = number(-m)
			}
		}
		return bs
	case "Unsqueeze", "Squeeze", "Reshape", "Cast", "Identity":
		if !n.In[0].Type.Elem.IsInt() {
			return nil
		}
		return boundsBack(n.In[0], depth-1)
	case "Concat":
		var all []bound
		for _, v := range n.In {
			bs := boundsBack(v, depth-1)
			if bs == nil || len(v.Type.Shape) != 1 || len(all)+len(bs) > maxRank {
				return nil
			}
			all = append(all, bs...)
		}
		return all
	}
	return nil
}

// size returns the number of elements left of an axis of d.
func (c cut) size(d ir.Dim) ir.Dim {
	if n, ok := d.Num(); ok && c.start.exact && c.end.exact && c.step != 0 {
		_, size := sliceRange(c.start.n, c.end.n, c.step, n)
		return ir.N(size)
	}
	if c.step != 1 {
		if c.step == -1 && c.start.exact && c.start.n == -1 && c.end.exact && c.end.n < math.MinInt32 {
			return d // reversed
		}
		return ir.Unknown
	}
	start := c.start
	if n := start.neg; n.Sym != "" && n.Sym == d.Sym { // the last n of d
		start = bound{d: d.Sub(n), neg: ir.Unknown}
		start.n, start.exact = start.d.Num()
		if n.N >= d.N {
			start = bound{exact: true, d: ir.N(0), neg: ir.Unknown}
		}
	}
	toEnd := c.end.d.Same(d) || c.end.exact && c.end.n >= math.MaxInt32
	switch {
	case start.exact && start.n == 0 && toEnd:
		return d
	case start.exact && start.n == 0 && !c.end.exact && c.end.d.Sym != "" && d.Sym == c.end.d.Sym:
		return ir.Dim{Sym: d.Sym, N: min(d.N, c.end.d.N)}
	case start.exact && start.n == 0 && !c.end.exact && c.end.d.Sym != "" && d.Sym == "" && !d.Is(1):
		// The first S of a table. A model whose S exceeds it would fail where it
		// uses the slice, so S it is.
		return c.end.d
	case !start.exact && start.d.Sym != "" && start.d.Sym == d.Sym && (toEnd || c.end.d.Sym == d.Sym):
		// Halves of an axis of 2*S, say.
		end := d.N
		if !toEnd {
			end = min(end, c.end.d.N)
		}
		if first := min(start.d.N, d.N); end > first {
			return ir.Dim{Sym: d.Sym, N: end - first}
		}
	}
	return ir.Unknown
}

// apply cuts a vector of known elements; nil if it is not known where.
func (c cut) apply(ds []ir.Dim) []ir.Dim {
	if !c.start.exact || !c.end.exact || c.step == 0 {
		return nil
	}
	first, size := sliceRange(c.start.n, c.end.n, c.step, int64(len(ds)))
	out := make([]ir.Dim, 0, size)
	for i := range size {
		out = append(out, ds[first+i*c.step])
	}
	return out
}

// sliceRange returns the first index and the number of indices that Slice takes
// from an axis of dim elements. The step is not 0.
func sliceRange(start, end, step, dim int64) (first, size int64) {
	low, hi := int64(0), dim // what the end may be, counted from the front
	if step < 0 {
		low, hi = -1, dim-1
	}
	clamp := func(i, lo int64) int64 {
		if i < 0 {
			i += dim
		}
		return min(max(i, lo), hi)
	}
	start, end = clamp(start, 0), clamp(end, low) // numpy lets a start be before the front, ONNX does not
	switch {
	case step > 0 && end > start:
		return start, (end-start-1)/step + 1
	case step < 0 && start > end:
		return start, (end-start+1)/step + 1
	}
	return 0, 0
}

// sliceVJP puts dy back where the elements were taken from. Where every step is
// 1 that is padding: by constants if the types say so, else by what the graph
// computes.
func sliceVJP(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
	return lazily(want, func() *ir.Value {
		x := n.In[0]
		cuts, ok, err := cutsOf(n)
		if err != nil {
			return b.Fail("%w", err)
		}
		if !ok || slices.ContainsFunc(cuts, func(c cut) bool { return c.step != 1 }) {
			return scatterBack(b, n, dy[0])
		}
		if len(cuts) == 0 {
			return dy[0]
		}
		var before, after []*ir.Value
		var axes []int64
		for i, c := range cuts {
			lo, hi := c.pads(b, n, i, dy[0])
			before, after = append(before, lo), append(after, hi)
			axes = append(axes, int64(c.axis))
		}
		pads := joinInts(b, append(before, after...))
		y := padAlong(b, dy[0], pads, axes...)
		return withShape(b, y, x.Type.Shape)
	})
}

// pads are the number of elements of the input before and after those that
// cut i left, which are in dy; each a vector of one.
func (c cut) pads(b *ir.Builder, n *ir.Node, i int, dy *ir.Value) (before, after *ir.Value) {
	x, k := n.In[0], int64(c.axis)
	d := dimAt(b, x, k)
	m, static := x.Type.Shape[c.axis].Num()
	switch {
	case static && c.start.exact:
		first, _ := sliceRange(c.start.n, math.MaxInt64, 1, m)
		if e, ok := dimOf(dy, c.axis).Num(); ok {
			return b.Ints(first), b.Ints(m - first - e)
		}
		before = b.Ints(first)
	case c.start.exact && c.start.n == 0:
		before = b.Ints(0)
	case c.start.exact && c.start.n > 0:
		before = b.Op("Min", b.Ints(c.start.n), d)
	case c.start.exact:
		before = b.Op("Max", b.Add(d, b.Ints(c.start.n)), b.Ints(0))
	default:
		s := asInt64(b, b.OpA("Gather", axis(0), n.In[1], b.Ints(int64(i))))
		s = b.Op("Where", b.Op("Less", s, b.Ints(0)), b.Add(s, d), s)
		before = b.Op("Min", b.Op("Max", s, b.Ints(0)), d)
	}
	return before, b.Sub(b.Sub(d, before), dimAt(b, dy, k))
}

// asInt64 casts an integer to int64, what most parameters must be.
func asInt64(b *ir.Builder, v *ir.Value) *ir.Value {
	if v.Type.Elem == ir.Int64 {
		return v
	}
	return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Int64)}}, v)
}

// joinInts concatenates vectors, into a constant if they are all constant.
func joinInts(b *ir.Builder, vs []*ir.Value) *ir.Value {
	var all []int64
	for _, v := range vs {
		ints, ok := constInts(v)
		if !ok {
			return b.OpA("Concat", axis(0), vs...)
		}
		all = append(all, ints...)
	}
	return b.Ints(all...)
}
