package gorgonia

import (
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// bands say where the matrices in the last two axes of a value may hold anything
// but zeros: attention weights, and what relevance makes of them, under whatever
// mask there was. They are measured, never assumed.
type bands struct {
	of    []cpu.Band // by matrix, in the order of the leading axes
	trans bool       // of the transposed matrices
}

// worthwhile is the part of a matrix within its band above which the band is not
// worth using, or measuring in short rows.
const (
	worthwhile = 0.85
	shortRow   = 32
)

// newBands returns bands for matrices of the given shape, to be measured.
func newBands(shape []int) *bands {
	r := len(shape)
	rows := shape[r-2]
	b := &bands{of: make([]cpu.Band, count(shape[:r-2]))}
	borders := make([]int32, 2*rows*len(b.of))
	for i := range b.of {
		b.of[i] = cpu.Band{Lo: borders[2*i*rows:][:rows], Hi: borders[(2*i+1)*rows:][:rows]}
	}
	return b
}

// measure sets the border of the row at row-major index i to what its elements say, the
// first of which is in column from; there is nothing beside them.
func (b *bands) measure(i int, row []uint32, from int) {
	rows := len(b.of[0].Lo)
	band := b.of[i/rows]
	hi := lastNonzero(row)
	lo := 0
	for lo < hi && row[lo]<<1 == 0 { // of -0 too
		lo++
	}
	if hi == 0 {
		from = 0
	}
	band.Lo[i%rows], band.Hi[i%rows] = int32(from+lo), int32(from+hi)
}

// lastNonzero returns the number of elements up to the last that is not 0 or -0.
func lastNonzero(row []uint32) int {
	n := len(row)
	for n >= 8 {
		x := row[n-8 : n : n]
		if (x[0]|x[1]|x[2]|x[3]|x[4]|x[5]|x[6]|x[7])<<1 != 0 {
			break
		}
		n -= 8
	}
	for n > 0 && row[n-1]<<1 == 0 {
		n--
	}
	return n
}

// useful returns b, or nil if too little of rows of n elements is outside of it.
func (b *bands) useful(n int) *bands {
	inside, rows := 0, 0
	for _, band := range b.of {
		for i := range band.Lo {
			inside += int(band.Hi[i] - band.Lo[i])
		}
		rows += len(band.Lo)
	}
	if float64(inside) > worthwhile*float64(rows*n) {
		return nil
	}
	return b
}

// bandsOf measures a contiguous float32 value.
func (c *call) bandsOf(v *Value) *bands {
	r := len(v.shape)
	if r < 2 || v.elem != ir.Float || v.shape[r-1] < shortRow || v.len() == 0 {
		return nil
	}
	b, n := newBands(v.shape), v.shape[r-1]
	bits := flat[uint32](v)
	rows := v.len() / n
	const some = 64
	c.engine.Run((rows+some-1)/some, func(t int) {
		for i := t * some; i < min(rows, (t+1)*some); i++ {
			b.measure(i, bits[i*n:][:n], 0)
		}
	})
	return b.useful(n)
}

// multiplied reports whether a product of matrices reads v, as it is or transposed.
func multiplied(v *ir.Value) bool {
	return slices.ContainsFunc(v.Uses(), func(u ir.Use) bool {
		switch u.Node.Op.String() {
		case "MatMul":
			return true
		case "Transpose":
			return multiplied(u.Node.Out[0])
		}
		return false
	})
}

// banded computes the products of gemmInto by the bands of an operand, or of what
// is wanted of the result, and reports whether there were any. A product with a
// zero may be left out if the other factor is finite: 0·∞ and 0·NaN are NaN.
func (c *call) banded(y []float32, m, n, k int, lead []int, a, b *Value) bool {
	if m == 1 || n == 1 {
		return false
	}
	fits := func(b *bands) bool { return b != nil && len(b.of) == count(lead) }
	of, by := cpu.BandOfC, c.want
	switch {
	case fits(by):
	case fits(a.bands) && c.finite(b):
		by, of = a.bands, cpu.BandOfA
		if by.trans {
			of = cpu.BandOfAT
		}
	case fits(b.bands) && c.finite(a):
		by, of = b.bands, cpu.BandOfB
		if by.trans {
			of = cpu.BandOfBT
		}
	default:
		return false
	}
	am, bm := c.asMatrix(a), c.asMatrix(b)
	whole := func(v *Value) []float32 { return as[float32](&Value{buf: v.buf}) }
	c.engine.GemmBand(m, n, k, whole(am.v), am.ld, am.trans, offsets(am.v, lead), whole(bm.v), bm.ld, bm.trans, offsets(bm.v, lead),
		y, n, cpu.Steps(len(by.of), m*n), of, by.of)
	return true
}

// lying returns the elements of v in the order in which they lie in memory, nil if
// there are others between them.
func lying(v *Value) []float32 {
	order, st := make([]int, 0, len(v.shape)), v.stride()
	for i, d := range v.shape {
		if d != 1 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return st[j] - st[i] })
	if !permuted(v, order).contiguous() {
		return nil
	}
	return as[float32](v)[:v.len()]
}

// finite reports whether no element is infinite or a NaN. It may say no where only
// their sum is infinite, or where it would have to look at others as well.
func (c *call) finite(v *Value) bool {
	x := lying(v)
	if len(x) == 0 {
		return false
	}
	sums := make([]float32, (len(x)+chunk-1)/chunk)
	c.inChunks(len(x), func(lo, hi int) {
		c.serial.ReduceRows(cpu.SumAbs, 1, hi-lo, sums[lo/chunk:][:1], x[lo:hi])
	})
	for _, s := range sums {
		if s-s != 0 { // ∞ - ∞ is a NaN
			return false
		}
	}
	return true
}
