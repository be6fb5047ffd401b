package gorgonia

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// space is how windows move over a plane: the last spatial axis apart, along
// which loops are long, and the outer ones together.
type space struct {
	inner     ops.Window
	rows      int     // positions of the outer axes: rows of the positions' plane
	outerTaps int     // taps of the outer axes
	starts    []int   // by outer tap and row: where the row of the other plane begins, -1 for padding
	reaches   []reach // by inner tap: of a whole row
	plane     int     // elements of the other plane
	out       []int   // shape of the positions
}

// maxTable bounds the tables of a space, which have an entry for each tap, and
// each outer tap of each row: hundreds of millions only in a hostile model.
const maxTable = 1 << 26

// spaceOf returns the space of windows. The positions are those of the output
// and the other plane is the input; for ConvTranspose it is the other way
// round.
func spaceOf(ws []ops.Window, transposed bool) *space {
	s := &space{rows: 1, outerTaps: 1, plane: 1}
	last := len(ws) - 1
	s.inner = ws[last]
	var positions, taps, planes []int
	for _, w := range ws {
		pos, plane := w.Out, w.In
		if transposed {
			pos, plane = plane, pos
		}
		positions, taps, planes = append(positions, pos), append(taps, w.Kernel), append(planes, plane)
	}
	if transposed {
		s.inner.In, s.inner.Out = s.inner.Out, s.inner.In
	}
	s.out = positions
	s.plane = count(planes)
	count(positions) // refuses what is too large, before there are tables of it
	s.rows, s.outerTaps = count(positions[:last]), count(taps[:last])
	if n := max(s.inner.Kernel, count([]int{s.rows, s.outerTaps})); n > maxTable {
		panic(fmt.Sprintf("windows of %v at %v positions are too many", taps, positions))
	}
	for k := range s.inner.Kernel { // position p reads element p·stride + from, which must lie in [0, In)
		from, w := s.inner.At(0, k), s.inner
		lo := min(max(ceilDiv(-from, w.Stride), 0), w.Out)
		hi := min(max(ceilDiv(w.In-from, w.Stride), lo), w.Out)
		s.reaches = append(s.reaches, reach{lo, hi, from})
	}
	s.starts = make([]int, 0, s.rows*s.outerTaps)
	steps := rowMajor(planes)
	eachIndex(taps[:last], func(tap []int) {
		eachIndex(positions[:last], func(at []int) {
			start := 0
			for k := range at {
				i := ws[k].At(at[k], tap[k])
				if i < 0 || i >= planes[k] {
					start = -1
					break
				}
				start += i * steps[k]
			}
			s.starts = append(s.starts, start)
		})
	})
	return s
}

// unstrided returns planes x with the rows in phases, each of which holds every
// stride-th element, and the space that reads them: neighbouring positions then read
// neighbouring elements. Rows and phases that no window reads are left out, or undefined.
func (s *space) unstrided(c *call, x []float32) (*space, []float32) {
	w := s.inner
	if w.Stride == 1 || w.In == 0 {
		return s, x
	}
	length := (w.In + w.Stride - 1) / w.Stride // of a phase
	var phases []int                           // that are read, in the order in which they lie
	t := *s
	t.inner.Stride = 1
	t.reaches = make([]reach, len(s.reaches))
	for k, r := range s.reaches {
		phase := (r.at%w.Stride + w.Stride) % w.Stride
		lies := slices.Index(phases, phase)
		if lies < 0 {
			lies = len(phases)
			phases = append(phases, phase)
		}
		t.reaches[k] = reach{r.lo, r.hi, lies*length + (r.at-phase)/w.Stride}
	}
	pitch := length * len(phases)
	rows := s.plane / w.In
	t.plane = rows * pitch
	t.starts = make([]int, len(s.starts))
	read := make([]bool, rows)
	for i, at := range s.starts {
		t.starts[i] = at
		if at >= 0 {
			read[at/w.In] = true
			t.starts[i] = at / w.In * pitch
		}
	}
	out := flat[float32](c.new(ir.Float, len(x)/w.In, pitch))
	c.engine.Run(len(x)/max(s.plane, 1), func(plane int) {
		for row := range rows {
			if !read[row] {
				continue
			}
			from := x[plane*s.plane+row*w.In:][:w.In]
			to := out[plane*t.plane+row*pitch:][:pitch]
			for i, phase := range phases {
				n := (w.In - phase + w.Stride - 1) / w.Stride
				c.every(to[i*length:][:max(n, 0)], from[min(phase, w.In):], w.Stride)
			}
		}
	})
	return &t, out
}

