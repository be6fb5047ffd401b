package ops

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var concat = &ir.Op{
	Name: ir.OpName{Name: "Concat"}, Since: 4, Doc: "tensors one after the other along an axis",
	In: ir.P("inputs*"), Out: ir.P("concat_result"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		elem, err := mergeElem(n.In...)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(n.In, func(v *ir.Value) bool { return v.Type.Shape != nil })
		if i < 0 {
			return one(ir.Type{Elem: elem})
		}
		s := slices.Clone(n.In[i].Type.Shape)
		k, err := normAxis(n.Attrs.Int("axis", 0), len(s))
		if err != nil {
			return nil, err
		}
		s[k] = ir.N(0)
		for _, v := range n.In {
			t := v.Type
			if t.Shape == nil {
				s[k] = ir.Unknown
				continue
			}
			if len(t.Shape) != len(s) {
				return nil, fmt.Errorf("inputs of rank %d and %d", len(s), len(t.Shape))
			}
			for j, d := range t.Shape {
				switch {
				case j == k:
					s[k] = s[k].Add(d)
				case s[j].Differ(d):
					return nil, fmt.Errorf("dimensions %s and %s of axis %d differ", s[j], d, j)
				default:
					s[j] = moreExact(s[j], d)
				}
			}
		}
		return one(ir.Type{Elem: elem, Shape: s})
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		var all []ir.Dim
		for i, v := range n.In {
			ds := shortElems(n, i)
			if ds == nil || len(v.Type.Shape) != 1 {
				return nil
			}
			all = append(all, ds...)
		}
		return [][]ir.Dim{all}
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		out := make([]*ir.Value, len(want))
		k := n.Attrs.Int("axis", 0)
		sizes := make([]*ir.Value, len(n.In))
		for i, v := range n.In {
			sizes[i] = dimAt(b, v, k)
		}
		if countTrue(want) == 1 { // nobody reads the other pieces
			i := slices.Index(want, true)
			start := sumInts(b, sizes[:i])
			end := sumInts(b, []*ir.Value{start, sizes[i]})
			out[i] = withShape(b, b.Op("Slice", dy[0], start, end, b.Ints(k)), n.In[i].Type.Shape)
			return out
		}
		parts := b.Node(ir.OpName{Name: "Split"}, axis(int(k)), dy[0], joinInts(b, sizes))
		for i, v := range n.In {
			if want[i] {
				out[i] = withShape(b, parts.Out[min(i, len(parts.Out)-1)], v.Type.Shape)
			}
		}
		return out
	},
}

// moreExact returns the one of two equal dimensions that says more.
func moreExact(d, e ir.Dim) ir.Dim {
	if _, number := e.Num(); number || d.IsUnknown() {
		return e
	}
	return d
}

func countTrue(bs []bool) int {
	k := 0
	for _, b := range bs {
		if b {
			k++
		}
	}
	return k
}

// dimAt is dimension k of v as a vector of one: a constant if it is known.
func dimAt(b *ir.Builder, v *ir.Value, k int64) *ir.Value {
	if r := v.Type.Rank(); r >= 0 {
		i, err := normAxis(k, r)
		if err != nil {
			return b.Fail("%w", err)
		}
		if d, ok := v.Type.Shape[i].Num(); ok {
			return b.Ints(d)
		}
		k = int64(i)
	}
	return b.OpA("Gather", axis(0), b.Op("Shape", v), b.Ints(k))
}

// dimOf is dimension k of v, unknown if it has none or the rank is not known.
func dimOf(v *ir.Value, k int) ir.Dim {
	if k < len(v.Type.Shape) {
		return v.Type.Shape[k]
	}
	return ir.Unknown
}

// sumInts adds vectors of one, into a constant if they are all constant.
func sumInts(b *ir.Builder, vs []*ir.Value) *ir.Value {
	total := int64(0)
	var sum *ir.Value
	for _, v := range vs {
		if ints, ok := constInts(v); ok && len(ints) == 1 {
			total += ints[0]
			continue
		}
		if sum == nil {
			sum = v
		} else {
			sum = b.Add(sum, v)
		}
	}
	switch {
	case sum == nil:
		return b.Ints(total)
	case total == 0:
		return sum
	}
	return b.Add(sum, b.Ints(total))
}

var split = &ir.Op{
	Name: ir.OpName{Name: "Split"}, Since: 18, Doc: "cut along an axis, into pieces of given sizes or of equal ones",
	In: ir.P("input", "split?"), Out: ir.P("outputs*"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		k := 0
		if t.Shape != nil {
			var err error
			if k, err = normAxis(n.Attrs.Int("axis", 0), len(t.Shape)); err != nil {
				return nil, err
			}
		}
		sizes, err := splitSizes(n, k)
		if err != nil {
			return nil, err
		}
		types := make([]ir.Type, len(sizes))
		for i, d := range sizes {
			types[i] = ir.Type{Elem: t.Elem, Shape: slices.Clone(t.Shape)}
			if t.Shape != nil {
				types[i].Shape[k] = d
			}
		}
		return types, nil
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		ds := shortElems(n, 0)
		out := make([][]ir.Dim, len(n.Out))
		for i, v := range n.Out {
			if v == nil || len(v.Type.Shape) != 1 {
				break
			}
			k, ok := v.Type.Shape[0].Num()
			if !ok || k > int64(len(ds)) {
				break
			}
			out[i], ds = ds[:k:k], ds[k:]
		}
		return out
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			parts := slices.Clone(dy)
			like := n.Out
			if slices.Contains(n.Out, nil) { // pieces that nobody named: make them all
				like = b.Node(n.Op, n.Attrs, n.In...).Out
			}
			for i := range parts {
				if parts[i] == nil {
					parts[i] = zerosLike(b, like[i])
				}
			}
			return withShape(b, b.OpA("Concat", axis(int(n.Attrs.Int("axis", 0))), parts...), n.In[0].Type.Shape)
		})
	},
}

