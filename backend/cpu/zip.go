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
	width := min(w.inner, grain) // long rows are cut, short ones grouped
	parts := ceil(w.inner, width)
	e.spreadRows(w.outer*parts, width, func(r0, r1 int) {
		sx, sy := e.newSource(x, w.step[0], width), e.newSource(y, w.step[1], width)
		defer sx.release(e)
		defer sy.release(e)
		place := w.cursor(r0 / parts)
		for r := r0; r < r1; r++ {
			row, j := r/parts, r%parts*width
			n := min(width, w.inner-j)
			f.run(n, sx.piece(place.offset[0], j, n), sy.piece(place.offset[1], j, n), at(dst, row*w.inner+j))
			if j+n == w.inner {
				place.next()
			}
		}
	})
}

// source gives the rows of an operand to the kernels, which want elements that are
// neighbours or one that is repeated.
type source struct {
	Operand
	step int
	buf  *[]float32 // for copies of rows with another step
}

func (e *Engine) newSource(o Operand, step, width int) source {
	s := source{Operand: o, step: step}
	if step != 0 && step != 1 {
		s.buf = borrow(&e.large, width)
	}
	return s
}

func (s source) release(e *Engine) {
	if s.buf != nil {
		e.large.Put(s.buf)
	}
}

// piece is n elements from j on of the row that starts at row.
func (s source) piece(row, j, n int) piece {
	start := s.Offset + row + j*s.step
	if s.buf == nil {
		return piece{at(s.Data, start), s.step == 0}
	}
	for i, d := 0, (*s.buf)[:n]; i < n; i++ {
		d[i] = s.Data[start+i*s.step]
	}
	return piece{at(*s.buf, 0), false}
}

// piece is neighbouring elements, or one that is repeated.
type piece struct {
	p        *float32
	repeated bool
}

// run picks the form for the operands.
func (f binaryKernels) run(n int, x, y piece, dst *float32) {
	switch {
	case x.repeated && y.repeated:
		f.vs(1, x.p, *y.p, dst)
		fill(view(dst, n), *dst)
	case x.repeated:
		f.sv(n, *x.p, y.p, dst)
	case y.repeated:
		f.vs(n, x.p, *y.p, dst)
	default:
		f.vv(n, x.p, y.p, dst)
	}
}

func fill(s []float32, v float32) {
	for i := range min(len(s), 8) {
		s[i] = v
	}
	for n := 8; n < len(s); n *= 2 { // copying is several times as fast as a loop
		copy(s[n:], s[:n])
	}
}
