package cpu

import "fmt"

// Coded is a matrix of codes of four bits that stand for the numbers of a table,
// such as quantiles of the normal distribution (NF4). Two lie in a byte, the first in
// its high bits; every Block of them, counted row by row, has a scale.
type Coded struct {
	Rows, Cols int
	Table      *[16]float32
	Data       []byte
	Block      int
	Scale      []float32
	HalfScale  *Half // as long, instead of Scale
}

// Dims returns the number of rows and columns.
func (c *Coded) Dims() (rows, cols int) { return c.Rows, c.Cols }

func (c *Coded) check() {
	if c.Block < 1 || c.Table == nil {
		panic(fmt.Sprintf("cpu.Coded: blocks of %d, and a table: %t", c.Block, c.Table != nil))
	}
	n, scales := c.Rows*c.Cols, len(c.Scale)
	if c.HalfScale != nil {
		scales = len(c.HalfScale.Data)
	}
	if len(c.Data) < (n+1)/2 || scales < ceil(n, c.Block) {
		panic(fmt.Sprintf("cpu.Coded: %d×%d in blocks of %d has %d bytes and %d scales: too few", c.Rows, c.Cols, c.Block, len(c.Data), scales))
	}
}

func (c *Coded) widen(_ *Engine, i, rows, j, cols int, dst []float32, ld int) {
	for r := range rows {
		first := (i+r)*c.Cols + j
		for d := dst[r*ld:][:cols]; len(d) > 0; {
			block := first / c.Block
			n := min(len(d), (block+1)*c.Block-first)
			c.decode(d[:n], first, c.scaleOf(block))
			d, first = d[n:], first+n
		}
	}
}

func (c *Coded) scaleOf(block int) float32 {
	if c.HalfScale != nil {
		return c.HalfScale.at(block)
	}
	return c.Scale[block]
}

// decode writes the elements of one block from the one at index first on. The
// products with the scale are those of the table's 16 numbers.
func (c *Coded) decode(d []float32, first int, scale float32) {
	var table [16]float32
	for k, v := range c.Table {
		table[k] = v * scale
	}
	if first%2 == 1 {
		d[0] = table[c.Data[first/2]&15]
		d, first = d[1:], first+1
	}
	src := c.Data[first/2:]
	for k := range len(d) / 2 {
		b := src[k]
		d[2*k], d[2*k+1] = table[b>>4], table[b&15]
	}
	if n := len(d); n%2 == 1 {
		d[n-1] = table[src[n/2]>>4]
	}
}
