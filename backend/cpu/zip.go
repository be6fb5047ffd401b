package cpu

// Binary is an elementwise function of two operands.
type Binary uint8

// The binary functions. Max and Min return a NaN if either operand is one.
const (
	Add Binary = iota
	Sub
	Mul
	Div
	Max
	Min
	numBinary
)

// Zip computes dst[i] = op(x[i], y[i]). dst may be x or y.
func (e *Engine) Zip(op Binary, dst, x, y []float32) {
	sameLen("Zip", len(dst), len(x), len(y))
	f := e.k.binary[op].vv
	e.spread(len(dst), func(i, n int) { f(n, at(x, i), at(y, i), at(dst, i)) })
}

// ZipScalar computes dst[i] = op(x[i], y). dst may be x.
func (e *Engine) ZipScalar(op Binary, dst, x []float32, y float32) {
	sameLen("ZipScalar", len(dst), len(x))
	f := e.k.binary[op].vs
	e.spread(len(dst), func(i, n int) { f(n, at(x, i), y, at(dst, i)) })
}

// ScalarZip computes dst[i] = op(x, y[i]). dst may be y.
func (e *Engine) ScalarZip(op Binary, dst []float32, x float32, y []float32) {
	sameLen("ScalarZip", len(dst), len(y))
	f := e.k.binary[op].sv
	e.spread(len(dst), func(i, n int) { f(n, x, at(y, i), at(dst, i)) })
}

// Operand is a strided view of n dimensions: the element at index i is
// Data[Offset + Σ i_d·Strides[d]]. A stride of 0 repeats, which is broadcasting;
// strides may be negative.
type Operand struct {
	Data    []float32
	Offset  int
	Strides []int
}

// Broadcast computes dst = op(x, y) over shape; dst is contiguous, row-major, and
// may be an operand that is contiguous too. A bias row repeated for every row is
// {Data: b, Strides: []int{0, 1}}, a factor per row {Data: f, Strides: []int{1, 0}}.
func (e *Engine) Broadcast(op Binary, shape []int, dst []float32, x, y Operand) {
	w := newWalk(shape, x.Strides, y.Strides)
	w.check("Broadcast", len(dst), span{x.Offset, len(x.Data)}, span{y.Offset, len(y.Data)})
	if len(dst) == 0 {
		return
	}
	f := e.k.binary[op]
	// long rows are cut, short ones grouped
	width := min(w.inner, grain)
	parts := ceil(w.inner, width)
	sx, sy := w.step[0], w.step[1]
	e.spreadRows(w.outer*parts, width, func(r0, r1 int) {
		var bx, by *[]float32
		if sx > 1 || sx < 0 {
			bx = borrow(&e.large, width)
			defer e.large.Put(bx)
		}
		if sy > 1 || sy < 0 {
			by = borrow(&e.large, width)
			defer e.large.Put(by)
		}
		place := w.cursor(r0 / parts)
		for r := r0; r < r1; r++ {
			row, j := r/parts, r%parts*width
			n := min(width, w.inner-j)
			off := place.offset
			d := at(dst, row*w.inner+j)
			px, ix := gather(bx, x.Data, x.Offset+off[0]+j*sx, sx, n)
			py, iy := gather(by, y.Data, y.Offset+off[1]+j*sy, sy, n)
			switch {
			case ix == 0 && iy == 0:
				f.vs(1, px, *py, d)
				fill(view(d, n), *d)
			case ix == 0:
				f.sv(n, *px, py, d)
			case iy == 0:
				f.vs(n, px, *py, d)
			default:
				f.vv(n, px, py, d)
			}
			if j+n == w.inner {
				place.next()
			}
		}
	})
}

// gather returns n elements with a step of 1, or one to repeat with a step of 0:
// those in place, or a copy of others in buf.
func gather(buf *[]float32, data []float32, start, step, n int) (*float32, int) {
	if buf == nil {
		return at(data, start), step
	}
	for i, d := 0, (*buf)[:n]; i < n; i++ {
		d[i] = data[start+i*step]
	}
	return at(*buf, 0), 1
}

func fill(s []float32, v float32) {
	for i := range s {
		s[i] = v
	}
}
