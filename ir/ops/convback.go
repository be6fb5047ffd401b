package ops

import (
	"errors"

	"github.com/lxtc/lxtc/ir"
)

// errKernel is why the derivative of a convolution cannot be written down.
var errKernel = errors.New("the rank and the size of the kernel must be known")

// convToInput is the derivative of Conv with respect to its input: the
// transposed convolution.
func convToInput(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	c, err := convOf(n)
	switch {
	case err != nil:
		return b.Fail("%w", err)
	case c == nil || c.geo == nil:
		return b.Fail("%w: %s", errKernel, n.In[1])
	}
	return c.geo.transpose(b, n.In[0], func(attrs ir.Attrs) *ir.Value {
		return b.OpA("ConvTranspose", append(attrs, ir.Attr{Name: "group", Value: c.groups}), dy, n.In[1])
	})
}

// transpose undoes the movement of windows over the spatial axes of x. Build
// makes a ConvTranspose, without bias, from its attributes.
//
// Along an axis of known size the result gets the size of x by output_padding.
// Along others nothing is cut off at first, and then as much as the running
// graph finds.
func (g *geometry) transpose(b *ir.Builder, x *ir.Value, build func(attrs ir.Attrs) *ir.Value) *ir.Value {
	if x.Type.Rank() != 2+len(g.axes) {
		return b.Fail("%w: %s", errRank, x)
	}
	dims := x.Type.Shape[2:]
	a := newConvAttrs(len(dims))
	extra := make([]int64, len(dims))
	var cut []int // axes of unknown size
	for i, d := range dims {
		w := g.axes[i]
		m, static := d.Num()
		if !static {
			w.Before, w.After = 0, 0
			a.set(i, w)
			cut = append(cut, i)
			continue
		}
		w, err := g.resolve(i, int(min(m, maxExtent+1)))
		if err != nil {
			return b.Fail("spatial axis %d: %w", i, err)
		}
		rest := w.In - ((w.Out-1)*w.Stride + w.Reach() - w.Before - w.After)
		w.After = max(w.After-min(rest, 0), 0) // a window over the end (ceil_mode) is cut like padding
		extra[i] = int64(max(rest, 0))
		a.set(i, w)
	}
	y := build(append(a.attrs(), ir.Attr{Name: "output_padding", Value: extra}))
	if len(cut) > 0 {
		have, want := sizesAlong(b, y, cut), sizesAlong(b, x, cut)
		before := g.before(b, cut, have, want)
		pads := b.OpA("Concat", axis(0), b.Neg(before), b.Add(b.Sub(want, have), before))
		y = padAlong(b, y, pads, spaceAxes(cut)...)
	}
	return withShape(b, y, x.Type.Shape)
}

// before is the padding at the start of the given spatial axes, from the number
// of elements that the windows reach and the number that there are.
func (g *geometry) before(b *ir.Builder, axes []int, reached, size *ir.Value) *ir.Value {
	if !g.same() && g.outShape == nil {
		given := make([]int64, len(axes))
		for j, i := range axes {
			given[j] = int64(g.axes[i].Before)
		}
		return b.Ints(given...)
	}
	total := b.Op("Max", b.Sub(reached, size), b.Ints(0))
	half := b.Op("Div", total, b.Ints(2))
	if g.auto == "SAME_UPPER" {
		return half
	}
	return b.Sub(total, half)
}

// convOfTransposed is the derivative of ConvTranspose with respect to its
// input: the convolution.
func convOfTransposed(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	c, err := convOf(n)
	switch {
	case err != nil:
		return b.Fail("%w", err)
	case c == nil || c.geo == nil:
		return b.Fail("%w: %s", errKernel, n.In[1])
	}
	x, g := n.In[0], c.geo
	a := newConvAttrs(len(c.x) - 2)
	var pad, crop []int
	for i, d := range c.x[2:] {
		w := g.axes[i]
		m, static := d.Num()
		switch {
		case static:
			if w, err = g.resolve(i, int(min(m, maxExtent+1))); err != nil {
				return b.Fail("spatial axis %d: %w", i, err)
			}
		case g.same() || g.outShape != nil:
			pad = append(pad, i) // by an amount that depends on the size
			w.Before, w.After = 0, 0
		}
		if g.outPad[i] >= w.Stride || g.outShape != nil {
			crop = append(crop, i) // there is room for another position
		}
		a.set(i, w)
	}
	if len(pad) > 0 {
		dy = g.padLike(b, dy, x, pad)
	}
	y := b.OpA("Conv", append(a.attrs(), ir.Attr{Name: "group", Value: c.groups}), dy, n.In[1])
	if len(crop) > 0 {
		none := b.Ints(make([]int64, len(crop))...)
		y = b.Op("Slice", y, none, sizesAlong(b, x, crop), b.Ints(spaceAxes(crop)...))
	}
	return withShape(b, y, x.Type.Shape)
}

