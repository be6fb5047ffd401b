package cpu

import "fmt"

// Ints is a type of small integers.
type Ints uint8

// The types of small integers. Those of four bits lie two in a byte, the first in
// its low bits.
const (
	Int8 Ints = iota
	Uint8
	Int4
	Uint4
	numInts
)

// Quantized is a matrix of small integers q that stand for (q - zero)·scale, where
// scale and zero are those of the element's block.
type Quantized struct {
	Rows, Cols int
	Ints       Ints
	Data       []byte // Rows·Cols integers, row-major, with no gaps between rows

	BlockRows, BlockCols int       // of a block; those at the ends may be smaller
	Period               int       // if not 0, blocks begin anew every so many rows, as those of a stack of matrices do
	Repeat               bool      // ... and have the scales and zeros of the first so many rows
	Scale                []float32 // of every block, row-major
	HalfScale            *Half     // as long, instead of Scale
	Zero                 []byte    // of every block, as Ints; nil is 0 for all
}

// Dims returns the number of rows and columns.
func (q *Quantized) Dims() (rows, cols int) { return q.Rows, q.Cols }

func (q *Quantized) check() {
	if q.BlockRows < 1 || q.BlockCols < 1 || q.Period < 0 || q.Ints >= numInts {
		panic(fmt.Sprintf("cpu.Quantized: blocks of %d×%d of type %d, anew every %d rows", q.BlockRows, q.BlockCols, q.Ints, q.Period))
	}
	blocks := 0
	if q.Rows > 0 {
		blocks = (q.down(q.Rows-1) + 1) * q.across()
		if q.Period > 0 && q.Repeat {
			blocks = ceil(min(q.Rows, q.Period), q.BlockRows) * q.across()
		}
	}
	scales := len(q.Scale)
	if q.HalfScale != nil {
		scales = len(q.HalfScale.Data)
	}
	if len(q.Data) < q.Ints.bytes(q.Rows*q.Cols) || scales < blocks || q.Zero != nil && len(q.Zero) < q.Ints.bytes(blocks) {
		panic(fmt.Sprintf("cpu.Quantized: %d×%d in %d blocks has %d bytes, %d scales and %d bytes of zeros: too few", q.Rows, q.Cols, blocks, len(q.Data), scales, len(q.Zero)))
	}
}

// across is how many blocks lie side by side.
func (q *Quantized) across() int { return ceil(q.Cols, q.BlockCols) }

// down is how many blocks lie above the one that row i is in.
func (q *Quantized) down(i int) int {
	if q.Period == 0 {
		return i / q.BlockRows
	}
	block := i % q.Period / q.BlockRows
	if q.Repeat {
		return block
	}
	return i/q.Period*ceil(q.Period, q.BlockRows) + block
}

func (t Ints) nibbles() bool { return t == Int4 || t == Uint4 }

// bytes is what n integers take.
func (t Ints) bytes(n int) int {
	if t.nibbles() {
		return (n + 1) / 2
	}
	return n
}

func (q *Quantized) widen(e *Engine, i, rows, j, cols int, dst []float32, ld int) {
	if q.BlockCols == 1 {
		q.widenColumns(e, i, rows, j, cols, dst, ld)
		return
	}
	for r := range rows {
		block := q.down(i+r) * q.across()
		for c := j; c < j+cols; {
			b := c / q.BlockCols
			n := min(j+cols, (b+1)*q.BlockCols) - c
			var zero float32
			if q.Zero != nil {
				zero = q.Ints.at(q.Zero, block+b)
			}
			e.k.scale(q.Ints, n, q.Data, (i+r)*q.Cols+c, zero, q.scaleOf(block+b), dst[r*ld+c-j:])
			c += n
		}
	}
}

func (q *Quantized) scaleOf(block int) float32 {
	if q.HalfScale != nil {
		return q.HalfScale.at(block)
	}
	return q.Scale[block]
}

// widenColumns is widen for blocks of one column: every column has a scale of its own.
func (q *Quantized) widenColumns(e *Engine, i, rows, j, cols int, dst []float32, ld int) {
	buf := borrow(&e.bufs, 2*cols)
	defer e.bufs.Put(buf)
	zero, scale := (*buf)[:cols], (*buf)[cols:2*cols]
	clear(zero)
	last := -1
	for r := range rows {
		if block := q.down(i + r); block != last {
			last = block
			first := block*q.Cols + j
			if q.Zero != nil {
				e.k.scale(q.Ints, cols, q.Zero, first, 0, 1, zero)
			}
			if h := q.HalfScale; h != nil {
				h.row(e, first, cols, at(scale, 0))
			} else {
				scale = q.Scale[first:]
			}
		}
		e.k.scaleEach(q.Ints, cols, q.Data, (i+r)*q.Cols+j, zero, scale, dst[r*ld:])
	}
}

// scale writes n integers of src, from the one at index first on, as
// (integer - zero)·scale.
func (k *kernels) scale(t Ints, n int, src []byte, first int, zero, scale float32, dst []float32) {
	f := k.scaleInts[t]
	from, to := 0, 0
	if f != nil {
		from, to = k.wholes(t, n, first)
	}
	if from < to {
		f(to-from, &src[t.bytes(first)], zero, scale, at(dst, from))
	}
	for i := range from {
		dst[i] = (t.at(src, first+i) - zero) * scale
	}
	for i := to; i < n; i++ {
		dst[i] = (t.at(src, first+i) - zero) * scale
	}
}

// scaleEach is scale with a zero and a scale for each.
func (k *kernels) scaleEach(t Ints, n int, src []byte, first int, zero, scale, dst []float32) {
	f := k.scaleIntsEach[t]
	from, to := 0, 0
	if f != nil {
		from, to = k.wholes(t, n, first)
	}
	if from < to {
		f(to-from, &src[t.bytes(first)], at(zero, from), at(scale, from), at(dst, from))
	}
	for i := range from {
		dst[i] = (t.at(src, first+i) - zero[i]) * scale[i]
	}
	for i := to; i < n; i++ {
		dst[i] = (t.at(src, first+i) - zero[i]) * scale[i]
	}
}

// wholes is which of n integers, from the one at index first on, a kernel does:
// those that fill registers and, of four bits, begin with a byte.
func (k *kernels) wholes(t Ints, n, first int) (from, to int) {
	if t.nibbles() {
		from = min(first&1, n)
	}
	return from, from + (n-from)&^(k.lanes-1)
}

// at is integer i.
func (t Ints) at(s []byte, i int) float32 {
	switch t {
	case Int8:
		return float32(int8(s[i]))
	case Uint8:
		return float32(s[i])
	case Int4:
		return float32(int8(s[i/2]>>(i&1*4)<<4) >> 4)
	}
	return float32(s[i/2] >> (i & 1 * 4) & 15)
}
