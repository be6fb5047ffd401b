package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var resize = &ir.Op{
	Name: ir.OpName{Name: "Resize"}, Since: 19, Doc: "interpolated to another size",
	In: ir.P("X", "roi?", "scales?", "sizes?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape == nil {
			return one(t)
		}
		axes, err := resizeAxes(n, len(t.Shape))
		if err != nil {
			return nil, err
		}
		s := slices.Clone(t.Shape)
		if bySizes(n) {
			return resizedTo(n, s, axes, knownElems(n.In[3]))
		}
		if n.Input(2) == nil {
			return nil, fmt.Errorf("want either scales or sizes")
		}
		scales, ok := constFloats(n.Input(2))
		if !ok {
			for _, k := range axes {
				s[k] = ir.Unknown
			}
			return one(ir.Type{Elem: t.Elem, Shape: s})
		}
		if len(scales) != len(axes) {
			return nil, fmt.Errorf("%d scales for %d axes", len(scales), len(axes))
		}
		for j, k := range axes {
			if s[k], err = scaled(s[k], scales[j]); err != nil {
				return nil, err
			}
		}
		return one(ir.Type{Elem: t.Elem, Shape: s})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value { return resizeBack(b, n, dy[0]) })
	},
}

// bySizes reports whether the size of the output is given, not its scale. An
// empty tensor stands for an omitted one.
func bySizes(n *ir.Node) bool { return n.Input(3) != nil && knownCount(n.In[3]) != 0 }

// resizedTo is the output of Resize by sizes.
func resizedTo(n *ir.Node, s []ir.Dim, axes []int, sizes []ir.Dim) ([]ir.Type, error) {
	t := ir.Type{Elem: n.In[0].Type.Elem, Shape: s}
	if sizes == nil {
		sizes = unknownDims(len(axes))
	}
	if len(sizes) != len(axes) {
		return nil, fmt.Errorf("%d sizes for %d axes", len(sizes), len(axes))
	}
	if n.Attrs.String("keep_aspect_ratio_policy", "stretch") == "stretch" {
		for j, k := range axes {
			s[k] = sizes[j]
		}
		return one(t)
	}
	in, static := t.Static()
	ints, ok := constInts(n.In[3])
	if static && ok {
		p, err := resizePlan(n, in, nil, ints)
		if err != nil {
			return nil, err
		}
		for k, d := range p.shape {
			s[k] = ir.N(int64(d))
		}
		return one(t)
	}
	for _, k := range axes {
		s[k] = ir.Unknown
	}
	return one(t)
}

// scaled is the size of an axis of d elements after scaling.
func scaled(d ir.Dim, scale float64) (ir.Dim, error) {
	if m, ok := d.Num(); ok {
		size, err := scaledSize(int(min(m, maxExtent)), scale)
		return ir.N(int64(size)), err
	}
	if whole := int64(scale); scale >= 1 && scale < maxExtent && float64(whole) == scale {
		return d.Mul(ir.N(whole)), nil
	}
	return ir.Unknown, nil
}

// constFloats returns the elements of a short constant vector of numbers.
func constFloats(v *ir.Value) ([]float64, bool) {
	t := constTensor(v)
	if t == nil || t.Len() > 2*maxRank {
		return nil, false
	}
	fs, err := t.Float64s()
	return fs, err == nil
}

// resizeBack multiplies dy, along every axis that was resized, by the matrix
// of the interpolation. That matrix is the identity matrix, resized.
func resizeBack(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	x, y := n.In[0], n.Out[0]
	r := x.Type.Rank()
	if r < 1 {
		return b.Fail("%w: %s", errRank, x)
	}
	if p := n.Attrs.String("keep_aspect_ratio_policy", "stretch"); p != "stretch" && bySizes(n) {
		return b.Fail("the derivative of Resize with keep_aspect_ratio_policy %s is not supported: give scales instead", p)
	}
	axes, err := resizeAxes(n, r)
	if err != nil {
		return b.Fail("%w", err)
	}
	if !slices.ContainsFunc(x.Type.Shape, ir.Dim.IsUnknown) && x.Type.Equal(y.Type) {
		return dy // a copy
	}
	scales, known := constFloats(n.Input(2))
	known = known && len(scales) == len(axes)
	for j, k := range axes {
		if x.Type.Shape[k].Same(dimOf(y, k)) {
			switch {
			case known && scales[j] == 1, bySizes(n), !known && k < 2:
				continue // batch and channels are not scaled by numbers close to 1
			case known:
				return b.Fail("the derivative of Resize by %g along axis %d, which keeps its size of %s, is not supported", scales[j], k, x.Type.Shape[k])
			}
		}
		dy = contract(b, dy, interpolation(b, n, j, len(axes), dimAt(b, x, int64(k))), k, r)
	}
	return withShape(b, dy, x.Type.Shape)
}

// interpolation is the matrix, [out, in], by which Resize multiplies the axis
// of size d to which the parameters number j of count belong.
func interpolation(b *ir.Builder, n *ir.Node, j, count int, d *ir.Value) *ir.Value {
	elem := ir.Float
	if n.In[0].Type.Elem == ir.Double {
		elem = ir.Double
	}
	eye := b.Op("EyeLike", zerosOf(b, elem, b.OpA("Concat", axis(0), d, d)))
	pick := func(v *ir.Value, at ...int64) *ir.Value { return b.OpA("Gather", axis(0), v, b.Ints(at...)) }
	var roi, scales, sizes *ir.Value
	if v := n.Input(1); v != nil && n.Attrs.String("coordinate_transformation_mode", "") == "tf_crop_and_resize" {
		none, whole := b.Op("Reshape", b.Scalar(0, v), b.Ints(1)), b.Op("Reshape", b.Scalar(1, v), b.Ints(1))
		roi = b.OpA("Concat", axis(0), pick(v, int64(j)), none, pick(v, int64(count+j)), whole)
	}
	if bySizes(n) {
		sizes = b.OpA("Concat", axis(0), pick(n.In[3], int64(j)), d)
	} else {
		v := n.In[2]
		scales = b.OpA("Concat", axis(0), pick(v, int64(j)), b.Op("Reshape", b.Scalar(1, v), b.Ints(1)))
	}
	attrs := n.Attrs.Without("axes", "extrapolation_value", "keep_aspect_ratio_policy")
	return castTo(b, b.OpA("Resize", attrs, eye, roi, scales, sizes), n.In[0])
}

// contract multiplies axis k of x, of rank r, by a matrix [k, new k].
func contract(b *ir.Builder, x, matrix *ir.Value, k, r int) *ir.Value {
	switch k {
	case r - 1:
		return b.MatMul(x, matrix)
	case r - 2:
		return b.MatMul(b.SwapLast(matrix), x)
	}
	perm := make([]int64, r)
	for i := range perm {
		perm[i] = int64(i)
	}
	perm[k], perm[r-1] = perm[r-1], perm[k]
	return b.Transpose(b.MatMul(b.Transpose(x, perm...), matrix), perm...)
}
