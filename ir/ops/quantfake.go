package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// fakeQuantize is a number after quantization and back: the nearest multiple of
// unit, if that is scale, within the range of the integers. With another unit,
// such as 1, it is those integers in other measures. Scale, unit and zero point
// have one shape.
//
// Its derivative is the straight-through estimate (Bengio et al., 2013): that of
// the same line without steps, and 0 beyond its ends.
var fakeQuantize = &ir.Op{
	Name: ir.OpName{Domain: Domain, Name: "FakeQuantize"}, Since: 1, Doc: "x · factor through QuantizeLinear by scale and DequantizeLinear by unit",
	In: ir.P("x", "scale", "unit", "zero_point?", "factor?"), Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if _, err := inferQuant(n, ir.Undefined); err != nil {
			return nil, err
		}
		a, b := n.In[1].Type, n.In[2].Type
		if _, err := ir.Refine(ir.Type{Shape: a.Shape}, ir.Type{Shape: b.Shape}); err != nil {
			return nil, fmt.Errorf("scale %s and unit %s, want one shape", a, b)
		}
		return one(n.In[0].Type.WithElem(b.Elem))
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			x, scale, unit := n.In[0], alongAxis(b, n, n.In[1]), alongAxis(b, n, n.In[2])
			if factor := n.Input(4); factor != nil {
				scale = b.Div(scale, factor)
			}
			// Rounding moves by half a step at most. Small floats round further where
			// they are large: they count as ends, which is what they nearly are.
			steps := b.Op("Abs", b.Sub(b.Div(x, scale), b.Div(n.Out[0], unit)))
			inside := b.Op("Less", steps, b.Scalar(0.75, steps))
			slope := dy[0]
			if scale != unit {
				slope = b.Mul(slope, b.Div(unit, scale))
			}
			return maskBy(b, inside, slope)
		})
	},
	Secant: func(b *ir.Builder, n *ir.Node) *ir.Value { return quotient(b, n, 0) }, // around 0 it is 0
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		var to, from ir.Attrs
		for _, a := range n.Attrs {
			switch a.Name {
			case "axis", "block_size":
				to, from = append(to, a), append(from, a)
			case "output_dtype", "saturate": // of the integers
				to = append(to, a)
			}
		}
		x := n.In[0]
		if factor := n.Input(4); factor != nil {
			x = b.Mul(x, factor)
		}
		q := b.OpA("QuantizeLinear", to, x, n.In[1], n.Input(3))
		return []*ir.Value{b.OpA("DequantizeLinear", from, q, n.In[2], n.Input(3))}
	},
}

// alongAxis makes what is one for each scale of n broadcast to its first input.
func alongAxis(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value {
	t, x := v.Type, n.In[0].Type
	switch {
	case t.Rank() == 0, t.Rank() == 1 && t.Shape[0].Is(1):
		return v
	case t.Rank() != 1 || x.Rank() < 0:
		return b.Fail("%v: scales %s of %s in blocks have no derivative", n, t, x)
	}
	axis, err := normAxis(n.Attrs.Int("axis", 1), x.Rank())
	if err != nil {
		return b.Fail("%w", err)
	}
	shape := make([]int64, x.Rank()-axis)
	for i := range shape {
		shape[i] = 1
	}
	shape[0] = -1
	return b.Op("Reshape", v, b.Ints(shape...))
}
