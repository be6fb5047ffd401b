package cpu

import "fmt"

// PanelDepth is how many rows a matrix may have that Pack lays out.
const PanelDepth = kcMax

// PanelColumns is what the columns that GemmPanels starts at are a multiple of.
const PanelColumns = 32

// TileRows is how many rows of a product are computed at once.
func (e *Engine) TileRows() int { return e.k.mr }

// PanelsLen is how many elements Pack writes for op(B)[k,n].
func (e *Engine) PanelsLen(k, n int) int { return k * ceil(n, e.k.nr) * e.k.nr }

// Pack lays op(B)[k,n] out for GemmPanels. It stays on its caller, as that does: a
// caller with products of its own to share out packs once what all of them multiply
// with.
func (e *Engine) Pack(k, n int, b []float32, ldb int, transB bool, dst []float32) {
	g := product{n: n, k: k, b: operand{b, ldb, transB}}
	g.b.check("B", k, n, 0)
	if k > PanelDepth || len(dst) < e.PanelsLen(k, n) {
		panic(fmt.Sprintf("cpu.Pack: %d×%d to %d elements; at most %d rows, and %d elements are needed", k, n, len(dst), PanelDepth, e.PanelsLen(k, n)))
	}
	for j := 0; j < n; j += e.k.nr {
		e.packB(g, 0, k, j, dst[j*k:])
	}
}

// GemmPanels computes columns lo to hi-1 of C = op(A)·op(B), of m rows, from the panels
// that Pack made of op(B)[k,n]; lo is a multiple of PanelColumns. The first of them is
// written to c. C is that of Gemm, to the bit, if it has more than one row and column.
func (e *Engine) GemmPanels(m, k, lo, hi int, a []float32, lda int, transA bool, packed []float32, c []float32, ldc int) {
	if m == 0 || lo >= hi {
		return
	}
	g := product{m: m, n: hi - lo, k: k, a: operand{a, lda, transA}, c: operand{c, ldc, false}}
	g.a.check("A", m, k, 0)
	g.c.check("C", m, g.n, 0)
	if lo < 0 || lo%PanelColumns != 0 || k < 1 || k > PanelDepth || len(packed) < e.PanelsLen(k, hi) {
		panic(fmt.Sprintf("cpu.GemmPanels: columns %d to %d of %d rows in panels of %d elements", lo, hi, k, len(packed)))
	}
	e.tiles(g, 0, m, 0, k, 0, g.n, slab{at(packed, lo*k), e.k.nr, k * e.k.nr}, rowsAhead{})
}
