package passes

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// defaultAxis is the axis of an operator whose attribute does not say.
var defaultAxis = map[string]int64{
	"Softmax": -1, "LogSoftmax": -1, "Hardmax": -1, "LpNormalization": -1, "LayerNormalization": -1, "RMSNormalization": -1, "TopK": -1, "OneHot": -1,
	"Flatten": 1,
}

// behind is an axis of a value as one of the value with points, counted from
// whichever end it was.
func behind(axis int64) int64 {
	if axis < 0 {
		return axis
	}
	return axis + 1
}

// withAxis returns n's attributes with its axis renumbered.
func withAxis(n *ir.Node) ir.Attrs {
	return n.Attrs.With("axis", behind(n.Attrs.Int("axis", defaultAxis[n.Op.Name])))
}

func alongAxis(l *lifter, n *ir.Node) []*ir.Value { return l.again(n, withAxis(n), l.ins(n)...) }

// parted says how many parts there are, which Split may tell by its outputs.
func parted(l *lifter, n *ir.Node) []*ir.Value {
	attrs := withAxis(n)
	if n.Input(1) == nil {
		attrs = attrs.With("num_outputs", int64(len(n.Out)))
	}
	return l.again(n, attrs, l.ins(n)...)
}

// together is for operators whose inputs have equal ranks and do not broadcast:
// all of them get the axis.
func together(l *lifter, n *ir.Node) []*ir.Value {
	return l.again(n, withAxis(n), l.every(n)...)
}

func alongAxisInput(l *lifter, n *ir.Node) []*ir.Value {
	return l.again(n, n.Attrs, l.in(n, 0), l.behind(n.In[1]))
}

// alongAxes is for operators with an attribute of axes, all if it is not there.
func alongAxes(l *lifter, n *ir.Node) []*ir.Value {
	axes := slices.Clone(n.Attrs.Ints("axes"))
	if !n.Attrs.Has("axes") {
		axes = count(0, l.rank(n.In[0]))
	}
	for i := range axes {
		axes[i] = behind(axes[i])
	}
	return l.again(n, n.Attrs.With("axes", axes), l.ins(n)...)
}

// count returns the numbers from lo up to hi.
func count(lo, hi int) []int64 {
	var ns []int64
	for i := lo; i < hi; i++ {
		ns = append(ns, int64(i))
	}
	return ns
}

// reduction reduces the same axes. No axes are all of them, which must not become
// the new one as well.
func reduction(l *lifter, n *ir.Node) []*ir.Value {
	x, axes := l.in(n, 0), n.Input(1)
	none := axes == nil
	if !none {
		k, known := l.length(axes)
		none = known && k == 0
		if !known && n.Attrs.Int("noop_with_empty_axes", 0) == 0 {
			l.Fail("it is not known whether it reduces all axes")
		}
	}
	switch {
	case !none:
		return l.again(n, n.Attrs, x, l.behind(axes))
	case n.Attrs.Int("noop_with_empty_axes", 0) != 0:
		return l.again(n, n.Attrs, l.ins(n)...)
	}
	if rank := l.rank(n.In[0]); rank > 0 {
		return l.again(n, n.Attrs, x, l.Ints(count(1, rank+1)...))
	}
	return l.again(n, n.Attrs.With("keepdims", int64(0)), l.ones(x, 1), l.Ints(1))
}

// shapeOf is the shape at one point.
func shapeOf(l *lifter, n *ir.Node) []*ir.Value {
	rank := int64(l.rank(n.In[0]))
	clamp := func(i int64) int64 { // to what a negative axis can be
		if i < 0 {
			i = max(i+rank, 0)
		}
		return min(i, rank) + 1
	}
	attrs := ir.Attrs{{Name: "start", Value: clamp(n.Attrs.Int("start", 0))}, {Name: "end", Value: clamp(n.Attrs.Int("end", rank))}}
	return l.again(n, attrs, l.in(n, 0))
}

func sizeOf(l *lifter, n *ir.Node) []*ir.Value {
	return []*ir.Value{l.sizeOfPoint(l.in(n, 0))}
}

func reshaped(l *lifter, n *ir.Node) []*ir.Value {
	x := l.in(n, 0)
	points := l.Ints(0) // as many as x has
	if n.Attrs.Int("allowzero", 0) != 0 {
		points = l.dims(x, 0, 1)
	}
	return l.again(n, n.Attrs, x, l.join(points, n.In[1]))
}

