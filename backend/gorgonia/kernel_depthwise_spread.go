package gorgonia

import (
	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// spreadAxis is one axis of a ConvTranspose with strides. Output q = o·stride +
// k·dilation - before, so outputs whose q+before leaves one remainder r, a phase, are a
// convolution without strides: the m-th reads x[m-t] by the taps of which k·dilation
// leaves r, where t = (k·dilation-r)/stride.
type spreadAxis struct {
	ops.Window
	reach int // the largest t
	most  int // the number of m's
}

func spreadAxisOf(w ops.Window) spreadAxis {
	return spreadAxis{w, (w.Kernel - 1) * w.Dilation / w.Stride, (w.Out-1+w.Before)/w.Stride + 1}
}

// first returns the first output of phase r, and its m.
func (a spreadAxis) first(r int) (q, m int) {
	m = ceilDiv(a.Before-r, a.Stride)
	return r - a.Before + m*a.Stride, m
}

// spreadDepthwise is ConvTranspose with one channel in each group: each phase of the
// output is a sum of shifts of the input between zeros.
func (c *call) spreadDepthwise(g *convolution) {
	v := spreadAxisOf(ops.Window{In: 1, Out: 1, Kernel: 1, Stride: 1, Dilation: 1})
	if len(g.ws) == 2 {
		v = spreadAxisOf(g.ws[0])
	}
	h := spreadAxisOf(g.ws[len(g.ws)-1])
	pitch := h.most + h.reach
	size, acc := (v.most+v.reach)*pitch+h.reach, v.most*pitch
	var rows []cpu.Piece
	for i := range min(v.In, v.most) {
		rows = append(rows, cpu.Piece{At: (i+v.reach)*pitch + h.reach, From: i * h.In, N: min(h.In, h.most)})
	}
	pad := c.engine.NewPieces(size, rows)
	phases := make([]phase, v.Stride*h.Stride)
	for i := range v.Kernel {
		for j := range h.Kernel {
			y, x := i*v.Dilation, j*h.Dilation
			p := &phases[y%v.Stride*h.Stride+x%h.Stride]
			p.at = append(p.at, (v.reach-y/v.Stride)*pitch+h.reach-x/h.Stride)
			p.taps = append(p.taps, i*h.Kernel+j)
		}
	}
	in, out, taps := v.In*h.In, v.Out*h.Out, v.Kernel*h.Kernel
	channels := g.batch * g.groups
	const few = 8 // channels of a task
	tasks := (channels + few - 1) / few
	per := size + acc + taps
	buf := flat[float32](c.new(ir.Float, c.numWorkers(tasks), per))
	c.workers(tasks, func(worker, task int) {
		own := buf[worker*per : (worker+1)*per]
		padded, sums, w := own[:size], own[size:size+acc], own[size+acc:]
		for to := task * few * g.wide; to < min((task+1)*few, channels)*g.wide; to++ {
			ch, filter := to/g.wide, to%(g.groups*g.wide)
			if to%g.wide == 0 {
				c.serial.Copy(pad, padded, g.x[ch*in:(ch+1)*in])
			}
			b := float32(0)
			if g.bias != nil {
				b = g.bias[filter]
			}
			for r, p := range phases {
				for i, tap := range p.taps {
					w[i] = g.w[filter*taps+tap]
				}
				c.serial.SumOfShifts(sums, b, w[:len(p.taps)], padded, p.at)
				q, m := v.first(r / h.Stride)
				left, n := h.first(r % h.Stride)
				for ; q < v.Out; q, m = q+v.Stride, m+1 {
					if left < h.Out {
						line := g.y[to*out+q*h.Out+left : to*out+(q+1)*h.Out]
						intoEvery(line, sums[m*pitch+n:], h.Stride)
					}
				}
			}
		}
	})
}

// A phase is the taps of outputs that leave one remainder, and where they read.
type phase struct{ taps, at []int }

// intoEvery writes src to every stride-th element of dst, as many as there are.
func intoEvery(dst, src []float32, stride int) {
	if stride == 2 { // without checks of bounds
		for len(dst) >= 8 && len(src) >= 4 {
			dst[0], dst[2], dst[4], dst[6] = src[0], src[1], src[2], src[3]
			dst, src = dst[8:], src[4:]
		}
	}
	for i, j := 0, 0; i < len(dst); i, j = i+stride, j+1 {
		dst[i] = src[j]
	}
}
