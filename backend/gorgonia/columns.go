package gorgonia

import (
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// What is known of a value of a group where the group does not want its product: that
// it is 0; that it is finite, so that 0 times it is 0, and so are its products with the
// group's factors; that it is finite if the sums are; that a Softmax makes 0 of it; or
// that it is one number a row.
type outside int

const (
	unknown outside = iota
	isZero
	isFinite
	isDifference
	isMasked
	isSum
)

// zeroOutside reports whether all results of the group are 0 where its product is not
// wanted, and finds the sums that have to be finite for that. Then only the other
// columns need to be computed.
func (r *rows) zeroOutside() bool {
	p := r.prod
	known := make([]outside, len(r.uses))
	known[len(r.in)] = isFinite
	for k, v := range r.in {
		if v == p.zeros && r.rowed[k] {
			known[k] = isZero
		}
	}
	for _, op := range r.ops {
		known[op.ids.out[0]] = r.outsideOf(op, known)
		if known[op.ids.out[0]] == unknown {
			return false
		}
	}
	for _, k := range r.local {
		if known[k] != isZero && known[k] != isSum {
			return false
		}
	}
	return true
}

func (r *rows) outsideOf(op rowOp, known []outside) outside {
	x := known[op.ids.in[0]]
	switch op.n.Op.Name {
	case "Identity":
		if op.ids.in[0] >= r.given() { // else it is a view of what is given, with gaps
			return x
		}
	case "Softmax":
		if x == isMasked {
			return isZero
		}
	case "ReduceSum":
		if x == isZero {
			return isSum
		}
	case "Add":
		if v := op.n.In[1]; x == isFinite && v == r.prod.mask {
			return isMasked
		}
		if v := op.n.In[0]; v == r.prod.mask && known[op.ids.in[1]] == isFinite {
			return isMasked
		}
	case "Sub":
		if k := op.ids.in[1]; known[k] == isSum && (x == isZero || x == isFinite) {
			if !slices.Contains(r.sums, k) {
				r.sums = append(r.sums, k)
			}
			return isDifference
		}
	case "Mul", "Div":
		for i, v := range op.n.In {
			known := known[op.ids.in[i]]
			if by, ok := factor(op.n, v); ok && (known == isZero && harmless(op.n, by) || known == isFinite) {
				return known
			}
		}
		y := known[op.ids.in[1]]
		finite := func(x outside) bool { return x == isZero || x == isFinite || x == isDifference }
		if op.n.Op.Name == "Mul" && (x == isZero && finite(y) || y == isZero && finite(x)) {
			return isZero
		}
	}
	return unknown
}

// harmless reports whether 0 multiplied or divided by a factor stays 0.
func harmless(n *ir.Node, factor *ir.Value) bool {
	t := constantOf(factor)
	if t == nil {
		return false
	}
	x := flat[float32](borrow(t))[0]
	return x-x == 0 && (x != 0 || n.Op.Name == "Mul")
}

// width is that of the product, 0 if there is none.
func (b *blocks) width() int {
	if b.prod == nil {
		return 0
	}
	v := b.in[len(b.in)-1]
	return v.shape[len(v.shape)-1]
}

// sumsOf is the number of partial results that the kernels of rows add up in: columns
// that are left out in such steps leave the order of all additions as it was, and rows
// aligned. Panels of a product begin there, too.
const sumsOf = cpu.PanelColumns

// chooseColumns decides which columns of a piece are computed.
func (b *blocks) chooseColumns(p *piece) {
	if b.narrow && b.want() != nil {
		p.lo, p.hi = b.wanted(p)
	}
}

// want is the part of the product that is wanted, nil if all is.
func (b *blocks) want() *bands {
	if b.prod == nil {
		return nil
	}
	return b.product.want
}

// wanted returns the columns of a piece in which the product is wanted, from one that
// sums may begin at, or all of them if it is nowhere.
func (b *blocks) wanted(p *piece) (lo, hi int) {
	n := b.width()
	if b.want() == nil {
		return 0, n
	}
	lo, hi = b.want().of[p.outer].Over(p.from, p.from+p.rows)
	if lo >= hi {
		return 0, n
	}
	return lo / sumsOf * sumsOf, min((hi+sumsOf-1)/sumsOf*sumsOf, n)
}

// makeProduct computes the rows of the product for a piece.
func (t *strips) makeProduct() {
	k, p := len(t.in)-1, t.piece
	if !t.byRows() {
		t.clearOutside(t.of[k])
		return
	}
	if t.packed != p.outer {
		t.product.pack(t.serial, p.outer, t.panels)
		t.packed = p.outer
	}
	dst := t.of[k]
	all := p
	p.lo, p.hi = t.wanted(&p)
	t.product.compute(t.serial, p, t.panels, dst.From(p.lo-all.lo))
	for r := range p.rows {
		row := dst.Data[r*dst.Step:][:all.hi-all.lo]
		clear(row[:p.lo-all.lo])
		clear(row[p.hi-all.lo:])
	}
}

// clearOutside clears the product of a piece where it was not computed.
func (t *strips) clearOutside(x cpu.Strip) {
	if t.want() == nil {
		return
	}
	p := t.piece
	band := t.want().of[p.outer]
	for r := range p.rows {
		clearBeside(x.Data[r*x.Step:][:p.hi-p.lo], int(band.Lo[p.from+r])-p.lo, int(band.Hi[p.from+r])-p.lo)
	}
}

// clearBeside clears a row but for columns from to to-1.
func clearBeside(row []float32, from, to int) {
	if from >= to { // nothing is wanted
		clear(row)
		return
	}
	clear(row[:max(0, min(from, len(row)))])
	clear(row[max(0, min(to, len(row))):])
}

// beside is what belongs beside the columns of row r: 0, or a NaN in a row with a sum
// that is not finite, as 0·∞ makes it.
func (t *strips) beside(r int) float32 {
	x := float32(0)
	for _, k := range t.sums {
		x += 0 * t.of[k].Data[r*t.of[k].Step]
	}
	return x
}
