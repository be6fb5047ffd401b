package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// sampleOps read images between their pixels.
func sampleOps() []*ir.Op { return []*ir.Op{gridSample, affineGrid, roiAlign, deformConv, maxRoiPool} }

// gridSample reads X [N, C, spatial...] at the places that a grid [N, out...,
// d] holds, x first, from -1 to 1.
var gridSample = &ir.Op{
	Name: ir.OpName{Name: "GridSample"}, Since: 20, Fused: true, Doc: "an image, interpolated at the points of a grid",
	In: ir.P("X", "grid"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x, g := n.In[0].Type, n.In[1].Type
		t := ir.Type{Elem: x.Elem}
		if x.Shape == nil || g.Shape == nil {
			return one(t)
		}
		r := len(x.Shape)
		if r < 3 || len(g.Shape) != r || g.Shape[r-1].Differ(ir.N(int64(r-2))) {
			return nil, fmt.Errorf("%s and a grid %s: want a grid of the same rank, that holds a point per spatial axis", x, g)
		}
		t.Shape = join(x.Shape[:2], g.Shape[1:r-1])
		return one(t)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s, err := samplerOf(b, n)
		if err != nil {
			return []*ir.Value{b.Fail("%w", err)}
		}
		x, grid := n.In[0], n.In[1]
		axes := make([][]tap, s.spatial)
		for a := range axes {
			axes[a] = s.taps(a)
		}
		flat := b.Op("Reshape", x, b.Ints(0, 0, -1))
		var sum *ir.Value
		for _, choice := range choices(axes) {
			sum = addTo(b, sum, s.read(flat, choice))
		}
		lead := b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(2)}}, x)
		out := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(1)}, {Name: "end", Value: int64(-1)}}, grid)
		return []*ir.Value{b.Op("Reshape", sum, b.OpA("Concat", axis(0), lead, out))}
	},
}

// A tap is one neighbour of a point along an axis: its index, [N, 1, P], and
// its weight, nil for 1.
type tap struct{ index, weight *ir.Value }

// choices returns every way to take one tap of each axis.
func choices(axes [][]tap) [][]tap {
	all := [][]tap{nil}
	for _, taps := range axes {
		var next [][]tap
		for _, c := range all {
			for _, t := range taps {
				next = append(next, append(slices.Clone(c), t))
			}
		}
		all = next
	}
	return all
}

func addTo(b *ir.Builder, sum, v *ir.Value) *ir.Value {
	if sum == nil {
		return v
	}
	return b.Add(sum, v)
}

type sampler struct {
	b             *ir.Builder
	n             *ir.Node
	mode, padding string
	aligned       bool
	spatial       int
}

func samplerOf(b *ir.Builder, n *ir.Node) (*sampler, error) {
	s := &sampler{
		b: b, n: n, mode: n.Attrs.String("mode", "linear"), padding: n.Attrs.String("padding_mode", "zeros"),
		aligned: n.Attrs.Int("align_corners", 0) != 0, spatial: n.In[0].Type.Rank() - 2,
	}
	switch {
	case s.spatial < 1 || n.In[1].Type.Rank() != s.spatial+2:
		return nil, fmt.Errorf("%w: %s and %s", errRank, n.In[0], n.In[1])
	case !slices.Contains([]string{"linear", "nearest", "cubic"}, s.mode):
		return nil, fmt.Errorf("unknown mode %q", s.mode)
	case !slices.Contains([]string{"zeros", "border", "reflection"}, s.padding):
		return nil, fmt.Errorf("unknown padding_mode %q", s.padding)
	}
	return s, nil
}

// number is a constant of the grid's element type.
func (s *sampler) number(x float64) *ir.Value { return s.b.Scalar(x, s.n.In[1]) }

// size is the number of pixels along a spatial axis.
func (s *sampler) size(a int) *ir.Value {
	d := s.b.Op("Squeeze", dimAt(s.b, s.n.In[0], int64(2+a)), s.b.Ints(0))
	return castTo(s.b, d, s.n.In[1])
}

