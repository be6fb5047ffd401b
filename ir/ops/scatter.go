package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

var scatterElements = &ir.Op{
	Name: ir.OpName{Name: "ScatterElements"}, Since: 18, Doc: "data with updates written, or combined, where GatherElements would read",
	In: ir.P("data", "indices", "updates"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if err := checkElements(n, n.In[0].Type, n.In[1].Type); err != nil {
			return nil, err
		}
		return inferScatter(n)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		a := ir.Attr{Name: "axis", Value: n.Attrs.Int("axis", 0)}
		return scatterVJP(b, n, dy[0], want,
			func(data *ir.Value) *ir.Value { return b.OpA("GatherElements", ir.Attrs{a}, data, n.In[1]) },
			func(data, updates *ir.Value, how string) *ir.Value {
				return b.OpA("ScatterElements", ir.Attrs{a, {Name: "reduction", Value: how}}, data, n.In[1], updates)
			})
	},
}

var scatterND = &ir.Op{
	Name: ir.OpName{Name: "ScatterND"}, Since: 18, Doc: "data with updates written, or combined, where GatherND would read",
	In: ir.P("data", "indices", "updates"), Out: ir.P("output"),
	Infer: inferScatter,
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return scatterVJP(b, n, dy[0], want,
			func(data *ir.Value) *ir.Value { return b.OpA("GatherND", nil, data, n.In[1]) },
			func(data, updates *ir.Value, how string) *ir.Value {
				return b.OpA("ScatterND", combining(how), data, n.In[1], updates)
			})
	},
}

func inferScatter(n *ir.Node) ([]ir.Type, error) {
	switch r := n.Attrs.String("reduction", "none"); r {
	case "none", "add", "mul", "max", "min":
	default:
		return nil, fmt.Errorf("unknown reduction %q", r)
	}
	if _, err := mergeElem(n.In[0], n.In[2]); err != nil {
		return nil, err
	}
	return same(n)
}

// scatterVJP is the derivative of an operator that scatters updates, from how
// it reads data at the indices and how it combines data and updates there.
func scatterVJP(b *ir.Builder, n *ir.Node, dy *ir.Value, want []bool,
	read func(data *ir.Value) *ir.Value, write func(data, updates *ir.Value, how string) *ir.Value,
) []*ir.Value {
	data, updates := n.In[0], n.In[2]
	zero, unit := b.Scalar(0, dy), b.Scalar(1, dy)
	skip := func() *ir.Value { return nil }
	switch how := n.Attrs.String("reduction", "none"); how {
	case "none":
		return lazily(want,
			func() *ir.Value { return write(dy, zerosLike(b, updates), "none") }, skip,
			func() *ir.Value { return read(dy) })
	case "add":
		return lazily(want, func() *ir.Value { return dy }, skip, func() *ir.Value { return read(dy) })
	case "mul":
		onesLike := b.Op("Expand", unit, b.Op("Shape", data))
		return lazily(want,
			func() *ir.Value { return b.Mul(dy, write(onesLike, updates, "mul")) }, skip,
			func() *ir.Value {
				// The product of the other updates at the same place: by
				// division where this one is not zero; if it is the only zero,
				// the product of the others.
				isZero := b.Op("Equal", updates, zero)
				rest := b.Op("Where", isZero, unit, updates)
				zeros := read(write(zerosLike(b, data), castTo(b, isZero, dy), "add"))
				others := b.Div(read(write(onesLike, rest, "mul")), rest)
				alone := b.Op("Equal", zeros, castTo(b, isZero, dy)) // no other zero
				return b.Op("Where", alone, b.Mul(read(b.Mul(dy, data)), others), zero)
			})
	default: // max, min
		// Those that are equal to the result share, as in PyTorch.
		y := n.Out[0]
		first := castTo(b, b.Op("Equal", data, y), dy)
		won := castTo(b, b.Op("Equal", updates, read(y)), dy)
		share := b.Div(dy, write(first, won, "add"))
		return lazily(want,
			func() *ir.Value { return b.Mul(share, first) }, skip,
			func() *ir.Value { return b.Mul(read(share), won) })
	}
}
