package cpu

import (
	"slices"
	"testing"
)

// batchFact is a batch of products over one A, B and C.
type batchFact struct {
	m, n, k          int
	transA, transB   bool
	lda, ldb, ldc    int
	offA, offB, offC []int
}

func TestGemmBatch(t *testing.T) {
	tests := map[string]batchFact{
		"scores of 9 heads in rows of 9·8": {
			m: 21, n: 19, k: 8, transB: true, lda: 72, ldb: 72, ldc: 19,
			offA: Steps(9, 8), offB: Steps(9, 8), offC: Steps(9, 21*19),
		},
		"values of 9 heads": {
			m: 21, n: 8, k: 19, lda: 19, ldb: 72, ldc: 72,
			offA: Steps(9, 21*19), offB: Steps(9, 8), offC: Steps(9, 8),
		},
		"transposed probabilities": {
			m: 19, n: 8, k: 21, transA: true, lda: 19, ldb: 72, ldc: 72,
			offA: Steps(9, 21*19), offB: Steps(9, 8), offC: Steps(9, 8),
		},
		"grouped queries: 3 heads share one key": {
			m: 20, n: 20, k: 8, transB: true, lda: 48, ldb: 16, ldc: 20,
			offA: Steps(6, 8), offB: []int{0, 0, 0, 8, 8, 8}, offC: Steps(6, 400),
		},
		"one B for all, stacked": {
			m: 5, n: 40, k: 33, lda: 33, ldb: 40, ldc: 40,
			offA: Steps(7, 5*33), offB: Steps(7, 0), offC: Steps(7, 5*40),
		},
		"one B for all, backwards": {
			m: 5, n: 40, k: 33, lda: 33, ldb: 40, ldc: 40,
			offA: []int{330, 165, 0}, offB: Steps(3, 0), offC: []int{400, 200, 0},
		},
		"one A for all": {
			m: 5, n: 12, k: 33, lda: 33, ldb: 12, ldc: 12,
			offA: Steps(4, 0), offB: Steps(4, 33*12), offC: Steps(4, 60),
		},
		"one A for all, rows that crowd": {
			m: 16, n: 70, k: 256, lda: 256, ldb: 70, ldc: 70,
			offA: []int{0, 0, 4096, 4096}, offB: Steps(4, 256*70), offC: Steps(4, 16*70),
		},
		"rows": {
			m: 1, n: 70, k: 50, lda: 50, ldb: 70, ldc: 70,
			offA: Steps(4, 50), offB: Steps(4, 3500), offC: Steps(4, 70),
		},
		"columns": {
			m: 30, n: 1, k: 50, lda: 50, ldb: 3, ldc: 2,
			offA: Steps(4, 1500), offB: Steps(2, 1), offC: Steps(4, 60),
		},
		"no products": {m: 3, n: 3, k: 3, lda: 3, ldb: 3, ldc: 3},
	}
	tests["columns"] = func() batchFact { c := tests["columns"]; c.offB = []int{0, 1, 0, 2}; return c }()
	engines(t, func(t *testing.T, e *Engine) {
		for name, c := range tests {
			t.Run(name, func(t *testing.T) {
				for _, accumulate := range []bool{false, true} {
					checkBatch(t, e, c, accumulate)
				}
			})
		}
	})
}

// extent is the number of elements that matrices at these offsets need.
func extent(rows, cols int, trans bool, ld int, offsets []int) int {
	if trans {
		rows, cols = cols, rows
	}
	if len(offsets) == 0 {
		return 0
	}
	return slices.Max(offsets) + (rows-1)*ld + cols
}

func checkBatch(t *testing.T, e *Engine, c batchFact, accumulate bool) {
	a := random(1, extent(c.m, c.k, c.transA, c.lda, c.offA))
	b := random(2, extent(c.k, c.n, c.transB, c.ldb, c.offB))
	got, intact := guarded(extent(c.m, c.n, false, c.ldc, c.offC))
	copy(got, random(3, len(got)))
	want := slices.Clone(got)
	for i := range c.offC { // Gemm has its own test
		e.Gemm(c.m, c.n, c.k, a[c.offA[i]:], c.lda, c.transA, b[c.offB[i]:], c.ldb, c.transB, want[c.offC[i]:], c.ldc, accumulate)
	}
	e.GemmBatch(c.m, c.n, c.k, a, c.lda, c.transA, c.offA, b, c.ldb, c.transB, c.offB, got, c.ldc, c.offC, accumulate)
	for i := range got {
		// The same sums; only a row product becomes a matrix product when stacked.
		if u := ulps(got[i], float64(want[i])); u > 0 && (c.m > 1 || u > 64) {
			t.Fatalf("element %d is %g, want %g", i, got[i], want[i])
		}
	}
	if !intact() {
		t.Error("wrote outside C")
	}
}
