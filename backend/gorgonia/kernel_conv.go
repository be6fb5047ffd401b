package gorgonia

import (
	"fmt"
	"slices"

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

// convolveColumns makes the product of the weights with the matrix that has for
// each position a column of what its window reads: as much of it at a time as the
// product is about to use. Windows of one element need no columns.
func (c *call) convolveColumns(g *convolution) {
	s := spaceOf(g.ws, false)
	point := !slices.ContainsFunc(g.ws, func(w ops.Window) bool {
		return w.Kernel != 1 || w.Stride != 1 || w.Before != 0 || w.Out != w.In
	})
	s, planes := s.unstrided(c, g.x)
	k, p := g.deep*s.taps(), s.size()
	w, ld := c.rowsApart(g.w, g.groups*g.wide, k, p)
	c.eachItem(g, 2*g.wide*k*p, func(e *cpu.Engine, item int) {
		x, y := planes[item*g.deep*s.plane:][:g.deep*s.plane], g.y[item*g.wide*p:][:g.wide*p]
		first := item % g.groups * g.wide
		var bias []float32
		if g.bias != nil {
			bias = g.bias[first : first+g.wide]
		}
		if point {
			e.GemmBias(g.wide, p, k, w[first*ld:], ld, x, p, y, p, bias)
			return
		}
		e.GemmColumns(g.wide, w[first*ld:], ld, s.columns(x, g.deep), y, p, bias)
	})
}

// smallItem is what a product of so many operations is: not worth being shared among threads.
const smallItem = 1 << 22

// eachItem calls f for each group of each element of the batch: one after the other
// with all threads, or, if they are small and many, each on one thread.
func (c *call) eachItem(g *convolution, flops int, f func(e *cpu.Engine, item int)) {
	items := g.batch * g.groups
	if items > 1 && (flops < smallItem || items >= 8*c.engine.Threads()) {
		c.workers(items, func(_, item int) { f(c.serial, item) })
		return
	}
	for item := range items {
		f(c.engine, item)
	}
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
	return g.deep > 1 && s > 1 && g.wide >= 256 && (s <= 64 && s%32 != 0 || s <= 280 && k%256 == 0)
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
