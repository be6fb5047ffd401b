package ops

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// shapeOps are the operators that make, read and change shapes.
func shapeOps() []*ir.Op {
	return []*ir.Op{
		reshape, squeeze, unsqueeze, flatten, transpose, expand, tile, // here
		concat, split, slice, compress, // slice.go
		pad, centerCropPad, // pad.go
		shapeOf, sizeOf, constantOfShape, rangeOf, eyeLike, oneHot, nonZero, // make.go
		depthToSpace, spaceToDepth, trilu, reverseSequence, // rearrange.go
	}
}

var reshape = &ir.Op{
	Name: ir.OpName{Name: "Reshape"}, Since: 14, Doc: "the same elements in another shape",
	In: ir.P("data", "shape"), Out: ir.P("reshaped"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		s, err := reshaped(n.In[0].Type.Shape, n.In[1], n.Attrs.Int("allowzero", 0) != 0)
		return []ir.Type{{Elem: n.In[0].Type.Elem, Shape: s}}, err
	},
	Known: knownFirst,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value { return reshapeLike(b, dy[0], n.In[0]) })
	},
}

// reshaped returns the shape that Reshape gives to data of shape old. An
// element of the target that is not known is what the number of elements
// leaves for it, be it written as -1 or not.
func reshaped(old []ir.Dim, target *ir.Value, allowZero bool) ([]ir.Dim, error) {
	want := knownElems(target)
	if want == nil {
		if k := knownCount(target); k >= 0 && k <= maxRank {
			return unknownDims(k), nil
		}
		return nil, nil
	}
	if len(want) > maxRank {
		return nil, fmt.Errorf("a shape of %d dimensions", len(want))
	}
	ints, exact := constInts(target) // tells -1 from unknown
	shape := slices.Clone(want)
	left := slices.Clone(old) // dimensions that the others must multiply to
	var others []ir.Dim
	free, minus := -1, 0
	for i, d := range want {
		switch {
		case exact && ints[i] < -1:
			return nil, fmt.Errorf("no shape %v", ints)
		case d.Is(0) && !allowZero:
			if old == nil {
				shape[i] = ir.Unknown
				continue
			}
			if i >= len(old) {
				return nil, fmt.Errorf("dimension %d is to be copied from data of rank %d", i, len(old))
			}
			shape[i], left[i] = old[i], ir.N(1)
		case d.IsUnknown() && free >= 0:
			free = math.MaxInt
			minus++
		case d.IsUnknown():
			free = i
			minus++
		default:
			others = append(others, d)
		}
	}
	switch {
	case exact && minus > 1:
		return nil, fmt.Errorf("shape %v has two dimensions that are to be inferred", ints)
	case old == nil || free == math.MaxInt:
		return shape, nil
	case free >= 0:
		shape[free] = quotientOf(left, others)
		return shape, nil
	}
	if m, k := ir.Numel(left), ir.Numel(others); m.Differ(k) {
		return nil, fmt.Errorf("%s elements do not have a shape of %s", m, k)
	}
	return shape, nil
}

// maxRank bounds the rank of tensors that inference follows. ONNX Runtime and
// PyTorch have fewer.
const maxRank = 64

// quotientOf returns the product of the dimensions in num over that in den,
// equal ones cancelled first.
func quotientOf(num, den []ir.Dim) ir.Dim {
	num, den = slices.Clone(num), slices.Clone(den)
	for i := 0; i < len(den); i++ {
		j := slices.IndexFunc(num, den[i].Same)
		if j >= 0 && !den[i].Is(0) {
			num, den = slices.Delete(num, j, j+1), slices.Delete(den, i, i+1)
			i--
		}
	}
	return ir.Numel(num).Div(ir.Numel(den))
}

// knownFirst is Known of an operator that leaves the elements of its first
// input, and their order, alone. Tensors of two dimensions or more are not
// followed.
func knownFirst(n *ir.Node) [][]ir.Dim { return [][]ir.Dim{shortElems(n, 0)} }

// shortElems is intElems for vectors as short as shapes are.
func shortElems(n *ir.Node, i int) []ir.Dim {
	if k, ok := ir.Numel(n.In[i].Type.Shape).Num(); ok && k > maxRank {
		return nil
	}
	return intElems(n, i)
}

