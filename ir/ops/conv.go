package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// convOps are the operators over spatial axes: those after batch and channel.
func convOps() []*ir.Op {
	return []*ir.Op{
		conv, convTranspose, // here
		maxPool, averagePool, lpPool, globalAveragePool, globalMaxPool, // pool.go
		resize, // resize.go
	}
}

var conv = &ir.Op{
	Name: ir.OpName{Name: "Conv"}, Since: 11, Doc: "convolution: every output channel is a weighted sum over a moving window",
	In: ir.P("X", "W", "B?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		c, err := convOf(n)
		if err != nil || c == nil {
			return []ir.Type{{Elem: n.In[0].Type.Elem}}, err
		}
		if c.w[1].Mul(ir.N(c.groups)).Differ(c.x[1]) {
			return nil, fmt.Errorf("%s channels in %d groups, but weights for %s each", c.x[1], c.groups, c.w[1])
		}
		return c.output(n, c.w[0])
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want,
			func() *ir.Value { return convToInput(b, n, dy[0]) },
			func() *ir.Value { return convToWeights(b, n, n.In[0], dy[0]) },
			func() *ir.Value { return overChannels(b, n, dy[0]) })
	},
}

var convTranspose = &ir.Op{
	Name: ir.OpName{Name: "ConvTranspose"}, Since: 11, Doc: "the transpose of convolution: every input element adds a weighted window to the output",
	In: ir.P("X", "W", "B?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		c, err := convOf(n)
		if err != nil || c == nil {
			return []ir.Type{{Elem: n.In[0].Type.Elem}}, err
		}
		if c.w[0].Differ(c.x[1]) {
			return nil, fmt.Errorf("%s channels, but weights for %s", c.x[1], c.w[0])
		}
		return c.output(n, c.w[1].Mul(ir.N(c.groups)))
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want,
			func() *ir.Value {
				attrs, err := transposedBack(n)
				if err != nil {
					return b.Fail("%w", err)
				}
				x := n.In[0].Type.Shape
				y := b.OpA("Conv", attrs, dy[0], n.In[1])
				for k := 2; k < len(x); k++ { // output_padding may make room for one more position
					if dimOf(y, k).Differ(x[k]) {
						y = b.Op("Slice", y, b.Ints(0), dimAt(b, n.In[0], int64(k)), b.Ints(int64(k)))
					}
				}
				return withShape(b, y, x)
			},
			// The roles of input and output are swapped.
			func() *ir.Value { return convToWeights(b, n, dy[0], n.In[0]) },
			func() *ir.Value { return overChannels(b, n, dy[0]) })
	},
}

// convolution is what is known of a Conv or ConvTranspose node.
type convolution struct {
	x, w   []ir.Dim // shapes of input and weights
	groups int64
	geo    *geometry // nil if the kernel is not known
}

// convOf returns nil if a rank is not known.
func convOf(n *ir.Node) (*convolution, error) {
	x, w := n.In[0].Type, n.In[1].Type
	if _, err := mergeElem(n.In...); err != nil {
		return nil, err
	}
	if x.Shape == nil || w.Shape == nil {
		return nil, nil
	}
	if len(x.Shape) < 3 || len(w.Shape) != len(x.Shape) {
		return nil, fmt.Errorf("input %s and weights %s: want one rank, 3 or more", x, w)
	}
	c := &convolution{x: x.Shape, w: w.Shape, groups: n.Attrs.Int("group", 1)}
	if c.groups < 1 || c.groups > maxExtent {
		return nil, fmt.Errorf("group %d", c.groups)
	}
	if m, ok := w.Shape[0].Num(); ok && m%c.groups != 0 {
		return nil, fmt.Errorf("weights %s in %d groups", w, c.groups)
	}
	kernel, static := ir.Type{Shape: w.Shape[2:]}.Static()
	if !static {
		if !n.Attrs.Has("kernel_shape") {
			return c, nil
		}
		kernel = nil
	}
	if given := n.Attrs.Ints("kernel_shape"); static && len(given) > 0 &&
		!slices.EqualFunc(given, kernel, func(a int64, b int) bool { return a == int64(b) }) {
		return nil, fmt.Errorf("kernel_shape %v, but weights %s", given, w)
	}
	var err error
	c.geo, err = geometryOf(n, len(x.Shape)-2, kernel)
	return c, err
}

