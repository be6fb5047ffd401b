package cpu

import (
	"fmt"
	"math"
)

// A Band says where the rows of a matrix may hold anything but zeros: row i in
// columns Lo[i] to Hi[i]-1, which may be none. Attention weights under a causal mask
// have a triangular one.
type Band struct{ Lo, Hi []int32 }

// Banded says which matrix of a product a band describes.
type Banded uint8

// The matrices of C = op(A)·op(B). A band of a factor skips multiplications with
// its zeros; a band of C skips elements that nobody wants, which then hold anything.
const (
	BandOfA  Banded = iota // the m rows of op(A)
	BandOfAT               // the k rows of op(A)ᵀ
	BandOfB                // the k rows of op(B)
	BandOfBT               // the n rows of op(B)ᵀ
	BandOfC                // the m rows of C
)

// GemmBand is GemmBatch without accumulation for products of which a part need
// not be computed: bands[i] is the band of one matrix of product i. A factor's
// elements outside its band count as zeros. If they are zeros, and what they are
// multiplied with is finite, C is that of GemmBatch, to the bit.
func (e *Engine) GemmBand(m, n, k int, a []float32, lda int, transA bool, offA []int, b []float32, ldb int, transB bool, offB []int, c []float32, ldc int, offC []int, of Banded, bands []Band) {
	nb := len(offC)
	if len(offA) != nb || len(offB) != nb || len(bands) != nb {
		panic(fmt.Sprintf("cpu.GemmBand: %d, %d and %d offsets for A, B and C and %d bands; the lengths must be equal", len(offA), len(offB), nb, len(bands)))
	}
	g := product{m: m, n: n, k: k, a: operand{a, lda, transA}, b: operand{b, ldb, transB}, c: operand{c, ldc, false}}
	g.check(nb, offA, offB, offC)
	rows, cols := of.shape(g)
	for i, band := range bands {
		band.check(i, rows, cols)
	}
	if m == 0 || n == 0 || nb == 0 {
		return
	}
	if crowded(g, e.k) {
		size := m * padded(k)
		slot, slots := distinct(offA, size)
		buf := borrow(&e.large, slots*size)
		defer e.large.Put(buf)
		e.copyA(g, nb, offA, slot, *buf)
		g.a, offA = operand{data: *buf, ld: padded(k)}, slot
	}
	nc := min(ncMax, bandPanels*e.k.nr, ceil(n, e.k.nr)*e.k.nr)
	nTasks, mc := ceil(n, nc), m
	if want := 8 * e.Threads(); nb*nTasks < want { // unequal tasks: more than for a whole product
		mc = max(rowMin, ceil(m, ceil(want, nb*nTasks)))
		mc = ceil(mc, e.k.mr) * e.k.mr
	}
	mTasks := ceil(m, mc)
	e.Run(nb*mTasks*nTasks, func(t int) {
		item, rest := t/(mTasks*nTasks), t%(mTasks*nTasks)
		i0, j0 := rest/nTasks*mc, rest%nTasks*nc
		w := bandWork{engine: e, product: g.at(offA[item], offB[item], offC[item]), of: of, band: bands[item]}
		w.block(i0, min(m, i0+mc), j0, min(n, j0+nc))
	})
}

// shape is that of the matrix which the band describes.
func (of Banded) shape(g product) (rows, cols int) {
	switch of {
	case BandOfA:
		return g.m, g.k
	case BandOfAT:
		return g.k, g.m
	case BandOfB:
		return g.k, g.n
	case BandOfBT:
		return g.n, g.k
	}
	return g.m, g.n
}

func (b Band) check(item, rows, cols int) {
	if len(b.Lo) != rows || len(b.Hi) != rows {
		panic(fmt.Sprintf("cpu.GemmBand: band %d has %d and %d borders for %d rows", item, len(b.Lo), len(b.Hi), rows))
	}
	for i := range rows {
		if b.Lo[i] < 0 || int(b.Hi[i]) > cols {
			panic(fmt.Sprintf("cpu.GemmBand: row %d of band %d is %d:%d of %d columns", i, item, b.Lo[i], b.Hi[i], cols))
		}
	}
}

// Over is the columns that any of rows r0 to r1-1 has.
func (b Band) Over(r0, r1 int) (lo, hi int) {
	first, last := int32(math.MaxInt32), int32(0)
	for r := r0; r < r1; r++ {
		if b.Lo[r] < b.Hi[r] {
			first, last = min(first, b.Lo[r]), max(last, b.Hi[r])
		}
	}
	return int(min(first, last)), int(last)
}

// across is the rows, from the first to the last, that have any of columns c0 to
// c1-1.
func (b Band) across(c0, c1 int) (lo, hi int) {
	meets := func(r int) bool { return int(b.Lo[r]) < c1 && int(b.Hi[r]) > c0 }
	hi = len(b.Lo)
	for lo < hi && !meets(lo) {
		lo++
	}
	for hi > lo && !meets(hi-1) {
		hi--
	}
	return lo, hi
}