// reshapeLike returns x in the shape of like, which has as many elements. Where
// all but one of the dimensions are numbers it does not read like.
func reshapeLike(b *ir.Builder, x, like *ir.Value) *ir.Value {
	if x.Type.Shape != nil && x.Type.Equal(like.Type) {
		if _, static := x.Type.Static(); static {
			return x
		}
	}
	dims, free := make([]int64, len(like.Type.Shape)), 0
	for i, d := range like.Type.Shape {
		var ok bool
		if dims[i], ok = d.Num(); !ok {
			dims[i] = -1
			free++
		}
		if dims[i] == 0 { // leaves -1 undecided
			free = 2
		}
	}
	var y *ir.Value
	if like.Type.Shape == nil || free > 1 {
		exact := ir.Attrs{{Name: "allowzero", Value: int64(1)}}
		y = b.OpA("Reshape", exact, x, b.Op("Shape", like))
	} else {
		y = b.Op("Reshape", x, b.Ints(dims...))
	}
	return withShape(b, y, like.Type.Shape)
}

// withShape says that v has the given shape, which its operator may not have
// been able to infer.
func withShape(b *ir.Builder, v *ir.Value, shape []ir.Dim) *ir.Value {
	if b.Err() != nil || shape == nil {
		return v
	}
	t, err := ir.Refine(ir.Type{Elem: v.Type.Elem, Shape: shape}, v.Type)
	if err != nil {
		return b.Fail("%s: %w", v, err)
	}
	v.Type = t
	return v
}

var squeeze = &ir.Op{
	Name: ir.OpName{Name: "Squeeze"}, Since: 13, Doc: "drop dimensions of 1",
	In: ir.P("data", "axes?"), Out: ir.P("squeezed"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		out := ir.Type{Elem: t.Elem}
		if t.Shape == nil {
			return one(out)
		}
		if n.Input(1) == nil {
			for _, d := range t.Shape {
				if _, ok := d.Num(); !ok {
					return one(out) // it may be 1: not even the rank is known
				}
			}
			out.Shape = slices.DeleteFunc(slices.Clone(t.Shape), func(d ir.Dim) bool { return d.Is(1) })
			return one(out)
		}
		ints, ok := constInts(n.In[1])
		if !ok {
			if k := knownCount(n.In[1]); k >= 0 && k <= len(t.Shape) {
				out.Shape = unknownDims(len(t.Shape) - k)
			}
			return one(out)
		}
		axes, err := normAxes(ints, len(t.Shape))
		if err != nil {
			return nil, err
		}
		out.Shape = []ir.Dim{}
		for i, d := range t.Shape {
			if !slices.Contains(axes, i) {
				out.Shape = append(out.Shape, d)
			} else if d.Differ(ir.N(1)) {
				return nil, fmt.Errorf("axis %d of %s is not 1", i, t)
			}
		}
		return one(out)
	},
	Known: knownFirst,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			if n.Input(1) == nil {
				return reshapeLike(b, dy[0], n.In[0])
			}
			return withShape(b, b.Op("Unsqueeze", dy[0], n.In[1]), n.In[0].Type.Shape)
		})
	},
}

var unsqueeze = &ir.Op{
	Name: ir.OpName{Name: "Unsqueeze"}, Since: 13, Doc: "insert dimensions of 1",
	In: ir.P("data", "axes"), Out: ir.P("expanded"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		out := ir.Type{Elem: t.Elem}
		if t.Shape == nil {
			return one(out)
		}
		ints, ok := constInts(n.In[1])
		if !ok {
			if k := knownCount(n.In[1]); k >= 0 && k <= maxRank {
				out.Shape = unknownDims(len(t.Shape) + k)
			}
			return one(out)
		}
		if len(ints) > maxRank {
			return nil, fmt.Errorf("%d axes", len(ints))
		}
		axes, err := normAxes(ints, len(t.Shape)+len(ints))
		if err != nil {
			return nil, err
		}
		out.Shape = slices.Clone(t.Shape)
		for _, a := range axes {
			out.Shape = slices.Insert(out.Shape, a, ir.N(1))
		}
		return one(out)
	},
	Known: knownFirst,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			return withShape(b, b.Op("Squeeze", dy[0], n.In[1]), n.In[0].Type.Shape)
		})
	},
}

var flatten = &ir.Op{
	Name: ir.OpName{Name: "Flatten"}, Since: 11, Doc: "a matrix: the dimensions before axis, and those from axis on",
	In: ir.P("input"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, axis := n.In[0].Type, n.Attrs.Int("axis", 1)
		out := ir.Type{Elem: t.Elem, Shape: unknownDims(2)}
		if t.Shape == nil {
			return one(out)
		}
		r := int64(len(t.Shape))
		if axis < -r || axis > r {
			return nil, fmt.Errorf("axis %d is out of range for rank %d", axis, r)
		}
		if axis < 0 {
			axis += r
		}
		out.Shape = []ir.Dim{ir.Numel(t.Shape[:axis]), ir.Numel(t.Shape[axis:])}
		return one(out)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value { return reshapeLike(b, dy[0], n.In[0]) })
	},
}