// output returns the type of the output, of the given number of channels.
func (c *convolution) output(n *ir.Node, channels ir.Dim) ([]ir.Type, error) {
	s := append([]ir.Dim{c.x[0], channels}, unknownDims(len(c.x)-2)...)
	if c.geo != nil {
		for i, d := range c.x[2:] {
			var err error
			if s[2+i], err = c.geo.outDim(i, d); err != nil {
				return nil, err
			}
		}
	}
	return one(ir.Type{Elem: n.In[0].Type.Elem, Shape: s})
}

// convToInput is the derivative of Conv with respect to its input: the
// transposed convolution, with as much added at the end of each axis as the
// windows did not reach.
func convToInput(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	x := n.In[0]
	c, err := convOf(n)
	switch {
	case err != nil:
		return b.Fail("%w", err)
	case c == nil || c.geo == nil:
		return b.Fail("%w, and the size of the kernel: %s", errRank, n.In[1])
	}
	y, err := transposedOf(b, c.geo, c.x[2:], func(attrs ir.Attrs) *ir.Value {
		return b.OpA("ConvTranspose", append(attrs, ir.Attr{Name: "group", Value: c.groups}), dy, n.In[1])
	}, x)
	if err != nil {
		return b.Fail("%w", err)
	}
	return y
}

// transposedOf undoes the movement of windows over spatial axes of like. Build
// makes the ConvTranspose from the attributes.
func transposedOf(b *ir.Builder, g *geometry, in []ir.Dim, build func(attrs ir.Attrs) *ir.Value, like *ir.Value) (*ir.Value, error) {
	rank := len(in)
	kernel, strides, dilations := make([]int64, rank), make([]int64, rank), make([]int64, rank)
	pads, extra := make([]int64, 2*rank), make([]int64, rank)
	var fix []int64 // axes of which only the running graph knows the size
	for i, d := range in {
		w := g.axes[i]
		kernel[i], strides[i], dilations[i] = int64(w.Kernel), int64(w.Stride), int64(w.Dilation)
		m, static := d.Num()
		switch {
		case static:
			var err error
			if w, err = g.resolve(i, int(min(m, maxExtent+1))); err != nil {
				return nil, err
			}
			rest := w.In - ((w.Out-1)*w.Stride + w.Reach() - w.Before - w.After)
			// A window that hangs over the end (ceil_mode) is cut like padding.
			w.After = max(w.After-min(rest, 0), 0)
			extra[i] = int64(max(rest, 0))
			pads[i], pads[rank+i] = int64(w.Before), int64(w.After)
		case w.Stride == 1 && !g.ceil:
			// Every element but the padding is reached.
			if g.same() {
				w.Before, w.After = g.distribute(w.Reach()-1, g.auto == "SAME_UPPER")
			}
			pads[i], pads[rank+i] = int64(w.Before), int64(w.After)
		case g.same():
			return nil, fmt.Errorf("auto_pad %s with a stride and spatial axis %d of %s: the size must be known", g.auto, i, d)
		default:
			pads[i] = int64(w.Before)
			fix = append(fix, int64(2+i))
		}
	}
	attrs := ir.Attrs{
		{Name: "kernel_shape", Value: kernel}, {Name: "strides", Value: strides}, {Name: "dilations", Value: dilations},
		{Name: "pads", Value: pads}, {Name: "output_padding", Value: extra},
	}
	y := build(attrs)
	if len(fix) > 0 {
		axes := b.Ints(fix...)
		size := func(v *ir.Value) *ir.Value { return b.OpA("Gather", axis(0), b.Op("Shape", v), axes) }
		none := b.Ints(make([]int64, len(fix))...)
		y = b.Op("Pad", y, b.OpA("Concat", axis(0), none, b.Sub(size(like), size(y))), nil, axes)
	}
	return withShape(b, y, like.Type.Shape), nil
}

