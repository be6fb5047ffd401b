package cli

import (
	"strings"

	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
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

// mostBytes is what a value of any greater size counts as: the sum of a model's
// values is then a number still.
const mostBytes = 1 << 44

// bytes returns the size of a value of type t, and whether it is known.
func (d dims) bytes(t ir.Type) (int64, bool) {
	if t.Rank() < 0 {
		return 0, false
	}
	n := int64(t.Elem.Bits())
	for _, dim := range t.Shape {
		k, ok := d.of(dim)
		switch {
		case !ok || k < 0:
			return 0, false
		case k > 0 && n > 8*mostBytes/k:
			n = 8 * mostBytes
		default:
			n *= k
		}
	}
	return min((n+7)/8, mostBytes), true
}

// transient reports whether a node unpacks a stored weight for as long as it runs:
// products do with a piece of it.
func transient(n *ir.Node) bool { return n.Op.Name == "Conv" || n.Op.Name == "ConvTranspose" }

// intermediates estimates the memory that the values of a run take at the
// worst moment: every value lives from its node to its last reader. It is a
// lower bound, and exact false, if some sizes are not known. Weights that are read as
// they are stored take none.
func (d dims) intermediates(g *ir.Graph) (peak int64, exact bool) {
	exact = true
	left := map[*ir.Value]int{}
	kept := gorgonia.Kept(g)
	var now int64
	for n := range g.Nodes() {
		for _, v := range n.Out {
			if v == nil || passes.IsView(n) || n.Op.Name == "Constant" || kept[v] {
				continue
			}
			size, ok := d.bytes(v.Type)
			exact = exact && ok
			now += size
			if left[v] = v.NumUses(); g.IsOutput(v) {
				left[v]++
			}
		}
		extra := int64(0)
		if transient(n) && kept[n.Input(1)] {
			extra, _ = d.bytes(n.In[1].Type)
		}
		peak = max(peak, now+extra)
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