var transpose = &ir.Op{
	Name: ir.OpName{Name: "Transpose"}, Since: 1, Doc: "the dimensions in another order, reversed if perm is absent",
	In: ir.P("data"), Out: ir.P("transposed"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if n.Attrs.Has("perm") {
			perm := n.Attrs.Ints("perm")
			axes, err := normAxes(perm, len(perm)) // in range, each once
			if err != nil || len(axes) > 0 && slices.Min(perm) < 0 || t.Shape != nil && len(perm) != len(t.Shape) {
				return nil, fmt.Errorf("perm %v is no order of the axes of %s", perm, t)
			}
			if t.Shape == nil {
				return one(ir.Type{Elem: t.Elem, Shape: unknownDims(len(perm))})
			}
			s := make([]ir.Dim, len(perm))
			for i, p := range perm {
				s[i] = t.Shape[p]
			}
			return one(ir.Type{Elem: t.Elem, Shape: s})
		}
		s := slices.Clone(t.Shape)
		slices.Reverse(s)
		return one(ir.Type{Elem: t.Elem, Shape: s})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			if !n.Attrs.Has("perm") {
				return b.OpA("Transpose", nil, dy[0])
			}
			perm := n.Attrs.Ints("perm")
			inverse := make([]int64, len(perm))
			for i, p := range perm {
				inverse[p] = int64(i)
			}
			return b.Transpose(dy[0], inverse...)
		})
	},
}

var expand = &ir.Op{
	Name: ir.OpName{Name: "Expand"}, Since: 8, Doc: "broadcast to a shape",
	In: ir.P("input", "shape"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		target := knownElems(n.In[1])
		if target == nil {
			if k := knownCount(n.In[1]); k >= 0 && k <= maxRank {
				target = unknownDims(k)
			}
		}
		s, err := broadcast(t.Shape, target)
		return []ir.Type{{Elem: t.Elem, Shape: s}}, err
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		d := intElems(n, 0)
		out := n.Out[0].Type.Shape
		if len(d) != 1 || len(out) != 1 {
			return nil
		}
		if k, ok := out[0].Num(); ok && k <= maxRank {
			return [][]ir.Dim{slices.Repeat(d, int(k))}
		}
		return nil
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			if n.In[0].Type.Rank() < 0 || dy[0].Type.Rank() < 0 {
				return scatterBack(b, n, dy[0])
			}
			return b.SumTo(dy[0], n.In[0])
		})
	},
}

var tile = &ir.Op{
	Name: ir.OpName{Name: "Tile"}, Since: 13, Doc: "repeat along each axis",
	In: ir.P("input", "repeats"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, repeats := n.In[0].Type, knownElems(n.In[1])
		if t.Shape == nil {
			return one(t)
		}
		s := unknownDims(len(t.Shape))
		if repeats == nil {
			return one(ir.Type{Elem: t.Elem, Shape: s})
		}
		if len(repeats) != len(s) {
			return nil, fmt.Errorf("%d repeats for %s", len(repeats), t)
		}
		for i, r := range repeats {
			s[i] = t.Shape[i].Mul(r)
		}
		return one(ir.Type{Elem: t.Elem, Shape: s})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			x := n.In[0]
			r := x.Type.Rank()
			if r < 0 {
				return scatterBack(b, n, dy[0])
			}
			// Split every axis into repeats and what is repeated, and sum the repeats.
			pairs := b.OpA("Concat", axis(0), b.Op("Unsqueeze", n.In[1], b.Ints(0)),
				b.Op("Unsqueeze", b.Op("Shape", x), b.Ints(0)))
			target := b.Op("Reshape", b.Transpose(pairs, 1, 0), b.Ints(-1))
			axes := make([]int64, r)
			for i := range axes {
				axes[i] = int64(2 * i)
			}
			y := b.OpA("ReduceSum", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, b.Op("Reshape", dy[0], target), b.Ints(axes...))
			return withShape(b, y, x.Type.Shape)
		})
	},
}

// errRank is why a derivative cannot be written down.
var errRank = errors.New("the rank must be known")

// axis is the attribute of that name.
func axis(k int) ir.Attrs { return ir.Attrs{{Name: "axis", Value: int64(k)}} }
