package ops

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// signalOps are for sound: Fourier transforms, windows, the mel scale. A
// transform is a product with a matrix, which is its body.
func signalOps() []*ir.Op {
	return []*ir.Op{
		dft, stft,
		windowOp("BlackmanWindow", "0.42 - 0.5 cos + 0.08 cos of the double angle"),
		windowOp("HannWindow", "0.5 - 0.5 cos"),
		windowOp("HammingWindow", "25/46 - 21/46 cos"),
		melWeightMatrix,
	}
}

var dft = &ir.Op{
	Name: ir.OpName{Name: "DFT"}, Since: 20, Fused: true, Doc: "the discrete Fourier transform along an axis, or its inverse",
	In: ir.P("input", "dft_length?", "axis?"), Out: ir.P("output"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape == nil {
			return one(t)
		}
		if len(t.Shape) < 2 {
			return nil, fmt.Errorf("%s, want rank 2 or more", t)
		}
		s, back := slices.Clone(t.Shape), n.Attrs.Int("inverse", 0) != 0
		last := len(s) - 1
		s[last] = ir.N(2)
		oneSided := n.Attrs.Int("onesided", 0) != 0
		if oneSided && back {
			s[last] = ir.N(1)
		}
		k, known, err := dftAxis(n)
		switch {
		case err != nil:
			return nil, err
		case !known:
			for i := range last {
				s[i] = ir.Unknown
			}
			return one(ir.Type{Elem: t.Elem, Shape: s})
		}
		s[k] = dftLength(n, k)
		if length, ok := s[k].Num(); ok && oneSided && !back {
			s[k] = ir.N(length/2 + 1)
		} else if oneSided && !back {
			s[k] = ir.Unknown
		}
		return one(ir.Type{Elem: t.Elem, Shape: s})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := n.In[0]
		r := x.Type.Rank()
		if r < 2 {
			return []*ir.Value{b.Fail("%w: %s", errRank, x)}
		}
		k, known, err := dftAxis(n)
		if err != nil || !known {
			return []*ir.Value{b.Fail("the axis is not known before it runs")}
		}
		have, ok := x.Type.Shape[k].Num()
		parts, ok2 := x.Type.Shape[r-1].Num()
		length, ok3 := dftLength(n, k).Num()
		if !ok || !ok2 || !ok3 {
			return []*ir.Value{b.Fail("the length of the transform of %s is not known before it runs", x.Type)}
		}
		f := fourier{length: length, complex: parts == 2, inverse: n.Attrs.Int("inverse", 0) != 0, oneSided: n.Attrs.Int("onesided", 0) != 0}
		if f.oneSided && f.inverse != f.complex || parts != 1 && parts != 2 {
			return []*ir.Value{b.Fail("the transform of %s from one side to the other: want real input, or complex input for the inverse", x.Type)}
		}
		perm := make([]int64, r)
		for i := range perm {
			perm[i] = int64(i)
		}
		perm[k], perm[r-2] = perm[r-2], perm[k]
		y := f.apply(b, b.Transpose(x, perm...), have)
		return []*ir.Value{b.Transpose(y, perm...)}
	},
}

// dftAxis is the axis of the transform.
func dftAxis(n *ir.Node) (k int, known bool, err error) {
	r := n.In[0].Type.Rank()
	if n.Input(2) == nil {
		return r - 2, true, nil
	}
	ints, ok := constInts(n.In[2])
	if !ok || len(ints) != 1 {
		return 0, false, nil
	}
	k, err = normAxis(ints[0], r)
	if err == nil && k == r-1 {
		err = fmt.Errorf("axis %d holds the parts of the complex numbers", ints[0])
	}
	return k, true, err
}

// dftLength is the number of points of the transform along axis k.
func dftLength(n *ir.Node, k int) ir.Dim {
	if n.Input(1) != nil {
		if ks := knownElems(n.In[1]); len(ks) == 1 {
			return ks[0]
		}
		return ir.Unknown
	}
	d := n.In[0].Type.Shape[k]
	if n.Attrs.Int("onesided", 0) == 0 || n.Attrs.Int("inverse", 0) == 0 {
		return d
	}
	if bins, ok := d.Num(); ok {
		return ir.N(max(0, 2*(bins-1)))
	}
	return ir.Unknown
}

// fourier is a transform of length points.
type fourier struct {
	length                     int64
	complex, inverse, oneSided bool
}

// apply transforms x [..., have, parts] to [..., length, parts].
func (f fourier) apply(b *ir.Builder, x *ir.Value, have int64) *ir.Value {
	points := f.length // that are read
	if f.oneSided && f.inverse {
		points = f.length/2 + 1
	}
	switch {
	case have > points:
		x = b.Op("Slice", x, b.Ints(0), b.Ints(points), b.Ints(-2))
	case have < points:
		x = b.Op("Pad", x, b.Ints(0, points-have), nil, b.Ints(-2))
	}
	in, out := int64(1), int64(2)
	if f.complex {
		in = 2
	}
	made := f.length
	switch {
	case f.oneSided && f.inverse:
		out = 1
	case f.oneSided:
		made = f.length/2 + 1
	}
	if made > maxConst || points > maxConst/4/max(1, in*made*out) {
		return b.Fail("a transform of %d points is too long to be a product with a matrix", f.length)
	}
	matrix := make([]float64, points*in*made*out)
	for t := range points {
		for k := range made {
			re, im := f.factor(t, k)
			at := func(i, o int64) *float64 { return &matrix[((t*in+i)*made+k)*out+o] }
			*at(0, 0) = re
			if out == 2 {
				*at(0, 1) = im
			}
			if in == 2 {
				*at(1, 0) = -im
			}
			if in == 2 && out == 2 {
				*at(1, 1) = re
			}
		}
	}
	r := x.Type.Rank()
	rest := func(tail ...int64) *ir.Value { // [..., tail]
		lead := b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(r - 2)}}, x)
		return b.OpA("Concat", axis(0), lead, b.Ints(tail...))
	}
	flat := b.Op("Reshape", x, rest(points*in))
	y := b.MatMul(flat, floats(b, x, []int{int(points * in), int(made * out)}, matrix))
	return b.Op("Reshape", y, rest(made, out))
}

