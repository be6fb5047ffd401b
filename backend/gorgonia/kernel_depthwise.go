package gorgonia

import (
	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// phases is how a plane is laid out for a depthwise convolution, of one or two
// spatial axes: an output is a sum of planes times numbers, each plane a shift
// of the input. With strides the input is first divided into phases, one for
// each remainder of the position by the stride, so that in each of them
// neighbouring outputs read neighbouring elements. Rows of all planes have one
// pitch, so that a plane is one long vector. The elements beyond the end of a
// row are computed and thrown away.
type phases struct {
	v, h     axisPhases // vertical, horizontal
	pitch    int
	size     int   // floats of one phase
	acc      int   // floats of the accumulator
	taps     []int // where in the phases, which lie one after the other, each tap of the window begins
	vertical int   // output rows
}

// axisPhases is one axis: what is read of it.
type axisPhases struct {
	in, out, stride, before int
	reach                   int // positions that taps reach beyond the output, in a phase
}

func phasesOf(g *convolution) *phases {
	ws := g.ws
	ph := &phases{v: axisPhases{in: 1, out: 1, stride: 1}}
	vKernel, vDilation := 1, 1
	if len(ws) == 2 {
		w := ws[0]
		ph.v = axisPhases{in: w.In, out: w.Out, stride: w.Stride, before: w.Before, reach: (w.Kernel - 1) * w.Dilation / w.Stride}
		vKernel, vDilation = w.Kernel, w.Dilation
	}
	w := ws[len(ws)-1]
	ph.h = axisPhases{in: w.In, out: w.Out, stride: w.Stride, before: w.Before, reach: (w.Kernel - 1) * w.Dilation / w.Stride}
	ph.vertical = ph.v.out
	ph.pitch = ph.h.out + ph.h.reach
	ph.acc = ph.v.out * ph.pitch
	ph.size = (ph.v.out+ph.v.reach)*ph.pitch + ph.h.reach
	for i := range vKernel {
		for j := range w.Kernel {
			y, x := i*vDilation, j*w.Dilation
			phase := y%ph.v.stride*ph.h.stride + x%ph.h.stride
			ph.taps = append(ph.taps, phase*ph.size+y/ph.v.stride*ph.pitch+x/ph.h.stride)
		}
	}
	return ph
}

// split writes the phases of plane x to dst, zeros for padding.
func (ph *phases) split(e *cpu.Engine, dst, x []float32) {
	for ry := range ph.v.stride {
		for rx := range ph.h.stride {
			d := dst[(ry*ph.h.stride+rx)*ph.size:][:ph.size]
			for i := range ph.v.out + ph.v.reach {
				row := d[i*ph.pitch : (i+1)*ph.pitch]
				y := i*ph.v.stride + ry - ph.v.before
				if y < 0 || y >= ph.v.in {
					clear(row)
					continue
				}
				ph.splitRow(e, row, x[y*ph.h.in:(y+1)*ph.h.in], rx-ph.h.before)
			}
			clear(d[ph.size-ph.h.reach:])
		}
	}
}

// splitRow writes every stride-th element of x from element first on, zeros
// where there is none.
func (ph *phases) splitRow(e *cpu.Engine, row, x []float32, first int) {
	s := ph.h.stride
	lo := min(max(ceilDiv(-first, s), 0), len(row))
	hi := min(max(ceilDiv(len(x)-first, s), lo), len(row))
	clear(row[:lo])
	clear(row[hi:])
	switch {
	case lo == hi:
	case s == 2:
		e.Evens(row[lo:hi], x[first+lo*s:])
	default:
		every(row[lo:hi], x[first+lo*s:], s)
	}
}

// numPhases returns how many phases an input plane has.
func (g *convolution) numPhases() int {
	n := 1
	for _, w := range g.ws {
		n *= min(w.Stride, 1<<16)
	}
	return n
}

// convolveDepthwise is the case of one input channel for each group.
func (c *call) convolveDepthwise(g *convolution) {
	ph := phasesOf(g)
	numPhases := g.numPhases()
	channels := g.batch * g.groups
	const few = 8 // channels of a task
	tasks := (channels + few - 1) / few
	per := numPhases*ph.size + ph.acc
	buf := flat[float32](c.new(ir.Float, c.numWorkers(tasks), per))
	in := len(g.x) / channels
	out := ph.v.out * ph.h.out
	c.workers(tasks, func(worker, task int) {
		planes := buf[worker*per : (worker+1)*per]
		planes, acc := planes[:numPhases*ph.size], planes[numPhases*ph.size:]
		for ch := task * few; ch < min((task+1)*few, channels); ch++ {
			ph.split(c.serial, planes, g.x[ch*in:(ch+1)*in])
			for o := range g.wide {
				to := ch*g.wide + o
				filter := to % (g.groups * g.wide)
				b := float32(0)
				if g.bias != nil {
					b = g.bias[filter]
				}
				c.serial.SumOfShifts(acc, b, g.w[filter*len(ph.taps):][:len(ph.taps)], planes, ph.taps)
				ph.crop(g.y[to*out:(to+1)*out], acc)
			}
		}
	})
}

// crop copies the elements that are not beyond the end of a row.
func (ph *phases) crop(dst, acc []float32) {
	n := ph.h.out
	for i := range ph.vertical {
		copy(dst[i*n:(i+1)*n], acc[i*ph.pitch:])
	}
}
