package gorgonia

import (
	"math"
	"slices"

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

// matrices is the number of matrices of the product that were computed in part.
func (b *blocks) matrices() int {
	if b.part == nil {
		return 0
	}
	return len(b.part.of)
}

// sumsOf is the number of partial results that the kernels of rows add up in: columns
// that are left out in such steps leave the order of all additions as it was, and rows
// aligned.
const sumsOf = 32

// chooseColumns decides which columns of a piece are computed, and clears what the
// product left there.
func (b *blocks) chooseColumns(p *piece) {
	if b.part == nil {
		return
	}
	if band := b.part.of[p.outer]; b.narrow {
		lo, hi := int32(math.MaxInt32), int32(0)
		for i := p.from; i < p.from+p.rows; i++ {
			lo, hi = min(lo, band.Lo[i]), max(hi, band.Hi[i])
		}
		if lo < hi {
			p.lo, p.hi = int(lo)/sumsOf*sumsOf, min((int(hi)+sumsOf-1)/sumsOf*sumsOf, p.hi)
		}
	}
	b.clearOutside(p.outer, p.from, p.from+p.rows, p.lo, p.hi)
}

// clearOutside clears the product where it was not computed, in some rows and columns
// of a matrix.
func (b *blocks) clearOutside(matrix, r0, r1, lo, hi int) {
	x, n, rows := flat[float32](b.in[len(b.in)-1]), b.width(), len(b.part.of[matrix].Lo)
	for i := r0; i < r1; i++ {
		row := x[(matrix*rows+i)*n:][:n]
		from, to := int(b.part.of[matrix].Lo[i]), int(b.part.of[matrix].Hi[i])
		if from >= to { // nothing is wanted
			from, to = hi, hi
		}
		clear(row[lo:max(lo, min(from, hi))])
		clear(row[min(hi, max(to, lo)):hi])
	}
}

// widen writes the columns that were computed, and what belongs beside them: zeros, or
// NaNs in a row with a sum that is not finite, as 0·∞ makes them.
func (b *blocks) widen(w *worker, dst, v *Value, p piece) {
	n, width := b.width(), p.hi-p.lo
	to, from := flat[float32](dst), flat[float32](v)
	for r := range p.rows {
		row := to[r*n:][:n]
		copy(row[p.lo:], from[r*width:][:width])
		if beside := w.beside(r); beside == 0 {
			clear(row[:p.lo])
			clear(row[p.hi:])
		} else {
			repeat(row[:p.lo], beside)
			repeat(row[p.hi:], beside)
		}
	}
}

// beside is 0 times the sums of row r.
func (w *worker) beside(r int) float32 {
	x := float32(0)
	for _, k := range w.sums {
		x += 0 * as[float32](w.vals[k])[r]
	}
	return x
}