// factor is what point t contributes to point k: e^(∓2πi tk/length), for an
// inverse divided by the length; from one side, with that of its mirror image.
func (f fourier) factor(t, k int64) (re, im float64) {
	sin, cos := math.Sincos(2 * math.Pi * float64(t*k%f.length) / float64(f.length))
	if !f.inverse {
		return cos, -sin
	}
	scale := 1 / float64(f.length)
	if f.oneSided && t > 0 && 2*t != f.length {
		scale *= 2
	}
	return cos * scale, sin * scale
}

var stft = &ir.Op{
	Name: ir.OpName{Name: "STFT"}, Since: 17, Fused: true, Doc: "the Fourier transforms of a signal's frames, windowed",
	In: ir.P("signal", "frame_step", "window?", "frame_length?"), Out: ir.P("output"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape == nil {
			return one(t)
		}
		if len(t.Shape) != 3 {
			return nil, fmt.Errorf("signal is %s, want [batch, length, 1 or 2]", t)
		}
		s := []ir.Dim{t.Shape[0], ir.Unknown, ir.Unknown, ir.N(2)}
		if frames, length, _, err := framesOf(n); err != nil {
			return nil, err
		} else if frames >= 0 {
			s[1], s[2] = ir.N(frames), ir.N(length)
			if n.Attrs.Int("onesided", 1) != 0 {
				s[2] = ir.N(length/2 + 1)
			}
		}
		return one(ir.Type{Elem: t.Elem, Shape: s})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := n.In[0]
		frames, length, step, err := framesOf(n)
		switch {
		case err != nil:
			return []*ir.Value{b.Fail("%w", err)}
		case frames < 0:
			return []*ir.Value{b.Fail("the frames of %s are not known before it runs", x.Type)}
		case frames > maxConst/length:
			return []*ir.Value{b.Fail("%d frames of %d samples are too many", frames, length)}
		}
		at := make([]int64, 0, frames*length)
		for f := range frames {
			for i := range length {
				at = append(at, f*step+i)
			}
		}
		y := b.OpA("Gather", axis(1), x, b.Constant(ir.Of(at, int(frames), int(length))))
		if w := n.Input(2); w != nil {
			y = b.Mul(y, b.Op("Unsqueeze", w, b.Ints(1)))
		}
		sides := ir.Attr{Name: "onesided", Value: n.Attrs.Int("onesided", 1)}
		return []*ir.Value{b.OpA("DFT", ir.Attrs{sides}, y)}
	},
}

// framesOf returns the number of frames, -1 if it is not known, their length
// and the step from one to the next.
func framesOf(n *ir.Node) (frames, length, step int64, err error) {
	if n.In[0].Type.Rank() != 3 {
		return -1, 0, 0, nil
	}
	total, ok := n.In[0].Type.Shape[1].Num()
	steps, ok2 := constInts(n.In[1])
	length = total
	switch w, l := n.Input(2), n.Input(3); {
	case l != nil:
		ls, known := constInts(l)
		if !known || len(ls) != 1 {
			return -1, 0, 0, nil
		}
		length = ls[0]
	case w != nil:
		var known bool
		if length, known = dimOf(w, 0).Num(); !known {
			return -1, 0, 0, nil
		}
	}
	switch {
	case !ok || !ok2 || len(steps) != 1:
		return -1, 0, 0, nil
	case steps[0] < 1 || length < 1 || length > total:
		return -1, 0, 0, fmt.Errorf("frames of %d samples, %d apart, of a signal of %d", length, steps[0], total)
	}
	return (total-length)/steps[0] + 1, length, steps[0], nil
}

func windowOp(name, doc string) *ir.Op {
	return &ir.Op{
		Name: ir.OpName{Name: name}, Since: 17, Doc: "a window of so many samples: " + doc,
		In: ir.P("size"), Out: ir.P("output"),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			t := ir.TypeOf(ir.DType(n.Attrs.Int("output_datatype", 1)), -1)
			if ks := knownElems(n.In[0]); len(ks) == 1 {
				t.Shape[0] = ks[0]
			}
			return one(t)
		},
	}
}

var melWeightMatrix = &ir.Op{
	Name: ir.OpName{Name: "MelWeightMatrix"}, Since: 17, Doc: "the matrix from frequencies to bands of the mel scale",
	In:  ir.P("num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz"),
	Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := ir.TypeOf(ir.DType(n.Attrs.Int("output_datatype", 1)), -1, -1)
		if bins, ok := constInts(n.In[1]); ok && len(bins) == 1 && bins[0] >= 0 {
			t.Shape[0] = ir.N(bins[0]/2 + 1)
		}
		if bands := knownElems(n.In[0]); len(bands) == 1 {
			t.Shape[1] = bands[0]
		}
		return one(t)
	},
}
