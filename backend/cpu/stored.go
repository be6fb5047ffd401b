package cpu

import "fmt"

// Stored is a row-major matrix that is not there as float32s: a Half, Quantized or
// Coded one, or a function of one (Mapped). Products make float32s of a panel of it
// at a time, where they would copy one of float32s, and never of the whole.
type Stored interface {
	// Dims returns the number of rows and columns.
	Dims() (rows, cols int)

	// check panics if what it is made of is too short for its shape.
	check()

	// widen writes rows×cols elements, those from row i and column j on, to dst,
	// whose rows are ld apart.
	widen(e *Engine, i, rows, j, cols int, dst []float32, ld int)
}

// GemmStored is Gemm with a stored matrix for B: B[k,n], or B[n,k] with transB. The
// result is that of Gemm with the float32s that B stands for, to the bit.
func (e *Engine) GemmStored(m, n, k int, a []float32, lda int, transA bool, b Stored, transB bool, c []float32, ldc int, accumulate bool) {
	e.GemmStoredBatch(m, n, k, a, lda, transA, zero, b, transB, zero, c, ldc, zero, accumulate)
}

// GemmStoredBatch is GemmBatch with parts of a stored matrix for the B's: offB says
// at which of its elements, counted row by row, each begins. A part is no wider than
// what the matrix has to the right of that element.
func (e *Engine) GemmStoredBatch(m, n, k int, a []float32, lda int, transA bool, offA []int, b Stored, transB bool, offB []int, c []float32, ldc int, offC []int, accumulate bool) {
	if len(offA) != len(offC) || len(offB) != len(offC) {
		panic(fmt.Sprintf("cpu.GemmStoredBatch: %d, %d and %d offsets for A, B and C; the lengths must be equal", len(offA), len(offB), len(offC)))
	}
	if len(offC) == 0 {
		return
	}
	g := product{
		m: m, n: n, k: k,
		a: operand{a, lda, transA}, b: operand{trans: transB}, c: operand{c, ldc, false}, stored: b, accumulate: accumulate,
	}
	b.check()
	g.check(len(offC), offA, offB, offC)
	e.products(g, len(offC), offA, offB, offC)
}

// Unpack writes n elements of s, from each of the places in first on, to dst, one
// run after the other. Elements are counted row by row.
func (e *Engine) Unpack(s Stored, dst []float32, first []int, n int) {
	s.check()
	rows, cols := s.Dims()
	if len(dst) < len(first)*n {
		panic(fmt.Sprintf("cpu.Unpack: %d runs of %d elements do not fit into %d", len(first), n, len(dst)))
	}
	for _, f := range first {
		if n > 0 && (f < 0 || f+n > rows*cols) {
			panic(fmt.Sprintf("cpu.Unpack: %d elements from %d on of %d×%d", n, f, rows, cols))
		}
	}
	if n == 0 {
		return
	}
	parts := ceil(n, grain)
	e.spreadRows(len(first)*parts, min(n, grain), func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			at := r % parts * grain
			e.run(s, first[r/parts]+at, dst[r/parts*n+at:][:min(grain, n-at)])
		}
	})
}

// run writes the elements of s from the one at index first on to dst.
func (e *Engine) run(s Stored, first int, dst []float32) {
	_, cols := s.Dims()
	for len(dst) > 0 {
		i, j := first/cols, first%cols
		rows, n := 1, min(cols-j, len(dst))
		if j == 0 && len(dst) > cols {
			rows = len(dst) / cols
		}
		s.widen(e, i, rows, j, n, dst, n)
		first += rows * n
		dst = dst[rows*n:]
	}
}

// widen writes elements of B as it is stored: rows×cols of them from row i and
// column j on.
func (g product) widen(e *Engine, i, rows, j, cols int, dst []float32, ld int) {
	g.stored.widen(e, g.row+i, rows, g.col+j, cols, dst, ld)
}

// packStored is packB for a stored matrix.
func (e *Engine) packStored(g product, p, kc, j, cols int, dst []float32) {
	if !g.b.trans {
		g.widen(e, p, kc, j, cols, dst, e.k.nr)
		return
	}
	buf := borrow(&e.bufs, kcMax*e.k.nr)
	defer e.bufs.Put(buf)
	g.widen(e, j, cols, p, kc, *buf, kc)
	e.k.packT(kc, cols, *buf, kc, dst)
}

// columnOfB returns B, a single column of k elements, as float32s in dst.
func (g product) columnOfB(e *Engine, dst []float32) operand {
	if g.b.trans {
		g.widen(e, 0, 1, 0, g.k, dst, g.k)
		return operand{dst, g.k, true}
	}
	g.widen(e, 0, g.k, 0, 1, dst, 1)
	return operand{dst, 1, false}
}

// rowTimesStored computes y = x·op(B), whole: pieces of B of about 1 MiB are
// multiplied as vectors are with a matrix of float32s.
func (e *Engine) rowTimesStored(g product, x, y []float32) {
	const most = 1 << 18
	width := min(192, max(16, most/g.k&^15))
	if g.b.trans {
		width = min(64, max(4, most/g.k&^3))
	}
	e.Run(ceil(g.n, width), func(t int) {
		j := t * width
		n := min(width, g.n-j)
		buf := borrow(&e.large, g.k*n)
		defer e.large.Put(buf)
		if g.b.trans {
			g.widen(e, j, n, 0, g.k, *buf, g.k)
			e.k.dots(n, g.k, at(*buf, 0), g.k, at(x, 0), at(y, j))
			return
		}
		g.widen(e, 0, g.k, j, n, *buf, n)
		e.k.axpys(n, g.k, at(x, 0), at(*buf, 0), n, at(y, j))
	})
}
