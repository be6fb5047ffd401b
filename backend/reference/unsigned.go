package reference

import (
	"math"

	"github.com/lxtc/lxtc/ir"
)

// Arrays hold integers as int64. Numbers of type uint64 from 2⁶³ on are negative
// ones there: sums and products do not see it, comparisons and quotients do.

// ordered makes a kernel that compares and chooses fit for them: with the highest bit
// turned over their order is that of int64.
func ordered(k kernel) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		turned, some := make([]*Array, len(in)), false
		for i, a := range in {
			turned[i] = a
			if a != nil && a.Elem == ir.Uint64 {
				turned[i], some = turnedOver(a), true
			}
		}
		outs, err := k(n, turned)
		if err != nil || !some {
			return outs, err
		}
		for i, a := range outs {
			if a != nil && a.Elem == ir.Uint64 {
				outs[i] = turnedOver(a)
			}
		}
		return outs, nil
	}
}

// orderedIfChosen is ordered where k keeps the larger or the smaller of elements.
func orderedIfChosen(k kernel) kernel {
	chosen := ordered(k)
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		if r := n.Attrs.String("reduction", "none"); r == "max" || r == "min" {
			return chosen(n, in)
		}
		return k(n, in)
	}
}

func turnedOver(a *Array) *Array {
	out := NewArray(a.Elem, a.Shape...)
	for i, x := range a.I {
		out.I[i] = x ^ math.MinInt64
	}
	return out
}

// unsigned is the kernel of two arguments u for them, and k for all other types.
func unsigned(u func(x, y uint64) uint64, k kernel) kernel {
	wide := binary(nil, func(x, y int64) int64 { return int64(u(uint64(x), uint64(y))) })
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		if in[0].Elem == ir.Uint64 {
			return wide(n, in)
		}
		return k(n, in)
	}
}

// unsignedOne is the kernel of one argument u for them, and k for all other types.
func unsignedOne(u func(x int64) int64, k kernel) kernel {
	wide := unary(nil, u)
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		if in[0].Elem == ir.Uint64 {
			return wide(n, in)
		}
		return k(n, in)
	}
}

// saturate returns the number of type elem that is nearest to v.
func saturate(elem ir.DType, v int64) int64 {
	bits := elem.Bits()
	switch elem {
	case ir.Bool:
		return min(1, max(0, v))
	case ir.Uint8, ir.Uint16, ir.Uint32, ir.Uint4, ir.Uint2:
		return min(1<<bits-1, max(0, v))
	case ir.Int8, ir.Int16, ir.Int32, ir.Int4, ir.Int2:
		return min(1<<(bits-1)-1, max(-1<<(bits-1), v))
	}
	return v
}

// whole returns x without its fraction, the least or greatest integer beyond those.
func whole(x float64) int64 {
	switch {
	case x <= math.MinInt64 || math.IsNaN(x):
		return math.MinInt64
	case x >= math.MaxInt64:
		return math.MaxInt64
	}
	return int64(x)
}
