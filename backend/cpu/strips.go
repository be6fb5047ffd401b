package cpu

import (
	"fmt"
	"math"
)

// A Strip is rows that are Step elements apart: row r is the n elements from
// Data[r·Step] on or, of a Number, that one element n times. With Step 0 every row is
// the first. The functions of strips are for a few rows that their caller has in its
// cache: they compute what the functions of the same names compute of whole tensors, to
// the bit, and stay on their caller. A result may be an operand that lies alike.
type Strip struct {
	Data   []float32
	Step   int
	Number bool
}

// From is the strip of the same rows that starts so many columns later.
func (s Strip) From(column int) Strip {
	s.Data = s.Data[column:]
	return s
}

// Row is row r alone.
func (s Strip) Row(r int) Strip {
	s.Data = s.Data[r*s.Step:]
	return s
}

func (s Strip) check(name string, rows, n int) {
	if s.Number {
		n = 1
	}
	if end := (rows-1)*s.Step + n; s.Step < 0 || end > len(s.Data) {
		panic(fmt.Sprintf("cpu.%s: %d rows of %d elements, %d apart, need %d elements and have %d", name, rows, n, s.Step, end, len(s.Data)))
	}
}

// solid says that the rows are as one long row.
func (s Strip) solid(n int) bool {
	if s.Number {
		return s.Step == 0
	}
	return s.Step == n
}

func (s Strip) row(r int) *float32 { return at(s.Data, r*s.Step) }

func (s Strip) piece(r int) piece { return piece{s.row(r), s.Number} }

// ZipStrips computes dst = op(x, y) for rows of n elements.
func (e *Engine) ZipStrips(op Binary, rows, n int, dst, x, y Strip) {
	if rows == 0 || n == 0 {
		return
	}
	dst.check("ZipStrips", rows, n)
	x.check("ZipStrips", rows, n)
	y.check("ZipStrips", rows, n)
	if dst.solid(n) && x.solid(n) && y.solid(n) {
		rows, n = 1, rows*n
	}
	f := &e.k.binary[op]
	switch { // once, not for every row: some have a few elements only
	case x.Number && y.Number:
		for r := range rows {
			f.run(n, x.piece(r), y.piece(r), dst.row(r))
		}
	case x.Number:
		for r := range rows {
			f.sv(n, *x.row(r), y.row(r), dst.row(r))
		}
	case y.Number:
		for r := range rows {
			f.vs(n, x.row(r), *y.row(r), dst.row(r))
		}
	default:
		for r := range rows {
			f.vv(n, x.row(r), y.row(r), dst.row(r))
		}
	}
}

// MapStrips computes dst = op(x) for rows of n elements; x is no Number.
func (e *Engine) MapStrips(op Unary, rows, n int, dst, x Strip) {
	if rows == 0 || n == 0 {
		return
	}
	dst.check("MapStrips", rows, n)
	x.check("MapStrips", rows, n)
	if dst.solid(n) && x.solid(n) {
		rows, n = 1, rows*n
	}
	f := e.k.unary[op]
	for r := range rows {
		f(n, x.row(r), dst.row(r))
	}
}

// CopyStrip copies rows of n elements.
func CopyStrip(rows, n int, dst, x Strip) {
	if rows == 0 || n == 0 {
		return
	}
	dst.check("CopyStrip", rows, n)
	x.check("CopyStrip", rows, n)
	for r := range rows {
		to := dst.Data[r*dst.Step:][:n]
		switch from := x.Data[r*x.Step:]; {
		case !x.Number:
			copy(to, from)
		case math.Float32bits(from[0]) == 0: // several times as fast
			clear(to)
		default:
			fill(to, from[0])
		}
	}
}

// ReduceStrips computes dst, rows of one number, from rows of n elements, n > 0.
func (e *Engine) ReduceStrips(op Reduce, rows, n int, dst, x Strip) {
	if rows == 0 {
		return
	}
	dst.check("ReduceStrips", rows, 1)
	x.check("ReduceStrips", rows, n)
	f := e.k.reduce[op]
	for r := range rows {
		*dst.row(r) = f(n, x.row(r))
	}
}

// SoftmaxStrips computes dst = softmax(x) of each row of n elements.
func (e *Engine) SoftmaxStrips(rows, n int, dst, x Strip) {
	if rows == 0 || n == 0 {
		return
	}
	dst.check("SoftmaxStrips", rows, n)
	x.check("SoftmaxStrips", rows, n)
	for r := range rows {
		e.softmaxRow(n, dst.row(r), x.row(r))
	}
}

// RMSNormStrips computes dst = x / √(mean(x²)+eps) · w for rows of n elements.
func (e *Engine) RMSNormStrips(rows, n int, dst, x Strip, w []float32, eps float32) {
	if rows == 0 || n == 0 {
		return
	}
	sameLen("RMSNormStrips: weights", len(w), n)
	dst.check("RMSNormStrips", rows, n)
	x.check("RMSNormStrips", rows, n)
	for r := range rows {
		e.rmsRow(n, dst.row(r), x.row(r), at(w, 0), eps)
	}
}