// columns is the matrix of what windows read in the planes of so many channels; s
// has no strides.
func (s *space) columns(x []float32, channels int) *cpu.Columns {
	m := &cpu.Columns{X: x, Channels: channels, Plane: s.plane, Lines: s.rows, Width: s.inner.Out, Starts: s.starts}
	for _, r := range s.reaches {
		m.Reaches = append(m.Reaches, cpu.Reach{Lo: r.lo, Hi: r.hi, At: r.at})
	}
	return m
}

// taps returns the number of taps of a window.
func (s *space) taps() int { return s.outerTaps * s.inner.Kernel }

// size returns the number of positions.
func (s *space) size() int { return s.rows * s.inner.Out }

// A reach is a run of positions of one row, [lo, hi) of which a tap finds in the
// other plane, from element at on and stride elements apart.
type reach struct{ lo, hi, at int }

// segment returns the reach of a tap over n positions of a row, from first on.
func (s *space) segment(tap, row, first, n int) reach {
	outer, k := tap/s.inner.Kernel, tap%s.inner.Kernel
	start := s.starts[outer*s.rows+row]
	if start < 0 {
		return reach{}
	}
	r := s.reaches[k]
	lo := min(max(r.lo-first, 0), n)
	hi := min(max(r.hi-first, lo), n)
	return reach{lo, hi, start + r.at + (first+lo)*s.inner.Stride}
}

// ceilDiv rounds a/b up; b > 0.
func ceilDiv(a, b int) int {
	if a <= 0 {
		return -(-a / b)
	}
	return (a + b - 1) / b
}

// gather writes what tap reads of plane x at positions [p0, p0+len(dst)), zeros
// for padding: a row of the matrix of columns, im2col.
func (s *space) gather(dst, x []float32, tap, p0 int) {
	width, stride := s.inner.Out, s.inner.Stride
	row, first := p0/width, p0%width
	for len(dst) > 0 {
		d := dst[:min(width-first, len(dst))]
		g := s.segment(tap, row, first, len(d))
		clear(d[:g.lo])
		clear(d[g.hi:])
		if g.lo < g.hi {
			every(d[g.lo:g.hi], x[g.at:], stride)
		}
		dst, row, first = dst[len(d):], row+1, 0
	}
}

// every is every of float32s, two apart as a rule.
func (c *call) every(dst, src []float32, stride int) {
	if stride == 2 {
		c.serial.Evens(dst, src)
		return
	}
	every(dst, src, stride)
}

// every copies every stride-th element of src to dst.
func every[T any](dst, src []T, stride int) {
	switch stride {
	case 1:
		copy(dst, src)
		return
	case 2: // without checks of bounds: three times as fast
		for len(dst) >= 4 && len(src) >= 8 {
			dst[0], dst[1], dst[2], dst[3] = src[0], src[2], src[4], src[6]
			dst, src = dst[4:], src[8:]
		}
	}
	for i := range dst {
		dst[i] = src[i*stride]
	}
}

// scatter adds what gather would read: the inverse, col2im.
func (s *space) scatter(x, src []float32, tap, p0 int) {
	width, stride := s.inner.Out, s.inner.Stride
	row, first := p0/width, p0%width
	for len(src) > 0 {
		d := src[:min(width-first, len(src))]
		if g := s.segment(tap, row, first, len(d)); g.lo < g.hi {
			addEvery(x[g.at:], d[g.lo:g.hi], stride)
		}
		src, row, first = src[len(d):], row+1, 0
	}
}

// addEvery adds src to every stride-th element of dst.
func addEvery(dst, src []float32, stride int) {
	if stride == 2 {
		for len(src) >= 4 && len(dst) >= 8 {
			dst[0] += src[0]
			dst[2] += src[1]
			dst[4] += src[2]
			dst[6] += src[3]
			dst, src = dst[8:], src[4:]
		}
	}
	for i, v := range src {
		dst[i*stride] += v
	}
}

// spatial returns the batch, the channels and the spatial axes of a shape.
func spatial(shape []int) (batch, channels int, axes []int, err error) {
	if len(shape) < 3 {
		return 0, 0, nil, fmt.Errorf("shape %v, want three axes or more", shape)
	}
	return shape[0], shape[1], shape[2:], nil
}

// windowed returns the windows of a node, and its output's shape.
func windowed(n *ir.Node, shape, kernel []int, channels int) ([]ops.Window, []int, error) {
	batch, _, axes, err := spatial(shape)
	if err != nil {
		return nil, nil, err
	}
	ws, err := ops.Windows(n, axes, kernel)
	if err != nil {
		return nil, nil, err
	}
	out := []int{batch, channels}
	for _, w := range ws {
		out = append(out, w.Out)
	}
	return ws, out, nil
}
