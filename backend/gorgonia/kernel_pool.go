package gorgonia

import (
	"math"
	"slices"

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
	workers := c.numWorkers(p.planes)
	found := flat[int32](c.new(ir.Int32, workers, width))
	room := p.lineRoom()
	lines := flat[float32](c.new(ir.Float, workers, room))
	c.workers(p.planes, func(worker, plane int) {
		at, line := found[worker*width:(worker+1)*width], lines[worker*room:(worker+1)*room]
		x := p.x[plane*p.plane : (plane+1)*p.plane]
		for row := range p.rows {
			first := (plane*p.rows + row) * width
			best := y[first : first+width]
			if index == nil && p.taps() > 4 && c.largestOf(p, best, line, x, row) {
				continue
			}
			c.largest(p, best, at, x, row)
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

// lineRoom is what largestOf needs: a line of the input, once as it is and once in phases.
func (p *pooled) lineRoom() int { return 2*p.inner.In + p.inner.Stride + 1 }

// largestOf finds the largest elements of a row's windows, but not where they are:
// along the outer axes first, where neighbours are compared with neighbours, and then
// along the line. It returns false if a window may hold a NaN, which may or may not
// count as the largest. Windows of 2×2 take half as long again as by largest, those of
// 3×3 half as long.
func (c *call) largestOf(p *pooled, best, room, x []float32, row int) bool {
	in, s := p.inner.In, p.inner.Stride
	rest := room[in:]
	var line []float32 // the largest so far
	for outer := range p.outerTaps {
		start := p.starts[outer*p.rows+row]
		switch {
		case start < 0:
		case line == nil:
			line = x[start : start+in]
		default:
			c.larger(room[:in], line, x[start:start+in])
			line = room[:in]
		}
	}
	if line == nil {
		repeat(best, float32(math.Inf(-1)))
		return true
	}
	length := (in + s - 1) / s // of a phase of the line
	if s > 1 {
		for phase := range min(s, in) {
			c.every(rest[phase*length:][:(in-phase+s-1)/s], line[phase:], s)
		}
		line = rest
	}
	found := func(r reach) []float32 {
		phase := (r.at%s + s) % s
		return line[phase*length+(r.at-phase)/s+r.lo:][:r.hi-r.lo]
	}
	// A tap that finds an element at every position is what others are compared with.
	first := slices.IndexFunc(p.reaches, func(r reach) bool { return r.lo == 0 && r.hi == len(best) })
	if first >= 0 {
		copy(best, found(p.reaches[first]))
	} else {
		repeat(best, float32(math.Inf(-1)))
	}
	for i, r := range p.reaches {
		if i != first && r.lo < r.hi {
			c.larger(best[r.lo:r.hi], best[r.lo:r.hi], found(r))
		}
	}
	sum := rest[:1]
	c.serial.ReduceStrips(cpu.Sum, 1, len(best), cpu.Strip{Data: sum}, cpu.Strip{Data: best})
	return sum[0] == sum[0]
}

// larger is dst = max(x, y), on the caller.
func (c *call) larger(dst, x, y []float32) {
	c.serial.ZipStrips(cpu.Max, 1, len(dst), cpu.Strip{Data: dst}, cpu.Strip{Data: x}, cpu.Strip{Data: y})
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