// padLike pads dy, which is like the output of a ConvTranspose of x, by what
// was cut off along the given axes.
func (g *geometry) padLike(b *ir.Builder, dy, x *ir.Value, axes []int) *ir.Value {
	stride, more := make([]int64, len(axes)), make([]int64, len(axes))
	for j, i := range axes {
		w := g.axes[i]
		stride[j] = int64(w.Stride)
		more[j] = int64(w.Reach() + g.outPad[i] - w.Stride)
	}
	size := sizesAlong(b, dy, axes)
	full := b.Add(b.Mul(sizesAlong(b, x, axes), b.Ints(stride...)), b.Ints(more...))
	before := g.before(b, axes, full, size)
	pads := b.OpA("Concat", axis(0), before, b.Sub(b.Op("Max", b.Sub(full, size), b.Ints(0)), before))
	return padAlong(b, dy, pads, spaceAxes(axes)...)
}

// convAttrs are the attributes that all convolutions share.
type convAttrs struct{ kernel, strides, dilations, pads []int64 }

func newConvAttrs(rank int) *convAttrs {
	return &convAttrs{make([]int64, rank), make([]int64, rank), make([]int64, rank), make([]int64, 2*rank)}
}

func (a *convAttrs) set(i int, w Window) {
	a.kernel[i], a.strides[i], a.dilations[i] = int64(w.Kernel), int64(w.Stride), int64(w.Dilation)
	a.pads[i], a.pads[len(a.kernel)+i] = int64(w.Before), int64(w.After)
}

func (a *convAttrs) attrs() ir.Attrs {
	return ir.Attrs{
		{Name: "kernel_shape", Value: a.kernel},
		{Name: "strides", Value: a.strides},
		{Name: "dilations", Value: a.dilations},
		{Name: "pads", Value: a.pads},
	}
}

// sizesAlong is the sizes of x along some spatial axes.
func sizesAlong(b *ir.Builder, x *ir.Value, axes []int) *ir.Value {
	return b.OpA("Gather", axis(0), b.Op("Shape", x), b.Ints(spaceAxes(axes)...))
}

// spaceAxes is the axes of a tensor that spatial ones are.
func spaceAxes(axes []int) []int64 {
	out := make([]int64, len(axes))
	for j, i := range axes {
		out[j] = int64(2 + i)
	}
	return out
}

// overChannels is the derivative with respect to the bias: the sum over all
// axes but the channels.
func overChannels(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	if dy.Type.Shape == nil {
		return b.Fail("%w: %s", errRank, dy)
	}
	axes := []int64{0}
	for k := 2; k < dy.Type.Rank(); k++ {
		axes = append(axes, int64(k))
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
		return b.Fail("%w: %s", errKernel, n.In[1])
	}
	rank := len(c.x) - 2
	a := newConvAttrs(rank)
	axes, ends := make([]int, rank), make([]int64, rank)
	for i, d := range c.x[2:] {
		w := c.geo.axes[i]
		if m, static := d.Num(); static {
			if w, err = c.geo.resolve(i, int(min(m, maxExtent+1))); err != nil {
				return b.Fail("spatial axis %d: %w", i, err)
			}
		} else if c.geo.same() || c.geo.outShape != nil {
			return b.Fail("the derivative with respect to weights, with padding that depends on the size of %s, needs that size", n.In[0])
		}
		axes[i], ends[i] = i, int64(w.Kernel)
		w.Stride, w.Dilation = w.Dilation, w.Stride
		a.set(i, w)
	}
	// Groups of channels stay groups, the batch becomes the channels.
	swap := []int64{1, 0}
	for k := 2; k < 2+rank; k++ {
		swap = append(swap, int64(k))
	}
	left := b.Transpose(x, swap...)
	if c.groups > 1 {
		left = groupsToBatch(b, x, c.groups)
	}
	attrs := append(a.attrs().Without("kernel_shape"), ir.Attr{Name: "group", Value: c.groups})
	y := b.Transpose(b.OpA("Conv", attrs, left, b.Transpose(dy, swap...)), swap...)
	y = b.Op("Slice", y, b.Ints(make([]int64, rank)...), b.Ints(ends...), b.Ints(spaceAxes(axes)...))
	return withShape(b, y, n.In[1].Type.Shape)
}

// groupsToBatch turns x of [N, G*C, ...] into [C, G*N, ...].
func groupsToBatch(b *ir.Builder, x *ir.Value, groups int64) *ir.Value {
	space := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(2)}}, x)
	batch, channels := dimAt(b, x, 0), b.Op("Div", dimAt(b, x, 1), b.Ints(groups))
	perm := []int64{2, 1, 0}
	for k := 2; k < x.Type.Rank(); k++ {
		perm = append(perm, int64(k+1))
	}
	apart := b.Op("Reshape", x, b.OpA("Concat", axis(0), batch, b.Ints(groups), channels, space))
	return b.Op("Reshape", b.Transpose(apart, perm...), b.OpA("Concat", axis(0), channels, b.Ints(-1), space))
}
