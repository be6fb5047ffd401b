package cli

import (
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// dims are the values of a model's symbolic dimensions in one run.
type dims map[string]int64

// bind reads the dimensions off the inputs.
func bind(g *ir.Graph, in map[string]*ir.Tensor) dims {
	d := dims{}
	for _, v := range g.Inputs {
		t := in[v.Name]
		if t == nil || len(t.Shape) != v.Type.Rank() {
			continue
		}
		for i, n := range t.Shape {
			if dim := v.Type.Shape[i]; dim.N == 1 && dim.Sym != "" {
				d[dim.Sym] = int64(n)
			}
		}
	}
	return d
}

// of returns the value of a dimension, and whether it is known.
func (d dims) of(dim ir.Dim) (int64, bool) {
	if dim.IsUnknown() {
		return 0, false
	}
	n := dim.N
	if dim.Sym == "" {
		return n, true
	}
	if v, ok := d[dim.Sym]; ok {
		return n * v, true
	}
	for s := range strings.SplitSeq(dim.Sym, "*") {
		v, ok := d[s]
		if !ok {
			return 0, false
		}
		n *= v
	}
	return n, true
}

// bytes returns the size of a value of type t, and whether it is known.
func (d dims) bytes(t ir.Type) (int64, bool) {
	if t.Rank() < 0 {
		return 0, false
	}
	n := int64(t.Elem.Bits())
	for _, dim := range t.Shape {
		k, ok := d.of(dim)
		if !ok {
			return 0, false
		}
		n *= k
	}
	return (n + 7) / 8, true
}

// views are operators whose result is the memory of their input.
var views = map[string]bool{
	"Reshape": true, "Flatten": true, "Squeeze": true, "Unsqueeze": true, "Transpose": true,
	"Slice": true, "Split": true, "Expand": true, "Identity": true, "Constant": true,
}

// stored reports whether a node unpacks a weight for products only, which read it
// as it is stored.
func stored(n *ir.Node) bool {
	if n.Op.String() != "Cast" && n.Op.String() != "DequantizeLinear" || n.Out[0].Type.Rank() != 2 {
		return false
	}
	computed := func(v *ir.Value) bool { return v != nil && v.Data == nil }
	return !slices.ContainsFunc(n.In, computed) && multiplied(n.Out[0])
}

// multiplied reports whether all readers of v are products that have it, or its
// transpose, for their second operand.
func multiplied(v *ir.Value) bool {
	for _, u := range v.Uses() {
		switch u.Node.Op.String() {
		case "MatMul", "Gemm", "lxt.Linear":
			if u.Index != 1 {
				return false
			}
		case "Transpose":
			if !multiplied(u.Node.Out[0]) {
				return false
			}
		default:
			return false
		}
	}
	return !v.Def.Graph().IsOutput(v)
}

// intermediates estimates the memory that the values of a run take at the
// worst moment: every value lives from its node to its last reader. It is a
// lower bound, and exact false, if some sizes are not known.
func (d dims) intermediates(g *ir.Graph) (peak int64, exact bool) {
	exact = true
	left := map[*ir.Value]int{}
	var now int64
	for n := range g.Nodes() {
		for _, v := range n.Out {
			if v == nil || views[n.Op.Name] || stored(n) {
				continue
			}
			size, ok := d.bytes(v.Type)
			exact = exact && ok
			now += size
			if left[v] = v.NumUses(); g.IsOutput(v) {
				left[v]++
			}
		}
		peak = max(peak, now)
		for _, v := range append(n.In, n.Out...) {
			k, ours := left[v]
			if v == nil || !ours {
				continue
			}
			if v.Def != n {
				k--
				left[v] = k
			}
			if k == 0 {
				size, _ := d.bytes(v.Type)
				now -= size
				delete(left, v)
			}
		}
	}
	return peak, exact
}
