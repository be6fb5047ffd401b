package cpu

func tileGo(mr, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, accumulate bool, cols int) {
	tile2x4(mr, k, a, 1, lda, b, ldb, c, ldc, accumulate, cols)
}

func tileTGo(mr, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, accumulate bool, cols int) {
	tile2x4(mr, k, a, lda, 1, b, ldb, c, ldc, accumulate, cols)
}

// tile2x4 is the portable tile: its eight sums stay in registers on any machine
// with sixteen, as variables of their own (the compiler keeps no array there).
// Elements of A are stepK apart in k and stepRow apart in rows.
func tile2x4(mr, k int, a *float32, stepK, stepRow int, b *float32, ldb int, c *float32, ldc int, accumulate bool, cols int) {
	a0 := view(a, (k-1)*stepK+1)
	a1 := a0
	if mr == 2 {
		a1 = view(shift(a, stepRow), (k-1)*stepK+1)[:len(a0)]
	}
	rows := view(b, (k-1)*ldb+4)
	var s00, s01, s02, s03, s10, s11, s12, s13 float32
	for i, j := 0, 0; i < len(a0); i, j = i+stepK, j+ldb {
		x0, x1 := a0[i], a1[i]
		r := (*[4]float32)(rows[j:])
		b0, b1, b2, b3 := r[0], r[1], r[2], r[3]
		s00 += x0 * b0
		s01 += x0 * b1
		s02 += x0 * b2
		s03 += x0 * b3
		s10 += x1 * b0
		s11 += x1 * b1
		s12 += x1 * b2
		s13 += x1 * b3
	}
	sums := [2][4]float32{{s00, s01, s02, s03}, {s10, s11, s12, s13}}
	for i := range mr {
		d := view(shift(c, i*ldc), cols)
		for j := range d {
			if accumulate {
				d[j] += sums[i][j]
				continue
			}
			d[j] = sums[i][j]
		}
	}
}

func packNGo(kc, cols int, b []float32, ldb int, dst []float32) {
	for p := range kc {
		copy(dst[p*4:][:cols], b[p*ldb:])
	}
}

func packTGo(kc, cols int, b []float32, ldb int, dst []float32) {
	for j := range cols {
		for p, v := range b[j*ldb:][:kc] {
			dst[p*4+j] = v
		}
	}
}

func dotsGo(n, k int, b *float32, ld int, x, y *float32) {
	for i, out := 0, view(y, n); i < n; i++ {
		out[i] = dotGo(k, shift(b, i*ld), x)
	}
}

func axpysGo(n, k int, x, b *float32, ld int, y *float32) {
	clear(view(y, n))
	for p, v := range view(x, k) {
		axpyGo(n, v, shift(b, p*ld), y)
	}
}

// transposeGo transposes up to four rows.
func transposeGo(rows, k int, src *float32, lds int, dst *float32, ldd int) {
	for i := range rows {
		d := view(shift(dst, i), (k-1)*ldd+1)
		for p, v := range view(shift(src, i*lds), k) {
			d[p*ldd] = v
		}
	}
}

// transposeBlock writes dst[i·ldd+p] = src[p·lds+i], i < rows, p < k: the
// transpose of src[k,rows].
func transposeBlock(ks *kernels, rows, k int, src *float32, lds int, dst *float32, ldd int) {
	for p := 0; p < k; p += ks.lanes {
		ks.transpose(min(ks.lanes, k-p), rows, shift(src, p*lds), lds, shift(dst, p), ldd)
	}
}
