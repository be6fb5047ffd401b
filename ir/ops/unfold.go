package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// unfoldOps put together again what windows have taken apart.
func unfoldOps() []*ir.Op { return []*ir.Op{col2Im, maxUnpool} }

// col2Im adds the columns of [N, C·block, positions] where the blocks lie in the
// image: a transposed convolution whose weights copy.
var col2Im = &ir.Op{
	Name: ir.OpName{Name: "Col2Im"}, Since: 18, Fused: true, Doc: "blocks of an image added up to the image",
	In: ir.P("input", "image_shape", "block_shape"), Out: ir.P("output"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape != nil && len(t.Shape) != 3 {
			return nil, fmt.Errorf("%s, want rank 3", t)
		}
		out := ir.Type{Elem: t.Elem}
		image := knownElems(n.In[1])
		if t.Shape == nil || image == nil {
			return one(out)
		}
		channels := ir.Unknown
		if block := knownElems(n.In[2]); len(block) == len(image) {
			channels = t.Shape[1].Div(ir.Numel(block))
		}
		out.Shape = join([]ir.Dim{t.Shape[0], channels}, image)
		return one(out)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		image, ok := constInts(n.In[1])
		block, ok2 := constInts(n.In[2])
		rows, ok3 := dimOf(n.In[0], 1).Num()
		if !ok || !ok2 || !ok3 || len(image) != len(block) || len(block) == 0 {
			return []*ir.Value{b.Fail("the shapes of the image and of a block are not known before it runs")}
		}
		kernel := make([]int, len(block))
		for i, k := range block {
			kernel[i] = int(k)
		}
		g, err := geometryOf(n, len(block), kernel)
		if err != nil {
			return []*ir.Value{b.Fail("%w", err)}
		}
		taps := int64(1)
		a := newConvAttrs(len(block))
		left := make([]int64, len(block)) // pixels after the last block
		positions := []int64{-1, 0}
		for i, size := range image {
			w, err := g.resolve(i, int(size))
			if err != nil || taps*block[i] > maxConst/max(1, taps*block[i]) {
				return []*ir.Value{b.Fail("blocks %v of an image %v", block, image)}
			}
			a.set(i, w)
			left[i] = int64(w.In + w.Before + w.After - w.Reach() - (w.Out-1)*w.Stride)
			taps *= block[i]
			positions = append(positions, int64(w.Out))
		}
		positions[1] = taps
		eye := make([]float64, taps*taps)
		for i := range taps {
			eye[i*taps+i] = 1
		}
		weights := floats(b, n.In[0], append([]int{int(taps), 1}, kernel...), eye)
		y := b.OpA("ConvTranspose", a.attrs().With("output_padding", left), b.Op("Reshape", n.In[0], b.Ints(positions...)), weights)
		return []*ir.Value{b.Op("Reshape", y, b.Ints(append([]int64{-1, rows / taps}, image...)...))}
	},
}

var maxUnpool = &ir.Op{
	Name: ir.OpName{Name: "MaxUnpool"}, Since: 11, Fused: true, Doc: "what MaxPool has kept, back in its places, and 0 elsewhere",
	In: ir.P("X", "I", "output_shape?"), Out: ir.P("output"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if given := n.Input(2); given != nil {
			return one(ir.Type{Elem: t.Elem, Shape: knownElems(given)})
		}
		if t.Shape == nil {
			return one(t)
		}
		s, err := unpooled(n)
		return []ir.Type{{Elem: t.Elem, Shape: s}}, err
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s, err := unpooled(n)
		if err != nil {
			return []*ir.Value{b.Fail("%w", err)}
		}
		shape, ok := ir.Type{Shape: s}.Static()
		if !ok {
			return []*ir.Value{b.Fail("%s, want a known shape", n.In[0].Type)}
		}
		total, dims := int64(1), make([]int64, len(shape))
		for i, d := range shape {
			dims[i] = int64(d)
			total *= int64(d)
		}
		flat := func(v *ir.Value) *ir.Value { return b.Op("Reshape", v, b.Ints(-1)) }
		zeros := zerosOf(b, n.In[0].Type.Elem, b.Ints(total))
		y := b.Op("Reshape", b.OpA("ScatterElements", axis(0), zeros, flat(n.In[1]), flat(n.In[0])), b.Ints(dims...))
		if given := n.Input(2); given != nil { // the rest is 0
			room := b.Sub(given, b.Ints(dims...))
			y = b.Op("Pad", y, b.OpA("Concat", axis(0), b.Ints(make([]int64, len(dims))...), room))
		}
		return []*ir.Value{y}
	},
}

// unpooled is the shape of the input of the MaxPool that a MaxUnpool undoes, if
// its windows covered it exactly.
func unpooled(n *ir.Node) ([]ir.Dim, error) {
	t := n.In[0].Type
	if len(t.Shape) < 3 {
		return nil, fmt.Errorf("%s, want three dimensions or more", t)
	}
	g, err := geometryOf(n, len(t.Shape)-2, nil)
	if err != nil {
		return nil, err
	}
	s := slices.Clone(t.Shape)
	for i, d := range t.Shape[2:] {
		s[2+i] = ir.Unknown
		if m, ok := d.Num(); ok && m < maxExtent {
			w := g.axes[i]
			size := (m-1)*int64(w.Stride) + int64(w.Kernel-w.Before-w.After)
			if size < 0 {
				return nil, fmt.Errorf("padding %d and %d exceeds the output", w.Before, w.After)
			}
			s[2+i] = ir.N(size)
		}
	}
	return s, nil
}
