package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// A convolution is y[b, o, p] = bias[o] + Σ w[o, c, k]·x[b, c, p·stride + k…],
// all memory contiguous, channels in groups.
type convolution struct {
	batch, groups int
	deep, wide    int // input and output channels of a group
	ws            []ops.Window
	x, w, y       []float32
	bias          []float32 // nil for none
}

// conv is Conv.
func conv(c *call) ([]*Value, error) {
	x, w := c.in[0], c.in[1]
	groups := int(c.n.Attrs.Int("group", 1))
	if len(x.shape) < 3 || len(w.shape) != len(x.shape) || groups < 1 || w.shape[1]*groups != x.shape[1] || w.shape[0]%groups != 0 {
		return nil, fmt.Errorf("input of shape %v and weights of shape %v do not fit in %d groups", x.shape, w.shape, groups)
	}
	ws, shape, err := windowed(c.n, x.shape, w.shape[2:], w.shape[0])
	if err != nil {
		return nil, err
	}
	bias, err := c.biasOf(w.shape[0])
	if err != nil {
		return nil, err
	}
	y := c.new(ir.Float, shape...)
	c.convolve(&convolution{
		batch: shape[0], groups: groups, deep: w.shape[1], wide: w.shape[0] / groups, ws: ws,
		x: c.floats(x), w: c.floats(c.unpacked(w)), y: flat[float32](y), bias: bias,
	})
	return one(y)
}

// biasOf returns input 2, nil if it is omitted.
func (c *call) biasOf(channels int) ([]float32, error) {
	if len(c.in) < 3 || c.in[2] == nil {
		return nil, nil
	}
	b := c.in[2]
	if len(b.shape) != 1 || b.shape[0] != channels {
		return nil, fmt.Errorf("bias of shape %v for %d channels", b.shape, channels)
	}
	return c.floats(b), nil
}

func (c *call) convolve(g *convolution) {
	switch {
	case len(g.y) == 0:
	case g.deep == 0:
		g.fillBias(0, g.batch*g.groups*g.wide, 0, len(g.y)/(g.batch*g.groups*g.wide))
	case g.few():
		c.convolveFew(g)
	case g.fewPositions():
		c.convolveTurned(g)
	case g.deep == 1 && len(g.ws) <= 2 && g.numPhases() <= 16:
		c.convolveDepthwise(g)
	default:
		c.convolveColumns(g)
	}
}

// columnFloats is the size of a block of columns: half of a core's second level
// cache of 1 MiB. From a quarter to all of it the time differs by 5 %.
const columnFloats = 128 << 10

// convolveColumns makes the product of the weights with the matrix that has for
// each position a column of what its window reads, a block of positions at a
// time. Windows of one element need no columns.
func (c *call) convolveColumns(g *convolution) {
	s := spaceOf(g.ws, false)
	point := s.taps() == 1 && s.size() == s.plane && s.inner.Stride == 1 && s.inner.Before == 0
	s, planes := s.unstrided(c, g.x)
	k, p := g.deep*s.taps(), s.size()
	w, ld := c.rowsApart(g.w, g.groups*g.wide, k, p)
	block := min(max(columnFloats/(k+g.wide)&^31, 64), p)
	blocks := (p + block - 1) / block
	tasks := g.batch * g.groups * blocks

	// With too few blocks for the threads, the threads share each block.
	engine, each := c.serial, c.workers
	shared := tasks < 2*c.engine.Threads() && c.engine.Threads() > 1
	if shared {
		engine, each = c.engine, alone
	}
	var columns []float32
	if !point {
		columns = flat[float32](c.new(ir.Float, c.numWorkers(tasks), k*block))
	}
	each(tasks, func(worker, task int) {
		item, p0 := task/blocks, task%blocks*block
		n := min(block, p-p0)
		x := planes[item*g.deep*s.plane:]
		cols, step := x[p0:], p
		if !point {
			cols, step = columns[worker*k*block:(worker+1)*k*block], n
			row := func(r int) { s.gather(cols[r*n:(r+1)*n], x[r/s.taps()*s.plane:], r%s.taps(), p0) }
			if shared {
				c.engine.Run(k, row)
			} else {
				for r := range k {
					row(r)
				}
			}
		}
		g.fillBias(item*g.wide, g.wide, p0, n)
		group := item % g.groups
		engine.Gemm(g.wide, n, k, w[group*g.wide*ld:], ld, false, cols, step, false, g.y[item*g.wide*p+p0:], p, g.bias != nil)
	})
}

// fewPositions reports whether the product is better made the other way round:
// 32 columns are made at a time, and 49 positions would fill 64; and weights
// whose rows crowd the cache would have to be copied first.
func (g *convolution) fewPositions() bool {
	s, k := 1, g.deep
	for _, w := range g.ws {
		s *= w.Out
		k *= w.Kernel
	}
	return g.deep > 1 && s > 1 && g.wide >= 64 && (s <= 64 && s%32 != 0 || s <= 280 && k%256 == 0)
}

// convolveTurned makes the product of the columns, turned, with the weights,
// and turns the result.
func (c *call) convolveTurned(g *convolution) {
	s, planes := spaceOf(g.ws, false).unstrided(c, g.x)
	k, p := g.deep*s.taps(), s.size()
	columns := flat[float32](c.new(ir.Float, k, p))
	turned := flat[float32](c.new(ir.Float, p, g.wide))
	for item := range g.batch * g.groups {
		x := planes[item*g.deep*s.plane:]
		c.engine.Run(k, func(r int) { s.gather(columns[r*p:(r+1)*p], x[r/s.taps()*s.plane:], r%s.taps(), 0) })
		group := item % g.groups
		c.engine.Gemm(p, g.wide, k, columns, p, true, g.w[group*g.wide*k:], k, true, turned, g.wide, false)
		y := g.y[item*g.wide*p : (item+1)*g.wide*p]
		cpu.CopyStrided(c.engine, y, []int{g.wide, p}, turned, 0, []int{1, g.wide})
		if g.bias != nil {
			rows := cpu.Operand{Data: y, Strides: []int{p, 1}}
			c.engine.Broadcast(cpu.Add, []int{g.wide, p}, y, rows, cpu.Operand{Data: g.bias, Offset: group * g.wide, Strides: []int{1, 0}})
		}
	}
}

// alone runs tasks one after the other.
func alone(n int, f func(worker, task int)) {
	for t := range n {
		f(0, t)
	}
}

// fillBias sets n elements from p0 on of each of the given planes of y to their
// channel's bias.
func (g *convolution) fillBias(first, planes, p0, n int) {
	channels := g.groups * g.wide
	p := len(g.y) / (g.batch * channels)
	for i := first; i < first+planes; i++ {
		d := g.y[i*p+p0 : i*p+p0+n]
		if g.bias == nil {
			clear(d)
			continue
		}
		repeat(d, g.bias[i%channels])
	}
}

// rowsApart returns a matrix of rows of k elements such that the rows do not
// crowd one set of the cache, and their distance. A product would make a copy
// whose rows are not a multiple of 1 KiB apart, too, but once for every block.
func (c *call) rowsApart(w []float32, rows, k, columns int) ([]float32, int) {
	if k%256 != 0 || columns <= 64 {
		return w, k
	}
	ld := k + 16
	out := flat[float32](c.new(ir.Float, rows, ld))
	c.engine.Run(rows, func(i int) { copy(out[i*ld:i*ld+k], w[i*k:(i+1)*k]) })
	return out, ld
}
