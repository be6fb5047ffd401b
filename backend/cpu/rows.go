package cpu

import "math"

// Softmax computes dst = softmax(x) over each of rows rows of n elements, with the
// row's maximum subtracted first. dst may be x. Elements of -∞ (masks) become 0; a row of
// nothing but -∞ becomes NaN, as everywhere.
func (e *Engine) Softmax(rows, n int, dst, x []float32) {
	e.eachRow("Softmax", rows, n, func(i int) { e.softmaxRow(n, at(dst, i), at(x, i)) }, dst, x)
}

func (e *Engine) softmaxRow(n int, dst, x *float32) {
	sum := e.k.expSum(n, x, e.k.reduce[MaxOf](n, x), dst)
	e.k.binary[Mul].vs(n, dst, 1/sum, dst)
}

// SoftmaxVJP computes dst = y·(g - Σ g·y) by rows: the gradient of softmax, where y
// is its result. dst may be g or y.
func (e *Engine) SoftmaxVJP(rows, n int, dst, y, g []float32) {
	e.eachRow("SoftmaxVJP", rows, n, func(i int) {
		e.k.softVJP(n, at(y, i), at(g, i), e.k.dot(n, at(y, i), at(g, i)), at(dst, i))
	}, dst, y, g)
}

// SoftmaxTaylor computes dst = x·(r - y·Σ r) by rows: AttnLRP's rule for y =
// softmax(x), r the relevance of y (proposition 3.1). dst may be any of the operands.
func (e *Engine) SoftmaxTaylor(rows, n int, dst, x, y, r []float32) {
	e.eachRow("SoftmaxTaylor", rows, n, func(i int) {
		e.k.taylor(n, at(x, i), at(y, i), at(r, i), e.k.reduce[Sum](n, at(r, i)), at(dst, i))
	}, dst, x, y, r)
}

// RMSNorm computes dst = x / √(mean(x²)+eps) · w by rows of n elements. dst may be x.
func (e *Engine) RMSNorm(rows, n int, dst, x, w []float32, eps float32) {
	sameLen("RMSNorm: weights", len(w), n)
	e.eachRow("RMSNorm", rows, n, func(i int) { e.rmsRow(n, at(dst, i), at(x, i), at(w, 0), eps) }, dst, x)
}

func (e *Engine) rmsRow(n int, dst, x, w *float32, eps float32) {
	e.k.scaleWith(n, x, inverseRoot(e.k.reduce[SumSquares](n, x), n, eps), w, dst)
}

// LayerNorm computes dst = (x-mean) / √(var+eps) · w + b by rows of n elements. dst may be x.
func (e *Engine) LayerNorm(rows, n int, dst, x, w, b []float32, eps float32) {
	sameLen("LayerNorm: weights", len(w), len(b), n)
	e.eachRow("LayerNorm", rows, n, func(i int) {
		mean := e.k.reduce[Sum](n, at(x, i)) / float32(n)
		inv := inverseRoot(e.k.sqDev(n, at(x, i), mean), n, eps)
		e.k.affine(n, at(x, i), mean, inv, at(w, 0), at(b, 0), at(dst, i))
	}, dst, x)
}

// RowMoments computes the mean and the variance (over n, not n-1) of each row.
func (e *Engine) RowMoments(rows, n int, mean, variance, x []float32) {
	sameLen("RowMoments", len(mean), len(variance), rows)
	e.eachRow("RowMoments", rows, n, func(i int) {
		m := e.k.reduce[Sum](n, at(x, i)) / float32(n)
		mean[i/n], variance[i/n] = m, e.k.sqDev(n, at(x, i), m)/float32(n)
	}, x)
}

// RowRMS computes dst[row] = 1 / √(mean(x²)+eps), what RMSNorm multiplies with.
func (e *Engine) RowRMS(rows, n int, dst, x []float32, eps float32) {
	sameLen("RowRMS", len(dst), rows)
	e.eachRow("RowRMS", rows, n, func(i int) {
		dst[i/n] = inverseRoot(e.k.reduce[SumSquares](n, at(x, i)), n, eps)
	}, x)
}

// inverseRoot is 1/√(sum/n+eps).
func inverseRoot(sum float32, n int, eps float32) float32 {
	return 1 / float32(math.Sqrt(float64(sum/float32(n)+eps)))
}

// eachRow calls f with the offset of every row, in parallel, after checking that
// every operand has rows·n elements.
func (e *Engine) eachRow(name string, rows, n int, f func(i int), operands ...[]float32) {
	for _, o := range operands {
		sameLen(name, len(o), rows*n)
	}
	if n == 0 {
		return
	}
	e.spreadRows(rows, n, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			f(r * n)
		}
	})
}