// taps are what is read along spatial axis a.
func (s *sampler) taps(a int) []tap {
	b := s.b
	g := b.OpA("Gather", axis(-1), s.n.In[1], scalarInt(b, int64(s.spatial-1-a)))
	g = b.Op("Reshape", g, b.Ints(0, 1, -1))
	// From [-1, 1] to pixels: the middles of the outer ones or, aligned, their edges.
	x := b.Add(g, s.number(1))
	if s.aligned {
		x = b.Mul(x, b.Scale(b.Sub(s.size(a), s.number(1)), 0.5))
	} else {
		x = b.Sub(b.Mul(x, b.Scale(s.size(a), 0.5)), s.number(0.5))
	}
	if s.mode == "nearest" {
		return []tap{s.tap(a, b.Op("Round", x), nil)}
	}
	first := b.Op("Floor", x)
	t := b.Sub(x, first)
	if s.mode == "linear" {
		return []tap{s.tap(a, first, b.Sub(s.number(1), t)), s.tap(a, b.Add(first, s.number(1)), t)}
	}
	var taps []tap
	for k := -1; k <= 2; k++ {
		taps = append(taps, s.tap(a, b.Add(first, s.number(float64(k))), s.cubic(t, k)))
	}
	return taps
}

// cubic is the weight of the pixel k before or after a point that lies t behind
// a pixel: cubic convolution with a = -0.75, as PyTorch's and OpenCV's.
func (s *sampler) cubic(t *ir.Value, k int) *ir.Value {
	const a = -0.75
	b := s.b
	d := b.Op("Abs", b.Sub(t, s.number(float64(k))))
	poly := func(cs ...float64) *ir.Value { // by Horner's rule
		v := s.number(cs[0])
		for _, c := range cs[1:] {
			v = b.Add(b.Mul(v, d), s.number(c))
		}
		return v
	}
	if k == 0 || k == 1 { // d ≤ 1
		return poly(a+2, -a-3, 0, 1)
	}
	return poly(a, -5*a, 8*a, -4*a)
}

// tap puts an index into the image, by the padding.
func (s *sampler) tap(a int, index, weight *ir.Value) tap {
	b := s.b
	last := b.Sub(s.size(a), s.number(1))
	switch s.padding {
	case "zeros":
		inside := b.Op("And", b.Op("GreaterOrEqual", index, s.number(0)), b.Op("LessOrEqual", index, last))
		mask := castTo(b, inside, index)
		if weight == nil {
			weight = mask
		} else {
			weight = b.Mul(weight, mask)
		}
	case "reflection": // at the middles of the outer pixels or, unless aligned, their edges
		edge := 0.5
		if s.aligned {
			edge = 0
		}
		span := b.Op("Max", b.Add(last, s.number(2*edge)), s.number(0.5)) // of one pixel, aligned, it is 0
		folded := b.OpA("Mod", ir.Attrs{{Name: "fmod", Value: int64(1)}}, b.Op("Abs", b.Add(index, s.number(edge))), b.Scale(span, 2))
		index = b.Sub(b.Op("Min", folded, b.Sub(b.Scale(span, 2), folded)), s.number(edge))
	}
	index = b.Op("Clip", index, s.number(0), last)
	return tap{asInt64(b, index), weight}
}

// read returns the elements of flat [N, C, pixels] at one tap of each axis,
// weighted: [N, C, P].
func (s *sampler) read(flat *ir.Value, choice []tap) *ir.Value {
	b := s.b
	var index, weight *ir.Value
	for a, t := range choice {
		if index == nil {
			index = t.index
		} else {
			index = b.Add(b.Mul(index, dimAt(b, s.n.In[0], int64(2+a))), t.index)
		}
		switch {
		case weight == nil:
			weight = t.weight
		case t.weight != nil:
			weight = b.Mul(weight, t.weight)
		}
	}
	points := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(2)}}, index)
	lead := b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(2)}}, flat)
	v := b.OpA("GatherElements", axis(2), flat, b.Op("Expand", index, b.OpA("Concat", axis(0), lead, points)))
	if weight == nil {
		return v
	}
	return b.Mul(v, castTo(b, weight, v))
}