// bandWork is one product with its band.
type bandWork struct {
	engine *Engine
	product
	of   Banded
	band Band
}

// A strip is the rows of one tile and the part of k that they need.
type strip struct{ i, rows, lo, hi int }

// block computes rows i0 to i1 and columns j0 to j1, of at most bandPanels panels.
// Every element of C is summed in the order, and in the blocks of k, that Engine.block
// has.
func (w *bandWork) block(i0, i1, j0, j1 int) {
	nr := w.engine.k.nr
	buf := borrow(&w.engine.bufs, panelRoom)
	defer w.engine.bufs.Put(buf)
	var room [1 + bandPanels][48]strip // on the stack: thousands of blocks would leave megabytes to collect
	var need [bandPanels][]strip       // by panel
	strips := w.strips(room[0][:0], i0, i1)
	n, first, last := 0, w.k, 0
	for j := j0; j < j1; j += nr {
		need[n] = append(room[1+n][:0], strips...)
		lo, hi := w.narrow(need[n], strips, j, min(nr, w.n-j))
		first, last = min(first, lo), max(last, hi)
		n++
	}
	kb := (ceil(w.k, ceil(max(w.k, 1), kcMax)) + 15) &^ 15
	for p := first / max(kb, 1) * kb; p < last; p += kb {
		from, to := max(p, first), min(p+kb, last)
		for q := range n {
			w.engine.packB(w.product, from, to-from, j0+q*nr, (*buf)[q*(to-from)*nr:])
		}
		for t := range strips {
			for q := range n { // rows of A that are in the first-level cache are used for all panels
				s, j := need[q][t], j0+q*nr
				if lo, hi := max(from, s.lo), min(to, s.hi); lo < hi {
					w.tile(s, lo, hi, at(*buf, (q*(to-from)+lo-from)*nr), j, min(nr, w.n-j))
				}
			}
			w.fetchA(strips, t+1, from, to)
		}
	}
}

// bandPanels is how many panels of B a task has, at most.
const bandPanels = 4

// fetchA prefetches the rows of A of a strip.
func (w *bandWork) fetchA(strips []strip, t, from, to int) {
	if t >= len(strips) || w.a.trans {
		return
	}
	s := strips[t]
	if lo, hi := max(from, s.lo), min(to, s.hi); lo < hi {
		w.engine.k.prefetch(s.rows, 4*(hi-lo), at(w.a.data, s.i*w.a.ld+lo), w.a.ld)
	}
}

// strips cuts rows into tiles of nearly equal height, as Engine.tiles does, and
// appends them.
func (w *bandWork) strips(strips []strip, i0, i1 int) []strip {
	n := ceil(i1-i0, w.engine.k.mr)
	for t := range n {
		rows := (i1 - i0) / (n - t)
		if (i1-i0)%(n-t) != 0 {
			rows++
		}
		s := strip{i: i0, rows: rows, hi: w.k}
		switch w.of {
		case BandOfA:
			s.lo, s.hi = w.band.Over(i0, i0+rows)
		case BandOfAT:
			s.lo, s.hi = w.band.across(i0, i0+rows)
		}
		strips = append(strips, s)
		i0 += rows
	}
	return strips
}

// narrow sets dst to what columns j to j+cols need of the strips, clears what is
// nothing but zeros, and returns the part of k that any of them needs.
func (w *bandWork) narrow(dst, strips []strip, j, cols int) (first, last int) {
	lo, hi := 0, w.k
	switch w.of {
	case BandOfB:
		lo, hi = w.band.across(j, j+cols)
	case BandOfBT:
		lo, hi = w.band.Over(j, j+cols)
	}
	first = w.k
	for t, s := range strips {
		s.lo, s.hi = max(s.lo, lo), min(s.hi, hi)
		if w.of == BandOfC {
			if c0, c1 := w.band.Over(s.i, s.i+s.rows); c0 >= j+cols || c1 <= j {
				s.hi = s.lo
			}
		}
		dst[t] = s
		if s.lo < s.hi {
			first, last = min(first, s.lo), max(last, s.hi)
			continue
		}
		if w.of == BandOfC && w.k > 0 {
			continue
		}
		for i := s.i; i < s.i+s.rows; i++ {
			clear(w.c.data[i*w.c.ld+j:][:cols])
		}
	}
	return first, last
}

// tile multiplies part lo to hi of k, whose rows of B lie at b.
func (w *bandWork) tile(s strip, lo, hi int, b *float32, j, cols int) {
	k, g := w.engine.k, w.product
	tile, a := k.tile, s.i*g.a.ld+lo
	if g.a.trans {
		tile, a = k.tileT, lo*g.a.ld+s.i
	}
	tile(s.rows, hi-lo, at(g.a.data, a), g.a.ld, b, k.nr, at(g.c.data, s.i*g.c.ld+j), g.c.ld, lo > s.lo, cols)
}