// splitSizes returns the size of each piece along axis k.
func splitSizes(n *ir.Node, k int) ([]ir.Dim, error) {
	whole := ir.Unknown
	if s := n.In[0].Type.Shape; s != nil {
		whole = s[k]
	}
	if n.Input(1) != nil {
		return givenSizes(n, whole)
	}
	parts := n.Attrs.Int("num_outputs", int64(len(n.Out)))
	if parts < 1 || parts > math.MaxInt16 || whole.Is(0) && parts > 1 {
		return nil, fmt.Errorf("cannot split %s elements into %d pieces", whole, parts)
	}
	sizes := unknownDims(int(parts))
	d, ok := whole.Num()
	each := whole.Div(ir.N(parts))
	if ok {
		each = ir.N((d + parts - 1) / parts)
	}
	for i := range sizes {
		sizes[i] = each
		if ok { // the last one is smaller if need be
			m, _ := each.Num()
			m = max(min(m, d), 0)
			sizes[i] = ir.N(m)
			d -= m
		}
	}
	return sizes, nil
}

func givenSizes(n *ir.Node, whole ir.Dim) ([]ir.Dim, error) {
	sizes := knownElems(n.In[1])
	if sizes == nil {
		k := max(knownCount(n.In[1]), len(n.Out))
		if k < 1 || k > math.MaxInt16 {
			return nil, fmt.Errorf("the number of pieces is not known")
		}
		return unknownDims(k), nil
	}
	if ints, ok := constInts(n.In[1]); ok {
		sum := int64(0)
		for _, s := range ints {
			if s < 0 || s > math.MaxInt64-sum {
				return nil, fmt.Errorf("cannot split into pieces of %v", ints)
			}
			sum += s
		}
		if whole.Differ(ir.N(sum)) {
			return nil, fmt.Errorf("pieces of %v do not fill the %s elements", ints, whole)
		}
	}
	return slices.Clone(sizes), nil
}

// zerosLike is a tensor of zeros of the type of x.
func zerosLike(b *ir.Builder, x *ir.Value) *ir.Value {
	return withShape(b, zerosOf(b, x.Type.Elem, b.Op("Shape", x)), x.Type.Shape)
}

// zerosOf is a tensor of zeros of the given shape.
func zerosOf(b *ir.Builder, elem ir.DType, shape *ir.Value) *ir.Value {
	zero, err := ir.Scalar(elem, 0)
	if err != nil {
		return b.Fail("%w", err)
	}
	zero.Shape = []int{1}
	return b.OpA("ConstantOfShape", ir.Attrs{{Name: "value", Value: zero}}, shape)
}

var slice = &ir.Op{
	Name: ir.OpName{Name: "Slice"}, Since: 10, Doc: "a range of each axis, with a step",
	In: ir.P("data", "starts", "ends", "axes?", "steps?"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape == nil {
			return one(t)
		}
		out := ir.Type{Elem: t.Elem, Shape: slices.Clone(t.Shape)}
		cuts, ok, err := cutsOf(n)
		if err != nil {
			return nil, err
		}
		if !ok { // which axes are cut is not known
			out.Shape = unknownDims(len(t.Shape))
		}
		for _, c := range cuts {
			out.Shape[c.axis] = c.size(t.Shape[c.axis])
		}
		return one(out)
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		ds := shortElems(n, 0)
		cuts, ok, err := cutsOf(n)
		if err != nil || !ok || ds == nil || len(n.In[0].Type.Shape) != 1 {
			return nil
		}
		for _, c := range cuts {
			if ds = c.apply(ds); ds == nil {
				return nil
			}
		}
		return [][]ir.Dim{ds}
	},
	VJP: sliceVJP,
}

var compress = &ir.Op{
	Name: ir.OpName{Name: "Compress"}, Since: 11, Doc: "the slices of an axis, or the elements, at which a condition holds",
	In: ir.P("input", "condition"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		a, ok := n.Attrs.Get("axis").(int64)
		if !ok {
			return one(ir.Type{Elem: t.Elem, Shape: unknownDims(1)})
		}
		if t.Shape == nil {
			return one(t)
		}
		k, err := normAxis(a, len(t.Shape))
		if err != nil {
			return nil, err
		}
		s := slices.Clone(t.Shape)
		s[k] = ir.Unknown
		return one(ir.Type{Elem: t.Elem, Shape: s})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value { return scatterBack(b, n, dy[0]) })
	},
}