// affineGrid makes the grid for GridSample of the transformations theta [N, d,
// d+1] of an image of the given size [N, C, spatial...].
var affineGrid = &ir.Op{
	Name: ir.OpName{Name: "AffineGrid"}, Since: 20, Fused: true, Doc: "the points that affine maps move a grid's points to",
	In: ir.P("theta", "size"), Out: ir.P("grid"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := ir.Type{Elem: n.In[0].Type.Elem}
		size := knownElems(n.In[1])
		if size == nil {
			return one(t)
		}
		if len(size) != 4 && len(size) != 5 {
			return nil, fmt.Errorf("a size of %d numbers, want 4 or 5", len(size))
		}
		t.Shape = join(size[:1], size[2:], []ir.Dim{ir.N(int64(len(size) - 2))})
		return one(t)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		size, ok := constInts(n.In[1])
		if !ok || len(size) < 3 {
			return []*ir.Value{b.Fail("the size is not known before it runs")}
		}
		space := size[2:]
		d, points := len(space), int64(1)
		for _, s := range space {
			if s < 1 || points > maxConst/s {
				return []*ir.Value{b.Fail("a grid of %v points", space)}
			}
			points *= s
		}
		base := make([]float64, 0, int(points)*(d+1)) // rows x, y, z, 1
		for p := range points {
			row := make([]float64, d+1)
			row[d] = 1
			for a, rest := d-1, p; a >= 0; a-- {
				row[d-1-a] = gridPoint(rest%space[a], space[a], n.Attrs.Int("align_corners", 0) != 0)
				rest /= space[a]
			}
			base = append(base, row...)
		}
		grid := b.MatMul(floats(b, n.In[0], []int{int(points), d + 1}, base), b.Transpose(n.In[0], 0, 2, 1))
		return []*ir.Value{b.Op("Reshape", grid, b.Ints(append(append([]int64{-1}, space...), int64(d))...))}
	},
}

// gridPoint is where pixel i of n lies in [-1, 1].
func gridPoint(i, n int64, aligned bool) float64 {
	switch {
	case !aligned:
		return float64(2*i+1)/float64(n) - 1
	case n == 1:
		return 0
	}
	return 2*float64(i)/float64(n-1) - 1
}

var roiAlign = &ir.Op{
	Name: ir.OpName{Name: "RoiAlign"}, Since: 16, Doc: "regions of images, interpolated and pooled to one size",
	In: ir.P("X", "rois", "batch_indices"), Out: ir.P("Y"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x, rois := n.In[0].Type, n.In[1].Type
		h, w := n.Attrs.Int("output_height", 1), n.Attrs.Int("output_width", 1)
		switch {
		case x.Shape != nil && len(x.Shape) != 4 || rois.Shape != nil && len(rois.Shape) != 2:
			return nil, fmt.Errorf("%s and regions %s, want rank 4 and 2", x, rois)
		case h < 1 || w < 1 || h > maxExtent || w > maxExtent:
			return nil, fmt.Errorf("an output of %d by %d", h, w)
		case n.Attrs.Int("sampling_ratio", 0) < 0:
			return nil, fmt.Errorf("sampling_ratio %d", n.Attrs.Int("sampling_ratio", 0))
		}
		return one(ir.Type{Elem: x.Elem, Shape: []ir.Dim{dimOf(n.In[1], 0), dimOf(n.In[0], 1), ir.N(h), ir.N(w)}})
	},
}

var deformConv = &ir.Op{
	Name: ir.OpName{Name: "DeformConv"}, Since: 19, Doc: "convolution whose taps lie where offsets move them",
	In: ir.P("X", "W", "offset", "B?", "mask?"), Out: ir.P("Y"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		return conv.Infer(&ir.Node{Op: conv.Name, In: n.In[:2], Attrs: n.Attrs})
	},
}
