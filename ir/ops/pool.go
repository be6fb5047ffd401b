package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var maxPool = &ir.Op{
	Name: ir.OpName{Name: "MaxPool"}, Since: 12, Doc: "the largest element of a moving window, and its number in the input",
	In: ir.P("X"), Out: ir.P("Y", "Indices?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, err := inferPool(n)
		return []ir.Type{t, t.WithElem(ir.Int64)}, err
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			x := n.In[0]
			if dy[0] == nil {
				return nil
			}
			if len(n.Out) > 1 && n.Out[1] != nil && n.Attrs.Int("storage_order", 0) == 0 {
				return addAt(b, x, n.Out[1], dy[0])
			}
			again := b.Node(n.Op, n.Attrs.Without("storage_order"), x)
			return addAt(b, x, again.Out[1], dy[0])
		})
	},
}

var averagePool = &ir.Op{
	Name: ir.OpName{Name: "AveragePool"}, Since: 19, Doc: "the mean of a moving window",
	In: ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, err := inferPool(n)
		return []ir.Type{t}, err
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			return spread(b, n, b.Div(dy[0], poolCounts(b, n, dy[0])))
		})
	},
}

var lpPool = &ir.Op{
	Name: ir.OpName{Name: "LpPool"}, Since: 18, Doc: "the p-norm of a moving window",
	In: ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if p := n.Attrs.Int("p", 2); p < 1 {
			return nil, fmt.Errorf("p = %d", p)
		}
		t, err := inferPool(n)
		return []ir.Type{t}, err
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			// y = (Σ|x|^p)^(1/p), so dy/dx = sign(x)·|x|^(p-1) / y^(p-1); 0 where y = 0.
			x, y, p := n.In[0], n.Out[0], float64(n.Attrs.Int("p", 2)-1)
			power := func(v *ir.Value) *ir.Value { return b.Op("Pow", v, b.Scalar(p, v)) }
			zero := b.Op("Equal", y, b.Scalar(0, y))
			safe := b.Op("Where", zero, b.Scalar(1, y), y)
			share := b.Op("Where", zero, b.Scalar(0, y), b.Div(dy[0], power(safe)))
			return b.Mul(spread(b, n, share), b.Mul(b.Op("Sign", x), power(b.Op("Abs", x))))
		})
	},
}

// inferPool returns the type of a pool's output.
func inferPool(n *ir.Node) (ir.Type, error) {
	t := n.In[0].Type
	if t.Shape == nil {
		return t, nil
	}
	if len(t.Shape) < 3 {
		return t, fmt.Errorf("%s, want three dimensions or more", t)
	}
	g, err := geometryOf(n, len(t.Shape)-2, nil)
	if err != nil {
		return t, err
	}
	s := append([]ir.Dim{}, t.Shape...)
	for i, d := range t.Shape[2:] {
		if s[2+i], err = g.outDim(i, d); err != nil {
			return t, err
		}
	}
	return ir.Type{Elem: t.Elem, Shape: s}, nil
}

// poolCounts is how many elements AveragePool takes the mean of at each
// position, of a shape that broadcasts against the output.
func poolCounts(b *ir.Builder, n *ir.Node, like *ir.Value) *ir.Value {
	s, padding := n.In[0].Type.Shape, n.Attrs.Int("count_include_pad", 0) != 0
	if s == nil {
		return b.Fail("%w: %s", errRank, n.In[0])
	}
	g, err := geometryOf(n, len(s)-2, nil)
	if err != nil {
		return b.Fail("%w", err)
	}
	shape, counts := []int{1, 1}, []float64{1}
	for i, d := range s[2:] {
		along, err := g.countsAlong(i, d, padding)
		if err != nil {
			return b.Fail("spatial axis %d of %s: %w", i, n.In[0], err)
		}
		if along == nil {
			if padding && g.ceil {
				return countPadded(b, n, g, like)
			}
			return countOnes(b, n, like)
		}
		if len(counts)*len(along) > maxConst {
			return b.Fail("%d positions are too many", len(counts)*len(along))
		}
		var product []float64
		for _, c := range counts {
			for _, k := range along {
				product = append(product, c*k)
			}
		}
		shape, counts = append(shape, len(along)), product
	}
	return floats(b, like, shape, counts)
}

// countsAlong returns how many elements count at each position along an axis:
// one number if it is the same everywhere, nil if it depends on a size that is
// not known.
func (g *geometry) countsAlong(i int, d ir.Dim, padding bool) ([]float64, error) {
	w := g.axes[i]
	full := []float64{float64(w.Kernel)}
	m, static := d.Num()
	if !static {
		if g.ceil || !padding && (g.same() || w.Before+w.After > 0) {
			return nil, nil
		}
		return full, nil
	}
	w, err := g.resolve(i, int(min(m, maxExtent+1)))
	switch {
	case err != nil:
		return nil, err
	case w.Out > maxConst:
		return nil, fmt.Errorf("%d positions are too many", w.Out)
	}
	counts, even := make([]float64, w.Out), true
	for o := range counts {
		counts[o] = float64(w.Count(o, padding))
		even = even && counts[o] == full[0]
	}
	if even {
		return full, nil
	}
	return counts, nil
}

// countOnes is poolCounts by the running graph: the 1-norm of ones.
func countOnes(b *ir.Builder, n *ir.Node, like *ir.Value) *ir.Value {
	return normOfOnes(b, n.Attrs, like, spaceOf(b, n.In[0]))
}

