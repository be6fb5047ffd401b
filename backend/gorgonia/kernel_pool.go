package gorgonia

import (
	"math"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// pooled is a pool: its space, its input and its output's shape.
type pooled struct {
	*space
	ws     []ops.Window
	x      []float32
	shape  []int
	planes int
}

func (c *call) pooled() (*pooled, error) {
	x := c.in[0]
	channels := 0
	if len(x.shape) > 1 {
		channels = x.shape[1]
	}
	ws, shape, err := windowed(c.n, x.shape, nil, channels)
	if err != nil {
		return nil, err
	}
	return &pooled{space: spaceOf(ws, false), ws: ws, x: c.floats(x), shape: shape, planes: count(shape[:2])}, nil
}

// maxPool is MaxPool, with the numbers of the largest elements if they are
// read. The first of equal elements counts, as in the reference interpreter.
func maxPool(c *call) ([]*Value, error) {
	if c.n.Attrs.Int("storage_order", 0) != 0 {
		return interpret(c)
	}
	p, err := c.pooled()
	if err != nil {
		return nil, err
	}
	outs := []*Value{c.new(ir.Float, p.shape...)}
	var index []int64
	if len(c.n.Out) > 1 {
		outs = append(outs, c.new(ir.Int64, p.shape...))
		index = flat[int64](outs[1])
	}
	y := flat[float32](outs[0])
	width := p.inner.Out
	found := flat[int32](c.new(ir.Int32, c.numWorkers(p.planes), width))
	c.workers(p.planes, func(worker, plane int) {
		at := found[worker*width : (worker+1)*width]
		for row := range p.rows {
			first := (plane*p.rows + row) * width
			best := y[first : first+width]
			c.largest(p, best, at, p.x[plane*p.plane:(plane+1)*p.plane], row)
			if index == nil {
				continue
			}
			for i, j := range at {
				index[first+i] = int64(max(j, 0)) // an empty window's is 0
				if j >= 0 {
					index[first+i] += int64(plane * p.plane)
				}
			}
		}
	})
	return outs, nil
}

// largest finds the largest element of each window of a row, and which of the
// plane's it is; -∞ and -1 if all of a window is padding.
func (c *call) largest(p *pooled, best []float32, at []int32, x []float32, row int) {
	repeat(best, float32(math.Inf(-1)))
	repeat(at, -1)
	for tap := range p.taps() {
		if g := p.segment(tap, row, 0, len(best)); g.lo < g.hi {
			c.serial.KeepLargest(best[g.lo:g.hi], at[g.lo:g.hi], x[g.at:], p.inner.Stride, g.at)
		}
	}
}

// averagePool is AveragePool.
func averagePool(c *call) ([]*Value, error) {
	p, err := c.pooled()
	if err != nil {
		return nil, err
	}
	out := c.new(ir.Float, p.shape...)
	y := flat[float32](out)
	inverse := p.inverseCounts(c.n.Attrs.Int("count_include_pad", 0) != 0)
	size := p.size()
	c.workers(p.planes, func(_, plane int) {
		d := y[plane*size : (plane+1)*size]
		x := p.x[plane*p.plane : (plane+1)*p.plane]
		clear(d)
		for row := range p.rows {
			p.addRow(d[row*p.inner.Out:(row+1)*p.inner.Out], x, row)
		}
		c.serial.Zip(cpu.Mul, d, d, inverse)
	})
	return one(out)
}

// addRow adds up the elements of each window of a row.
func (p *pooled) addRow(sum, x []float32, row int) {
	stride := p.inner.Stride
	for tap := range p.taps() {
		g := p.segment(tap, row, 0, len(sum))
		j := g.at
		for i := g.lo; i < g.hi; i++ {
			sum[i] += x[j]
			j += stride
		}
	}
}

// inverseCounts returns, for each position, one over the number of elements
// that are averaged.
func (p *pooled) inverseCounts(padding bool) []float32 {
	out := make([]float32, 0, p.size())
	eachIndex(p.out, func(at []int) {
		n := 1
		for k, w := range p.ws {
			n *= w.Count(at[k], padding)
		}
		out = append(out, 1/float32(n))
	})
	return out
}

// globalPool is GlobalAveragePool and GlobalMaxPool.
func globalPool(c *call) ([]*Value, error) {
	x := c.in[0]
	batch, channels, axes, err := spatial(x.shape)
	if err != nil {
		return nil, err
	}
	if x.len() == 0 {
		return interpret(c)
	}
	shape := []int{batch, channels}
	for range axes {
		shape = append(shape, 1)
	}
	out := c.new(ir.Float, shape...)
	y, n := flat[float32](out), count(axes)
	if c.n.Op.Name == "GlobalMaxPool" {
		c.engine.ReduceRows(cpu.MaxOf, len(y), n, y, c.floats(x))
		return one(out)
	}
	c.engine.ReduceRows(cpu.Sum, len(y), n, y, c.floats(x))
	c.engine.ZipScalar(cpu.Mul, y, y, 1/float32(n))
	return one(out)
}