// transposedBack returns the attributes of the Conv that is the derivative of a
// ConvTranspose node with respect to its input.
func transposedBack(n *ir.Node) (ir.Attrs, error) {
	c, err := convOf(n)
	switch {
	case err != nil:
		return nil, err
	case c == nil || c.geo == nil:
		return nil, fmt.Errorf("%w, and the size of the kernel: %s", errRank, n.In[1])
	}
	g, rank := c.geo, len(c.x)-2
	kernel, strides, dilations, pads := make([]int64, rank), make([]int64, rank), make([]int64, rank), make([]int64, 2*rank)
	for i, d := range c.x[2:] {
		w := g.axes[i]
		if m, ok := d.Num(); ok {
			if w, err = g.resolve(i, int(min(m, maxExtent+1))); err != nil {
				return nil, err
			}
		} else if g.same() || g.outShape != nil {
			return nil, fmt.Errorf("padding that depends on spatial axis %d of %s: the size must be known", i, d)
		}
		kernel[i], strides[i], dilations[i] = int64(w.Kernel), int64(w.Stride), int64(w.Dilation)
		pads[i], pads[rank+i] = int64(w.Before), int64(w.After)
	}
	return ir.Attrs{
		{Name: "kernel_shape", Value: kernel}, {Name: "strides", Value: strides}, {Name: "dilations", Value: dilations},
		{Name: "pads", Value: pads}, {Name: "group", Value: c.groups},
	}, nil
}

// overChannels is the derivative with respect to the bias: the sum over all
// axes but the channels.
func overChannels(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	axes := []int64{0}
	for k := 2; k < dy.Type.Rank(); k++ {
		axes = append(axes, int64(k))
	}
	if dy.Type.Shape == nil {
		return b.Fail("%w: %s", errRank, dy)
	}
	y := b.OpA("ReduceSum", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, dy, b.Ints(axes...))
	return withShape(b, y, n.In[2].Type.Shape)
}

// convToWeights is the derivative with respect to the weights, from what the
// windows read and the derivative of what they make of it. It is a convolution
// over the batch, in which stride and dilation have changed places.
func convToWeights(b *ir.Builder, n *ir.Node, x, dy *ir.Value) *ir.Value {
	c, err := convOf(n)
	switch {
	case err != nil:
		return b.Fail("%w", err)
	case c == nil || c.geo == nil:
		return b.Fail("%w, and the size of the kernel: %s", errRank, n.In[1])
	}
	sizes, static := ir.Type{Shape: c.x[2:]}.Static()
	if !static {
		return b.Fail("the derivative with respect to weights needs the spatial sizes of %s, which is %s", n.In[0], n.In[0].Type)
	}
	rank := len(sizes)
	strides, dilations, pads, kernel := make([]int64, rank), make([]int64, rank), make([]int64, 2*rank), make([]int64, rank)
	starts, axes := make([]int64, rank), make([]int64, rank)
	for i, d := range sizes {
		w, err := c.geo.resolve(i, d)
		if err != nil {
			return b.Fail("%w", err)
		}
		strides[i], dilations[i], kernel[i] = int64(w.Dilation), int64(w.Stride), int64(w.Kernel)
		pads[i], pads[rank+i] = int64(w.Before), int64(w.After)
		axes[i] = int64(2 + i)
	}
	// Groups of channels stay groups, the batch becomes the channels.
	lead := []int64{1, 0}
	tail := make([]int64, rank)
	for i := range tail {
		tail[i] = int64(2 + i)
	}
	swap := append(lead, tail...)
	left := b.Transpose(x, swap...)
	if c.groups > 1 {
		left = groupsToBatch(b, x, c.groups)
	}
	attrs := ir.Attrs{
		{Name: "strides", Value: strides}, {Name: "dilations", Value: dilations},
		{Name: "pads", Value: pads}, {Name: "group", Value: c.groups},
	}
	y := b.OpA("Conv", attrs, left, b.Transpose(dy, swap...))
	y = b.Op("Slice", b.Transpose(y, swap...), b.Ints(starts...), b.Ints(kernel...), b.Ints(axes...))
	return withShape(b, y, n.In[1].Type.Shape)
}

// groupsToBatch turns x of [N, G*C, ...] into [C, G*N, ...].
func groupsToBatch(b *ir.Builder, x *ir.Value, groups int64) *ir.Value {
	r := x.Type.Rank()
	shape := b.Op("Shape", x)
	space := b.Op("Slice", shape, b.Ints(2), b.Ints(toEnd))
	batch, channels := dimAt(b, x, 0), b.Op("Div", dimAt(b, x, 1), b.Ints(groups))
	perm := []int64{2, 1, 0}
	for k := 2; k < r; k++ {
		perm = append(perm, int64(k+1))
	}
	apart := b.Op("Reshape", x, b.OpA("Concat", axis(0), batch, b.Ints(groups), channels, space))
	return b.Op("Reshape", b.Transpose(apart, perm...), b.OpA("Concat", axis(0), channels, b.Ints(-1), space))
}
