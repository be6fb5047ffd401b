package cpu

import "math"

// Reduce is a function of many elements to one.
type Reduce uint8

// The reductions. Sums are kept in several parallel partial sums, so the rounding
// error grows with n/16 rather than n. MaxOf and MinOf return a NaN if there is one.
const (
	Sum Reduce = iota
	SumSquares
	SumAbs
	MaxOf
	MinOf
	numReduce
)

// empty is the value of a reduction over nothing.
func (r Reduce) empty() float32 {
	switch r {
	case MaxOf:
		return float32(math.Inf(-1))
	case MinOf:
		return float32(math.Inf(1))
	}
	return 0
}

// ReduceRows computes dst[row] = op over the n elements of each row of x[rows,n].
func (e *Engine) ReduceRows(op Reduce, rows, n int, dst, x []float32) {
	sameLen("ReduceRows", len(dst), rows)
	if n == 0 {
		fill(dst, op.empty())
	}
	f := e.k.reduce[op]
	e.eachRow("ReduceRows", rows, n, func(i int) { dst[i/n] = f(n, at(x, i)) }, x)
}

// RowDot computes dst[row] = Σ x·y over the n elements of each row.
func (e *Engine) RowDot(rows, n int, dst, x, y []float32) {
	sameLen("RowDot", len(dst), rows)
	if n == 0 {
		clear(dst)
	}
	e.eachRow("RowDot", rows, n, func(i int) { dst[i/n] = e.k.dot(n, at(x, i), at(y, i)) }, x, y)
}

// SumColumns computes dst[j] = Σ over the rows of x[rows,n].
func (e *Engine) SumColumns(rows, n int, dst, x []float32) {
	sameLen("SumColumns", len(dst), n)
	sameLen("SumColumns", len(x), rows*n)
	if n == 0 {
		return
	}
	width := min(n, 1024)
	if rows*n <= grain {
		width = n
	}
	add := e.k.binary[Add].vv
	e.Run(ceil(n, width), func(t int) {
		j, w := t*width, min(width, n-t*width)
		d := at(dst, j)
		clear(view(d, w))
		for r := range rows {
			add(w, d, at(x, r*n+j), d)
		}
	})
}
