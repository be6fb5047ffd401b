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
	v, h  axisPhases // vertical, horizontal
	pitch int
	size  int   // floats of one phase
	acc   int   // floats of the accumulator
	taps  []int // where in the phases, which lie one after the other, each tap of the window begins
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

// shortPitch is below how many elements of a row the copies to and from phases are
// prepared as one: a call for each row would take longer than the sums.
const shortPitch = 80

// copies are the copies of a plane to phases and of sums from the accumulator, if
// rows are short; the source of phases is then the plane in horizontal phases, each
// of which has rows of length elements.
type copies struct {
	in, out *cpu.Pieces
	length  int
}

// copiesOf returns nil if rows are long.
func (ph *phases) copiesOf(e *cpu.Engine) *copies {
	if ph.pitch >= shortPitch {
		return nil
	}
	s := ph.h.stride
	c := &copies{length: (ph.h.in + s - 1) / s}
	var in, out []cpu.Piece
	for ry := range ph.v.stride {
		for rx := range s {
			first := (ry*s + rx) * ph.size
			phase := ((rx-ph.h.before)%s + s) % s
			from := (rx - ph.h.before - phase) / s // of the phase, what position 0 reads
			n := (ph.h.in - phase + s - 1) / s
			lo := min(max(-from, 0), ph.pitch)
			hi := min(max(n-from, lo), ph.pitch)
			for i := range ph.v.out + ph.v.reach {
				if y := i*ph.v.stride + ry - ph.v.before; y >= 0 && y < ph.v.in {
					in = append(in, cpu.Piece{At: first + i*ph.pitch + lo, From: (phase*ph.v.in+y)*c.length + from + lo, N: hi - lo})
				}
			}
		}
	}
	for i := range ph.v.out {
		out = append(out, cpu.Piece{At: i * ph.h.out, From: i * ph.pitch, N: ph.h.out})
	}
	c.in, c.out = e.NewPieces(ph.v.stride*s*ph.size, in), e.NewPieces(ph.v.out*ph.h.out, out)
	return c
}

// floats is what apart needs.
func (c *copies) floats(ph *phases) int {
	if c == nil || ph.h.stride == 1 {
		return 0
	}
	return ph.h.stride * ph.v.in * c.length
}

// apart writes the horizontal phases of plane x to dst, and returns them: x itself if
// it has only one.
func (c *copies) apart(e *cpu.Engine, ph *phases, dst, x []float32) []float32 {
	s := ph.h.stride
	if s == 1 {
		return x
	}
	plane := ph.v.in * c.length
	for phase := range min(s, ph.h.in) {
		d := dst[phase*plane:][:plane]
		switch {
		case s == 2 && ph.h.in%2 == 0: // all rows are like one
			e.Evens(d, x[phase:])
		default:
			n := (ph.h.in - phase + s - 1) / s
			for y := range ph.v.in {
				every(d[y*c.length:][:n], x[y*ph.h.in+phase:], s)
			}
		}
	}
	return dst
}

// convolveDepthwise is the case of one input channel for each group.
func (c *call) convolveDepthwise(g *convolution) {
	ph := phasesOf(g)
	numPhases := g.numPhases()
	short := ph.copiesOf(c.engine)
	channels := g.batch * g.groups
	const few = 8 // channels of a task
	tasks := (channels + few - 1) / few
	planesEnd := numPhases * ph.size
	accEnd := planesEnd + ph.acc
	per := accEnd + short.floats(ph)
	buf := flat[float32](c.new(ir.Float, c.numWorkers(tasks), per))
	in := len(g.x) / channels
	out := ph.v.out * ph.h.out
	c.workers(tasks, func(worker, task int) {
		own := buf[worker*per : (worker+1)*per]
		planes, acc, apart := own[:planesEnd], own[planesEnd:accEnd], own[accEnd:]
		for ch := task * few; ch < min((task+1)*few, channels); ch++ {
			x := g.x[ch*in : (ch+1)*in]
			if short != nil {
				c.serial.Copy(short.in, planes, short.apart(c.serial, ph, apart, x))
			} else {
				ph.split(c.serial, planes, x)
			}
			for o := range g.wide {
				to := ch*g.wide + o
				filter := to % (g.groups * g.wide)
				b := float32(0)
				if g.bias != nil {
					b = g.bias[filter]
				}
				c.serial.SumOfShifts(acc, b, g.w[filter*len(ph.taps):][:len(ph.taps)], planes, ph.taps)
				y := g.y[to*out : (to+1)*out]
				if short != nil {
					c.serial.Copy(short.out, y, acc)
				} else {
					ph.crop(y, acc)
				}
			}
		}
	})
}

// crop copies the elements that are not beyond the end of a row.
func (ph *phases) crop(dst, acc []float32) {
	n := ph.h.out
	for i := range ph.v.out {
		copy(dst[i*n:(i+1)*n], acc[i*ph.pitch:])
	}
}