func flattened(l *lifter, n *ir.Node) []*ir.Value {
	x, rank := l.in(n, 0), l.rank(n.In[0])
	axis := int(n.Attrs.Int("axis", defaultAxis["Flatten"]))
	if axis < 0 {
		axis += rank
	}
	size := func(lo, hi int) *ir.Value {
		if lo == hi {
			return l.Ints(1)
		}
		return l.OpA("ReduceProd", nil, l.dims(x, lo, hi))
	}
	return []*ir.Value{l.reshape(x, l.dims(x, 0, 1), size(1, axis+1), size(axis+1, rank+1))}
}

func unsqueezed(l *lifter, n *ir.Node) []*ir.Value {
	return l.again(n, n.Attrs, l.in(n, 0), l.behind(n.In[1]))
}

func squeezed(l *lifter, n *ir.Node) []*ir.Value {
	x, axes := l.in(n, 0), n.Input(1)
	if axes != nil {
		return l.again(n, n.Attrs, x, l.behind(axes))
	}
	var ones []int64 // all of them, but a single point
	for a, d := range n.In[0].Type.Shape {
		k, known := d.Num()
		if !known {
			l.Fail("it is not known which axes of %s it takes out", n.In[0].Type)
		}
		if k == 1 {
			ones = append(ones, int64(a)+1)
		}
	}
	if l.rank(n.In[0]) == 0 || len(ones) == 0 {
		return []*ir.Value{l.Op("Identity", x)}
	}
	return l.again(n, n.Attrs, x, l.Ints(ones...))
}

func transposed(l *lifter, n *ir.Node) []*ir.Value {
	perm := n.Attrs.Ints("perm")
	if perm == nil {
		perm = count(0, l.rank(n.In[0]))
		slices.Reverse(perm)
	}
	lifted := []int64{0}
	for _, a := range perm {
		lifted = append(lifted, a+1)
	}
	return l.again(n, n.Attrs.With("perm", lifted), l.in(n, 0))
}

func expanded(l *lifter, n *ir.Node) []*ir.Value {
	to, known := l.length(n.In[1])
	if !known {
		l.Fail("it is not known to how many axes it expands")
	}
	return l.again(n, n.Attrs, l.wide(n.In[0], max(l.rank(n.In[0]), to)), n.In[1])
}

func tiled(l *lifter, n *ir.Node) []*ir.Value {
	return l.again(n, n.Attrs, l.in(n, 0), l.join(l.Ints(1), n.In[1]))
}

func sliced(l *lifter, n *ir.Node) []*ir.Value {
	return l.again(n, n.Attrs, l.in(n, 0), n.In[1], n.In[2], l.axes(n, 3, n.In[1], 1), n.Input(4))
}

func padded(l *lifter, n *ir.Node) []*ir.Value {
	return l.again(n, n.Attrs, l.in(n, 0), n.In[1], n.Input(2), l.axes(n, 3, n.In[1], 2))
}

// gathered picks along one axis. Where data and indices have points, each point
// picks of its own.
func gathered(l *lifter, n *ir.Node) []*ir.Value {
	data, indices := l.in(n, 0), l.in(n, 1)
	axis := int(n.Attrs.Int("axis", 0))
	if axis < 0 {
		axis += l.rank(n.In[0])
	}
	if !l.has(n.In[1]) {
		return l.again(n, withAxis(n), data, indices)
	}
	if !l.has(n.In[0]) { // the points are where the axis was
		y := l.again(n, n.Attrs, data, indices)
		return []*ir.Value{l.move(y[0], axis, 0)}
	}
	y := l.OpA("GatherND", ir.Attrs{{Name: "batch_dims", Value: int64(1)}}, l.move(data, axis+1, 1), l.Op("Unsqueeze", indices, l.Ints(-1)))
	for range axis { // what was before the axis is behind what took its place
		y = l.move(y, l.rank(n.In[1])+axis, 1)
	}
	return []*ir.Value{y}
}

func gatheredND(l *lifter, n *ir.Node) []*ir.Value {
	return l.again(n, n.Attrs.With("batch_dims", n.Attrs.Int("batch_dims", 0)+1), l.every(n)...)
}

// scatteredND puts the number of the point before every index.
func scatteredND(l *lifter, n *ir.Node) []*ir.Value {
	in := l.every(n)
	data, indices := in[0], in[1]
	rank := l.rank(indices)
	column := l.join(l.dims(indices, 0, rank-1), l.Ints(1))
	numbers := l.Op("Expand", l.ones(l.numbers(data), rank-1), column)
	in[1] = l.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(-1)}}, numbers, indices)
	return l.again(n, n.Attrs, in...)
}

// numbers numbers the points of x.
func (l *lifter) numbers(x *ir.Value) *ir.Value {
	one := func(i int64) *ir.Value { return l.Constant(ir.Of([]int64{i})) }
	return l.Op("Range", one(0), l.Op("Squeeze", l.dims(x, 0, 1), l.Ints(0)), one(1))
}

