package ops

import "github.com/lxtc/lxtc/ir"

// knownBinary is Known of an elementwise operator on dimensions.
func knownBinary(f func(d, e ir.Dim) ir.Dim) func(n *ir.Node) [][]ir.Dim {
	return func(n *ir.Node) [][]ir.Dim {
		return [][]ir.Dim{zipDims(intElems(n, 0), intElems(n, 1), f)}
	}
}

// intElems returns the known elements of input i if it is an integer vector or
// scalar.
func intElems(n *ir.Node, i int) []ir.Dim {
	v := n.In[i]
	if !v.Type.Elem.IsInt() || len(v.Type.Shape) > 1 {
		return nil
	}
	return knownElems(v)
}

// zipDims combines two vectors element by element; one element is repeated.
// The result is nil if nothing is known.
func zipDims(ds, es []ir.Dim, f func(d, e ir.Dim) ir.Dim) []ir.Dim {
	return zipDims3(ds, es, es, func(d, e, _ ir.Dim) ir.Dim { return f(d, e) })
}

// zipDims3 is zipDims of three vectors.
func zipDims3(as, bs, cs []ir.Dim, f func(a, b, c ir.Dim) ir.Dim) []ir.Dim {
	size := max(len(as), len(bs), len(cs))
	for _, s := range [][]ir.Dim{as, bs, cs} {
		if len(s) == 0 || len(s) != 1 && len(s) != size {
			return nil
		}
	}
	out := make([]ir.Dim, size)
	at := func(s []ir.Dim, i int) ir.Dim { return s[min(i, len(s)-1)] }
	some := false
	for i := range out {
		out[i] = f(at(as, i), at(bs, i), at(cs, i))
		some = some || !out[i].IsUnknown()
	}
	if !some {
		return nil
	}
	return out
}

// divDims is the quotient rounded down, which is ONNX's integer division for
// numbers that are not negative.
func divDims(d, e ir.Dim) ir.Dim {
	m, ok := d.Num()
	n, ok2 := e.Num()
	if ok && ok2 && n > 0 {
		return ir.N(m / n)
	}
	return d.Div(e)
}

func modDims(d, e ir.Dim) ir.Dim {
	m, ok := d.Num()
	n, ok2 := e.Num()
	switch {
	case ok && ok2 && n > 0:
		return ir.N(m % n)
	case !d.Div(e).IsUnknown():
		return ir.N(0)
	}
	return ir.Unknown
}

// knownCast keeps the elements of an integer that stays one.
func knownCast(n *ir.Node) [][]ir.Dim {
	to := n.Out
	if len(to) == 0 || to[0] == nil || !to[0].Type.Elem.IsInt() || to[0].Type.Elem.Bits() < 32 {
		return nil
	}
	return [][]ir.Dim{intElems(n, 0)}
}
