package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// space is how windows move over a plane: the last spatial axis apart, along
// which loops are long, and the outer ones together.
type space struct {
	inner     ops.Window
	rows      int   // positions of the outer axes: rows of the positions' plane
	outerTaps int   // taps of the outer axes
	starts    []int // by outer tap and row: where the row of the other plane begins, -1 for padding
	plane     int   // elements of the other plane
	out       []int // shape of the positions
}

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
	s.rows, s.outerTaps = count(positions[:last]), count(taps[:last])
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

// taps returns the number of taps of a window.
func (s *space) taps() int { return s.outerTaps * s.inner.Kernel }

// size returns the number of positions.
func (s *space) size() int { return s.rows * s.inner.Out }

// A reach is a run of positions of one row, [lo, hi) of which one tap finds in
// the other plane: from element at on, stride elements apart.
type reach struct{ lo, hi, at int }

// segment returns where tap finds the positions from first to first+n of a row.
func (s *space) segment(tap, row, first, n int) reach {
	w := s.inner
	start := s.starts[tap/w.Kernel*s.rows+row]
	if start < 0 {
		return reach{}
	}
	// Position p reads element p·stride + from, which must lie in [0, In).
	from := w.At(0, tap%w.Kernel)
	lo, hi := ceilDiv(-from, w.Stride), ceilDiv(w.In-from, w.Stride)
	lo = min(max(lo-first, 0), n)
	hi = min(max(hi-first, lo), n)
	return reach{lo, hi, start + w.At(first+lo, tap%w.Kernel)}
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
	for p := 0; p < len(dst); {
		row, first := (p0+p)/width, (p0+p)%width
		d := dst[p:min(p+width-first, len(dst))]
		p += len(d)
		g := s.segment(tap, row, first, len(d))
		clear(d[:g.lo])
		clear(d[g.hi:])
		if g.lo == g.hi {
			continue
		}
		d = d[g.lo:g.hi]
		if stride == 1 {
			copy(d, x[g.at:])
			continue
		}
		src := x[g.at : g.at+(len(d)-1)*stride+1]
		for i := range d {
			d[i] = src[i*stride]
		}
	}
}

// scatter adds what gather would read: the inverse, col2im.
func (s *space) scatter(x, src []float32, tap, p0 int) {
	width, stride := s.inner.Out, s.inner.Stride
	for p := 0; p < len(src); {
		row, first := (p0+p)/width, (p0+p)%width
		d := src[p:min(p+width-first, len(src))]
		p += len(d)
		g := s.segment(tap, row, first, len(d))
		if g.lo == g.hi {
			continue
		}
		d = d[g.lo:g.hi]
		to := x[g.at : g.at+(len(d)-1)*stride+1]
		for i, v := range d {
			to[i*stride] += v
		}
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
