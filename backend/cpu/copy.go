package cpu

// CopyStrided writes the strided view of src to dst, contiguous and row-major:
// transposes, slices and expansions made real. Element i of the view is
// src[offset + Σ i_d·strides[d]]; strides are in elements, 0 repeats, negative
// walks back. T is any type: bytes, halves, floats, doubles, integers. dst and
// src do not overlap.
func CopyStrided[T any](e *Engine, dst []T, shape []int, src []T, offset int, strides []int) {
	w := newWalk(shape, strides)
	w.check("CopyStrided", len(dst), span{offset, len(src)})
	if len(dst) == 0 {
		return
	}
	if w.step[0] != 1 && w.transposed() {
		copyTransposed(e, &w, dst, src, offset)
		return
	}
	width := min(w.inner, grain)
	parts := ceil(w.inner, width)
	step := w.step[0]
	e.spreadRows(w.outer*parts, width, func(r0, r1 int) {
		at := w.cursor(r0 / parts)
		for r := r0; r < r1; r++ {
			row, j := r/parts, r%parts*width
			n := min(width, w.inner-j)
			copyRow(dst[row*w.inner+j:][:n], src, offset+at.offset[0]+j*step, step)
			if j+n == w.inner {
				at.next()
			}
		}
	})
}

// copyRow writes len(dst) elements of src, step apart.
func copyRow[T any](dst, src []T, start, step int) {
	switch step {
	case 1:
		copy(dst, src[start:])
	case 0:
		v := src[start]
		for i := range dst {
			dst[i] = v
		}
	default:
		for i := range dst {
			dst[i] = src[start]
			start += step
		}
	}
}

// transposed says that an outer dimension is contiguous in the source and the inner
// one is not: copying row by row would use one element of every cache line.
func (w *walk) transposed() bool {
	for d, s := range w.strides[0] {
		if s == 1 && w.dims[d] >= 4 && w.inner >= 4 && w.step[0] > 0 {
			return true
		}
	}
	return false
}

// copyTransposed copies a view whose inner dimension is strided and one of whose
// outer dimensions, q, is contiguous: blocks of (q, inner) are transposed so that
// both sides are read and written in whole cache lines.
func copyTransposed[T any](e *Engine, w *walk, dst, src []T, offset int) {
	const block = 64
	q := 0
	for w.strides[0][q] != 1 || w.dims[q] < 4 {
		q++
	}
	nq, ni, step := w.dims[q], w.inner, w.step[0]
	qStride := ni // of q in dst
	for _, d := range w.dims[q+1:] {
		qStride *= d
	}
	bq, bi := ceil(nq, block), ceil(ni, block)
	rest := w.outer / nq
	low := qStride / ni // rows below q
	f32, isF32 := any(dst).([]float32)
	s32, _ := any(src).([]float32)
	e.spreadRows(rest*bq*bi, block*block, func(t0, t1 int) {
		for t := t0; t < t1; t++ {
			r, b := t/(bq*bi), t%(bq*bi)
			row := r/low*low*nq + r%low // the row of dst with index 0 in q
			q0, i0 := b/bi*block, b%bi*block
			q1, i1 := min(nq, q0+block), min(ni, i0+block)
			so := offset + w.cursor(row).offset[0] + q0 + i0*step
			do := row*ni + q0*qStride + i0
			if isF32 {
				transposeBlock(e.k, q1-q0, i1-i0, at(s32, so), step, at(f32, do), qStride)
				continue
			}
			for i := i0; i < i1; i++ {
				line := src[so+(i-i0)*step:][:q1-q0]
				for p, v := range line {
					dst[do+p*qStride+i-i0] = v
				}
			}
		}
	})
}
