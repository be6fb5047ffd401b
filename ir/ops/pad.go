package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var pad = &ir.Op{
	Name: ir.OpName{Name: "Pad"}, Since: 18, Doc: "more elements around, or fewer where pads are negative",
	In: ir.P("data", "pads", "constant_value?", "axes?"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		switch mode := n.Attrs.String("mode", "constant"); mode {
		case "constant", "reflect", "edge", "wrap":
		default:
			return nil, fmt.Errorf("unknown mode %q", mode)
		}
		t := n.In[0].Type
		if t.Shape == nil {
			return one(t)
		}
		unknown := ir.Type{Elem: t.Elem, Shape: unknownDims(len(t.Shape))}
		pads := bounds(n.In[1])
		if pads == nil {
			return one(unknown)
		}
		axes, err := padAxes(n, len(t.Shape))
		if err != nil {
			return nil, err
		}
		if axes == nil {
			return one(unknown)
		}
		if len(pads) != 2*len(axes) {
			return nil, fmt.Errorf("%d pads for %d axes", len(pads), len(axes))
		}
		s := slices.Clone(t.Shape)
		for i, k := range axes {
			if s[k], err = padded(s[k], pads[i], pads[i+len(axes)]); err != nil {
				return nil, err
			}
		}
		return one(ir.Type{Elem: t.Elem, Shape: s})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			x := n.In[0]
			if n.Attrs.String("mode", "constant") != "constant" {
				return scatterBack(b, n, dy[0])
			}
			if y := unpad(b, n, dy[0]); y != nil {
				return y
			}
			// Padding by the negative takes away what was added.
			y := b.Op("Pad", dy[0], b.Neg(asInt64(b, n.In[1])), nil, n.Input(3))
			return withShape(b, y, x.Type.Shape)
		})
	},
}

// padded returns the size of an axis of d after padding. Pads of which one is
// not known may still add up to nothing.
func padded(d ir.Dim, before, after bound) (ir.Dim, error) {
	for _, p := range []bound{before, after} {
		switch {
		case !p.exact:
			d = d.Add(p.d)
		case p.n >= 0:
			d = d.Add(ir.N(p.n))
		default:
			m, ok := d.Num()
			if ok && m < -p.n {
				return d, fmt.Errorf("padding by %d and %d leaves less than nothing", before.n, after.n)
			}
			d = d.Sub(ir.N(-p.n))
		}
	}
	return d, nil
}

// padAxes returns the axes that Pad pads; nil if they are not known.
func padAxes(n *ir.Node, rank int) ([]int, error) {
	v := n.Input(3)
	if v == nil {
		axes := make([]int, rank)
		for i := range axes {
			axes[i] = i
		}
		return axes, nil
	}
	ints, ok := constInts(v)
	if !ok {
		return nil, nil
	}
	return axesInOrder(ints, rank)
}

// axesInOrder is normAxes in the order given, which that of other parameters
// follows.
func axesInOrder(axes []int64, rank int) ([]int, error) {
	if _, err := normAxes(axes, rank); err != nil {
		return nil, err
	}
	out := make([]int, len(axes))
	for i, a := range axes {
		out[i], _ = normAxis(a, rank) // checked by normAxes
	}
	return out, nil
}

// unpad slices off constant pads that are not negative; nil if they are not so.
func unpad(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	x := n.In[0]
	pads, ok := constInts(n.In[1])
	if !ok || len(pads) == 0 || slices.Min(pads) < 0 || x.Type.Shape == nil {
		return nil
	}
	axes, err := padAxes(n, len(x.Type.Shape))
	if err != nil || axes == nil {
		return nil
	}
	var starts, ends, along []int64
	for i, k := range axes {
		lo, hi := pads[i], pads[i+len(axes)]
		if lo == 0 && hi == 0 {
			continue
		}
		end := -hi
		if d, ok := x.Type.Shape[k].Num(); ok {
			end = lo + d
		} else if hi == 0 {
			end = toEnd
		}
		starts, ends, along = append(starts, lo), append(ends, end), append(along, int64(k))
	}
	if len(along) == 0 {
		return dy
	}
	return withShape(b, b.Op("Slice", dy, b.Ints(starts...), b.Ints(ends...), b.Ints(along...)), x.Type.Shape)
}

// toEnd is the end of a Slice that goes to the end of an axis.
const toEnd = 1<<63 - 1

var centerCropPad = &ir.Op{
	Name: ir.OpName{Name: "CenterCropPad"}, Since: 18, Doc: "cropped or padded around the middle to a shape",
	In: ir.P("input_data", "shape"), Out: ir.P("output_data"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		if t.Shape == nil {
			return one(t)
		}
		s := slices.Clone(t.Shape)
		axes, err := cropAxes(n, len(s))
		if err != nil {
			return nil, err
		}
		target := knownElems(n.In[1])
		if target == nil {
			target = unknownDims(len(axes))
		}
		if len(target) != len(axes) {
			return nil, fmt.Errorf("%d sizes for %d axes", len(target), len(axes))
		}
		for i, k := range axes {
			s[k] = target[i]
		}
		return one(ir.Type{Elem: t.Elem, Shape: s})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		// What was cropped around the middle is padded around the middle, and
		// the other way round.
		return lazily(want, func() *ir.Value {
			x := n.In[0]
			shape := b.Op("Shape", x)
			if axes := n.Attrs.Ints("axes"); n.Attrs.Has("axes") {
				if x.Type.Shape == nil {
					return b.Fail("%w: %s", errRank, x)
				}
				shape = b.OpA("Gather", axis(0), shape, b.Ints(axes...))
			}
			return withShape(b, b.OpA("CenterCropPad", n.Attrs, dy[0], shape), x.Type.Shape)
		})
	},
}

// cropAxes returns the axes that CenterCropPad changes.
func cropAxes(n *ir.Node, rank int) ([]int, error) {
	given := n.Attrs.Ints("axes")
	if !n.Attrs.Has("axes") {
		for k := range rank {
			given = append(given, int64(k))
		}
	}
	return axesInOrder(given, rank)
}

// padAlong pads v along some axes by a vector of the numbers before and then
// those after. It writes the numbers of all axes: ONNX Runtime's transpose
// optimizer (1.32) takes the short form with axes for the long one and reads
// beyond its end.
func padAlong(b *ir.Builder, v, pads *ir.Value, axes ...int64) *ir.Value {
	r := int64(v.Type.Rank())
	if r < 0 {
		return b.Fail("%w: %s", errRank, v)
	}
	k := len(axes)
	at, full := make([]int64, 2*k), make([]int64, 2*r)
	for j, a := range axes {
		at[j], at[k+j] = a, r+a
	}
	ints, known := constInts(pads)
	if !known {
		return b.Op("Pad", v, b.Op("ScatterElements", b.Ints(full...), b.Ints(at...), pads))
	}
	for j, n := range ints {
		full[at[j]] = n
	}
	return b.Op("Pad", v, b.Ints(full...))
}
