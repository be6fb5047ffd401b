package cpu

// Stored is a row-major matrix in a smaller type than float32: Half or Quantized.
// Products make float32s of a panel of it at a time, where they would copy one of
// float32s, and never of the whole.
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
	g := product{
		m: m, n: n, k: k,
		a: operand{a, lda, transA}, b: operand{trans: transB}, c: operand{c, ldc, false}, stored: b, accumulate: accumulate,
	}
	g.check(1, zero, zero, zero)
	e.products(g, 1, zero, zero, zero)
}

// packStored is packB for a stored matrix.
func (e *Engine) packStored(g product, p, kc, j, cols int, dst []float32) {
	if !g.b.trans {
		g.stored.widen(e, p, kc, j, cols, dst, e.k.nr)
		return
	}
	buf := borrow(&e.bufs, kcMax*e.k.nr)
	defer e.bufs.Put(buf)
	g.stored.widen(e, j, cols, p, kc, *buf, kc)
	e.k.packT(kc, cols, *buf, kc, dst)
}

// columnOfB returns B, a single column of k elements, as float32s in dst.
func (g product) columnOfB(e *Engine, dst []float32) operand {
	if g.b.trans {
		g.stored.widen(e, 0, 1, 0, g.k, dst, g.k)
		return operand{dst, g.k, true}
	}
	g.stored.widen(e, 0, g.k, 0, 1, dst, 1)
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
			g.stored.widen(e, j, n, 0, g.k, *buf, g.k)
			e.k.dots(n, g.k, at(*buf, 0), g.k, at(x, 0), at(y, j))
			return
		}
		g.stored.widen(e, 0, g.k, j, n, *buf, n)
		e.k.axpys(n, g.k, at(x, 0), at(*buf, 0), n, at(y, j))
	})
}
