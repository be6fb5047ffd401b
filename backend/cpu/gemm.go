package cpu

import "fmt"

// Gemm computes C = op(A)·op(B), or C += op(A)·op(B) with accumulate, over
// row-major matrices whose rows are lda, ldb and ldc elements apart.
//
//	op(A) is m×k: A[m,k], or A[k,m] with transA
//	op(B) is k×n: B[k,n], or B[n,k] with transB (y = x·Wᵀ)
//	C is m×n and must not overlap A or B
//
// Nothing needs to be aligned; B may lie in a mapped file. k = 0 gives C = 0. It
// panics if a slice is too short for its shape.
func (e *Engine) Gemm(m, n, k int, a []float32, lda int, transA bool, b []float32, ldb int, transB bool, c []float32, ldc int, accumulate bool) {
	g := product{
		m: m, n: n, k: k,
		a: operand{a, lda, transA}, b: operand{b, ldb, transB}, c: operand{c, ldc, false}, accumulate: accumulate,
	}
	g.check(1, zero, zero, zero)
	e.products(g, 1, zero, zero, zero)
}

// GemmBatch computes one product of the same shape for every i in offC:
//
//	C at c[offC[i]:] (+)= op(A at a[offA[i]:]) · op(B at b[offB[i]:])
//
// so that heads are addressed where they lie inside larger matrices, and an
// operand that several products share is a repeated offset (see Steps). offA,
// offB and offC have the same length; the C's must not overlap.
func (e *Engine) GemmBatch(m, n, k int, a []float32, lda int, transA bool, offA []int, b []float32, ldb int, transB bool, offB []int, c []float32, ldc int, offC []int, accumulate bool) {
	if len(offA) != len(offC) || len(offB) != len(offC) {
		panic(fmt.Sprintf("cpu.GemmBatch: %d, %d and %d offsets for A, B and C; the lengths must be equal", len(offA), len(offB), len(offC)))
	}
	nb := len(offC)
	if nb == 0 {
		return
	}
	g := product{
		m: m, n: n, k: k,
		a: operand{a, lda, transA}, b: operand{b, ldb, transB}, c: operand{c, ldc, false}, accumulate: accumulate,
	}
	g.check(nb, offA, offB, offC)
	if g.stacked(offA, offB, offC) { // one tall product: B is packed once for all
		g.m *= nb
		g.a.data, g.b.data, g.c.data = a[offA[0]:], b[offB[0]:], c[offC[0]:]
		e.products(g, 1, zero, zero, zero)
		return
	}
	e.products(g, nb, offA, offB, offC)
}

// Steps returns the offsets 0, step, 2·step …, n of them; step 0 repeats one operand.
func Steps(n, step int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i * step
	}
	return s
}

// zero is the offset of a single product.
var zero = []int{0}

// operand is a row-major matrix: rows ld elements apart, to be used transposed or not.
type operand struct {
	data  []float32
	ld    int
	trans bool
}

// from is the operand offset elements further on.
func (o operand) from(offset int) operand {
	o.data = o.data[offset:]
	return o
}

// product is C[m,n] (+)= op(A)·op(B).
type product struct {
	m, n, k    int
	a, b, c    operand
	stored     Stored // B, if it is not of float32s; b then has no data
	row, col   int    // where B begins in what is stored
	accumulate bool
	bias       []float32 // by row, added to C; nil for none. Not for products of one row or column, or of k = 0
	long       bool      // rows of C are so long that tasks have as much of them as stays in the cache
}

// at is the product of one batch item.
func (g product) at(oa, ob, oc int) product {
	g.a, g.c = g.a.from(oa), g.c.from(oc)
	if g.stored != nil {
		_, cols := g.stored.Dims()
		g.row, g.col = ob/max(cols, 1), ob%max(cols, 1)
		return g
	}
	g.b = g.b.from(ob)
	return g
}

// check panics if any operand is too short at any offset: the kernels do not look.
func (g product) check(nb int, offA, offB, offC []int) {
	if g.m < 0 || g.n < 0 || g.k < 0 {
		panic(fmt.Sprintf("cpu.Gemm: negative size: m=%d n=%d k=%d", g.m, g.n, g.k))
	}
	for i := range nb {
		g.a.check("A", g.m, g.k, offA[i])
		g.checkB(offB[i])
		g.c.check("C", g.m, g.n, offC[i])
	}
}

func (g product) checkB(off int) {
	if g.stored == nil {
		g.b.check("B", g.k, g.n, off)
		return
	}
	deep, wide := g.k, g.n
	if g.b.trans {
		deep, wide = g.n, g.k
	}
	rows, cols := g.stored.Dims()
	if deep == 0 || wide == 0 {
		return
	}
	if off < 0 || cols < 1 || off/cols+deep > rows || off%cols+wide > cols {
		panic(fmt.Sprintf("cpu.GemmStored: B is %d×%d at element %d of %d×%d that are stored", deep, wide, off, rows, cols))
	}
}

func (o operand) check(name string, rows, cols, off int) {
	if o.trans {
		rows, cols = cols, rows
	}
	if rows == 0 || cols == 0 {
		return
	}
	if o.ld < cols && rows > 1 {
		panic(fmt.Sprintf("cpu.Gemm: %s has rows of %d elements, but they are %d apart", name, cols, o.ld))
	}
	if end := off + (rows-1)*o.ld + cols; off < 0 || end > len(o.data) {
		panic(fmt.Sprintf("cpu.Gemm: %s is %d×%d at offset %d with rows %d apart: it needs %d elements and has %d", name, rows, cols, off, o.ld, end, len(o.data)))
	}
}

// stacked says that the batch is one tall product: one B, and the rows of A and C
// of each item follow those of the item before.
func (g product) stacked(offA, offB, offC []int) bool {
	if g.a.trans || len(offC) < 2 {
		return false
	}
	for i := 1; i < len(offC); i++ {
		if offB[i] != offB[0] || offA[i]-offA[i-1] != g.m*g.a.ld || offC[i]-offC[i-1] != g.m*g.c.ld {
			return false
		}
	}
	return true
}