// sizeOfPoint is how many elements of x a point has.
func (l *lifter) sizeOfPoint(x *ir.Value) *ir.Value {
	shape := l.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(1)}}, x)
	return l.OpA("ReduceProd", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, shape)
}

// rank returns the rank of v, which must be known.
func (l *lifter) rank(v *ir.Value) int {
	r := v.Type.Rank()
	if r < 0 {
		l.Fail("the rank of %s is not known", v)
		return 0
	}
	return r
}

// length returns the number of elements of a vector, if it is known.
func (l *lifter) length(v *ir.Value) (int, bool) {
	if l.rank(v) != 1 {
		return 1, true
	}
	k, known := v.Type.Shape[0].Num()
	return int(k), known
}

// ones puts k axes of length 1 behind that of the points.
func (l *lifter) ones(x *ir.Value, k int) *ir.Value {
	if k <= 0 {
		return x
	}
	return l.Op("Unsqueeze", x, l.Ints(count(1, k+1)...))
}

// wide returns what stands for v, broadcast to a rank if it has points.
func (l *lifter) wide(v *ir.Value, rank int) *ir.Value {
	if !l.has(v) {
		return v
	}
	return l.ones(l.up[v], rank-l.rank(v))
}

// every returns n's inputs, repeated for each point where they have no points.
func (l *lifter) every(n *ir.Node) []*ir.Value {
	var points *ir.Value
	for _, v := range n.In {
		if l.has(v) {
			points = l.dims(l.up[v], 0, 1)
		}
	}
	ins := l.ins(n)
	for i, v := range n.In {
		if v != nil && !l.has(v) {
			ins[i] = l.Op("Expand", v, l.join(points, l.Op("Shape", v)))
		}
	}
	return ins
}

// behind renumbers axes that are an input.
func (l *lifter) behind(axes *ir.Value) *ir.Value {
	if t := rewrite.Constant(axes); t != nil {
		ns, err := t.Int64s()
		if err != nil {
			return l.Fail("%w", err)
		}
		for i := range ns {
			ns[i] = behind(ns[i])
		}
		return l.Constant(ir.Of(ns, t.Shape...))
	}
	fromStart := l.Op("Not", l.Op("Less", axes, l.zero(axes)))
	return l.Add(axes, l.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(axes.Type.Elem)}}, fromStart))
}

func (l *lifter) zero(like *ir.Value) *ir.Value { return l.Scalar(0, like) }

// axes returns input i of n, the axes that vector v has each entries for,
// renumbered. Without the input they are the first ones.
func (l *lifter) axes(n *ir.Node, i int, v *ir.Value, each int) *ir.Value {
	if axes := n.Input(i); axes != nil {
		return l.behind(axes)
	}
	k, known := l.length(v)
	if !known {
		return l.Fail("it is not known how many axes it has numbers for")
	}
	return l.Ints(count(1, k/each+1)...)
}

// dims returns the lengths of axes lo up to hi.
func (l *lifter) dims(v *ir.Value, lo, hi int) *ir.Value {
	if lo > hi || hi > l.rank(v) {
		return l.Fail("%s has no axes %d to %d", v.Type, lo, hi)
	}
	if s, known := (ir.Type{Shape: v.Type.Shape[lo:hi]}).Static(); known {
		ns := make([]int64, len(s))
		for i, n := range s {
			ns[i] = int64(n)
		}
		return l.Ints(ns...)
	}
	return l.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(lo)}, {Name: "end", Value: int64(hi)}}, v)
}

// join puts vectors of integers together.
func (l *lifter) join(vs ...*ir.Value) *ir.Value {
	all := []int64{}
	for _, v := range vs {
		t := rewrite.Constant(v)
		if t == nil {
			return l.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}}, vs...)
		}
		ns, err := t.Int64s()
		if err != nil {
			return l.Fail("%w", err)
		}
		all = append(all, ns...)
	}
	return l.Ints(all...)
}

// reshape gives v the lengths that the vectors list.
func (l *lifter) reshape(v *ir.Value, lengths ...*ir.Value) *ir.Value {
	return l.OpA("Reshape", ir.Attrs{{Name: "allowzero", Value: int64(1)}}, v, l.join(lengths...))
}

// move puts one axis of v elsewhere.
func (l *lifter) move(v *ir.Value, from, to int) *ir.Value {
	if from == to {
		return v
	}
	perm := count(0, l.rank(v))
	if max(from, to) >= len(perm) {
		return l.Fail("%s has no axis %d or %d", v.Type, from, to)
	}
	perm = slices.Insert(slices.Delete(perm, from, from+1), to, int64(from))
	return l.Transpose(v, perm...)
}