// countPadded is countOnes where padding counts, and the last window may go beyond
// it. Padding that is not padding lets another window in, which is left out again.
func countPadded(b *ir.Builder, n *ir.Node, g *geometry, like *ir.Value) *ir.Value {
	if g.same() {
		return b.Fail("%v: with ceil_mode, count_include_pad and auto_pad its size must be known", n)
	}
	pads, axes, from := make([]int64, len(g.axes)), make([]int64, len(g.axes)), make([]int64, len(g.axes))
	for i, w := range g.axes {
		pads[i], axes[i] = int64(w.Before+w.After), int64(2+i)
	}
	counts := normOfOnes(b, n.Attrs.Without("pads"), like, b.Add(spaceOf(b, n.In[0]), b.Ints(pads...)))
	return b.Op("Slice", counts, b.Ints(from...), spaceOf(b, like), b.Ints(axes...))
}

func spaceOf(b *ir.Builder, x *ir.Value) *ir.Value {
	return b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(2)}}, x)
}

// normOfOnes is the 1-norm of ones in the windows of a space.
func normOfOnes(b *ir.Builder, attrs ir.Attrs, like, space *ir.Value) *ir.Value {
	ones := b.Op("Expand", b.Scalar(1, like), b.OpA("Concat", axis(0), b.Ints(1, 1), space))
	return b.OpA("LpPool", attrs.Without("count_include_pad").With("p", int64(1)), ones)
}

// maxConst bounds the elements of a constant that a derivative makes.
const maxConst = 1 << 24

// floats is a constant of the element type of like.
func floats(b *ir.Builder, like *ir.Value, shape []int, xs []float64) *ir.Value {
	t := &ir.Tensor{Elem: like.Type.Elem, Shape: shape}
	for _, x := range xs {
		s, err := ir.Scalar(t.Elem, x)
		if err != nil {
			return b.Fail("%w", err)
		}
		t.Raw = append(t.Raw, s.Raw...)
	}
	return b.Constant(t)
}

// spread adds to every element of the input's shape the elements of share at
// the positions whose windows hold it.
func spread(b *ir.Builder, n *ir.Node, share *ir.Value) *ir.Value {
	x := n.In[0]
	s := x.Type.Shape
	if s == nil {
		return b.Fail("%w: %s", errRank, x)
	}
	g, err := geometryOf(n, len(s)-2, nil)
	if err != nil {
		return b.Fail("%w", err)
	}
	// Every channel on its own: they become the batch, of one channel each.
	y := g.transpose(b, apart(b, x), func(attrs ir.Attrs) *ir.Value {
		shape, kernel := []int{1, 1}, 1
		for _, w := range g.axes {
			shape = append(shape, w.Kernel)
			if kernel *= w.Kernel; kernel > maxConst {
				return b.Fail("a window of %d elements is too large", kernel)
			}
		}
		ones := floats(b, share, shape, slices.Repeat([]float64{1}, kernel))
		return b.OpA("ConvTranspose", attrs, apart(b, share), ones)
	})
	return reshapeLike(b, y, x)
}

// apart is x of [N, C, ...] as [N*C, 1, ...].
func apart(b *ir.Builder, x *ir.Value) *ir.Value {
	s := x.Type.Shape
	target := []int64{-1, 1}
	for _, d := range s[min(2, len(s)):] {
		m, ok := d.Num()
		if !ok {
			space := b.Op("Slice", b.Op("Shape", x), b.Ints(2), b.Ints(toEnd))
			return b.Op("Reshape", x, b.OpA("Concat", axis(0), b.Ints(-1, 1), space))
		}
		target = append(target, m)
	}
	return b.Op("Reshape", x, b.Ints(target...))
}

var globalAveragePool = &ir.Op{
	Name: ir.OpName{Name: "GlobalAveragePool"}, Since: 1, Doc: "the mean over the spatial axes",
	In: ir.P("X"), Out: ir.P("Y"), Infer: inferGlobal,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			x := n.In[0]
			if x.Type.Shape == nil {
				return b.Fail("%w: %s", errRank, x)
			}
			var count *ir.Value
			if m, ok := ir.Numel(x.Type.Shape[2:]).Num(); ok {
				count = b.Scalar(float64(m), dy[0])
			} else {
				size := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(2)}}, x)
				count = castTo(b, b.OpA("ReduceProd", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, size), dy[0])
			}
			return withShape(b, b.Op("Expand", b.Div(dy[0], count), b.Op("Shape", x)), x.Type.Shape)
		})
	},
}

var globalMaxPool = &ir.Op{
	Name: ir.OpName{Name: "GlobalMaxPool"}, Since: 1, Doc: "the largest element over the spatial axes",
	In: ir.P("X"), Out: ir.P("Y"), Infer: inferGlobal,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			// The first of the largest elements takes it all, as in MaxPool.
			x := n.In[0]
			flat := b.Op("Reshape", x, b.Ints(0, 0, -1))
			first := b.OpA("ArgMax", ir.Attrs{{Name: "axis", Value: int64(2)}, {Name: "keepdims", Value: int64(1)}}, flat)
			y := b.OpA("ScatterElements", axis(2), zerosLike(b, flat), first, b.Op("Reshape", dy[0], b.Ints(0, 0, -1)))
			return reshapeLike(b, y, x)
		})
	},
}

// inferGlobal is Infer of a pool over all of space.
func inferGlobal(n *ir.Node) ([]ir.Type, error) {
	t := n.In[0].Type
	if t.Shape == nil {
		return one(t)
	}
	if len(t.Shape) < 3 {
		return nil, fmt.Errorf("%s, want three dimensions or more", t)
	}
	s := append([]ir.Dim{}, t.Shape...)
	for k := 2; k < len(s); k++ {
		s[k] = ir.N(1)
	}
	return one(ir.Type{Elem: t.Elem, Shape: s})
}
