package cpu

import (
	"fmt"
	"unsafe"
)

// Columns is the matrix that a convolution multiplies its weights with: for each
// position of the window a column of what it reads there, for each channel and tap
// a row. Products make a panel of it at a time, so that it is never there as a whole.
//
// Positions lie in lines along the last spatial axis, at each of which a window
// reads neighbouring elements: strides along that axis are taken out before.
type Columns struct {
	X        []float32 // channels, Plane elements apart
	Channels int
	Plane    int
	Lines    int // of positions
	Width    int // positions of a line

	// Starts says, by outer tap and line, where in a plane the line begins that
	// the tap reads there, -1 if that is padding. Reaches is by inner tap: position
	// p of a line, Lo ≤ p < Hi, reads its element At+p; others read padding. A
	// window has every outer tap with every inner one.
	Starts  []int
	Reaches []Reach
}

// A Reach is the positions of a line that a tap finds in the input.
type Reach struct{ Lo, Hi, At int }

// Dims returns the number of rows, and of positions.
func (m *Columns) Dims() (rows, cols int) { return m.Channels * m.taps(), m.Lines * m.Width }

func (m *Columns) taps() int { return len(m.Starts) / max(m.Lines, 1) * len(m.Reaches) }

func (m *Columns) check() {
	if m.Channels > 0 && (m.Channels-1)*m.Plane+m.span() > len(m.X) {
		panic(fmt.Sprintf("cpu.Columns: %d channels, %d apart, of which %d elements are read, have %d", m.Channels, m.Plane, m.span(), len(m.X)))
	}
}

// span is how many elements of a plane are read, panicking if one before the first is.
func (m *Columns) span() int {
	last := 0
	for _, start := range m.Starts {
		for _, r := range m.Reaches {
			if start < 0 || r.Lo >= r.Hi {
				continue
			}
			if start+r.At+r.Lo < 0 || r.Lo < 0 || r.Hi > m.Width {
				panic(fmt.Sprintf("cpu.Columns: positions %d to %d of %d read element %d of a plane", r.Lo, r.Hi, m.Width, start+r.At+r.Lo))
			}
			last = max(last, start+r.At+r.Hi)
		}
	}
	return last
}

// A windowPart is neighbouring elements of a plane for a register: lane l is element
// at+l, for the lanes of the mask, as bits and as words.
type windowPart struct {
	at    int
	bits  uint32
	last  uint32 // not 0 if the register has no further part
	words [8]uint32
}

// A run is neighbouring positions of one line: n from first on, the lane'th of a
// register.
type run struct{ line, first, n, lane int }

// widen writes a panel: a register of positions at a time, row after row, which is
// tap after tap and channel after channel.
func (m *Columns) widen(e *Engine, i, rows, j, cols int, dst []float32, ld int) {
	list, ok := e.parts.Get().(*partList)
	if !ok {
		list = &partList{}
	}
	defer e.parts.Put(list)
	taps, lanes := m.taps(), e.k.lanes
	ch, tap := i/taps, i%taps
	for c := 0; c < cols; c += lanes {
		w := min(lanes, cols-c)
		list.make(m, j+c, w, lanes)
		parts := list.parts
		if c+lanes <= ld { // writing elements of dst that are left undefined does no harm
			w = lanes
		}
		f := e.k.windows
		if w < lanes {
			f = windowsGo(w)
		}
		f(rows, at(m.X, ch*m.Plane), m.Plane, &parts[0], &parts[list.begins[tap]], &parts[len(parts)-1], at(dst, c), ld)
	}
}

// partList is what one register of each tap is put together from.
type partList struct {
	parts  []windowPart // and one more, which is their end: no pointer leaves the slice
	begins []int        // by tap
	runs   []run
}

// make lists the parts of the registers of w positions from j on.
func (l *partList) make(m *Columns, j, w, lanes int) {
	l.parts, l.begins, l.runs = l.parts[:0], l.begins[:0], l.runs[:0]
	line, first := j/m.Width, j%m.Width
	for lane := 0; lane < w; {
		n := min(m.Width-first, w-lane)
		l.runs = append(l.runs, run{line, first, n, lane})
		lane, line, first = lane+n, line+1, 0
	}
	for outer := 0; outer < len(m.Starts); outer += m.Lines {
		starts := m.Starts[outer : outer+m.Lines]
		for _, reach := range m.Reaches {
			begin := len(l.parts)
			l.begins = append(l.begins, begin)
			for _, r := range l.runs {
				lo, hi := max(reach.Lo-r.first, 0), min(reach.Hi-r.first, r.n)
				if start := starts[r.line]; start >= 0 && lo < hi {
					l.add(start+reach.At+r.first-r.lane, 1<<(r.lane+hi)-1<<(r.lane+lo), lanes)
				}
			}
			if len(l.parts) == begin {
				l.add(0, 0, lanes) // padding
			}
			l.parts[len(l.parts)-1].last = 1
		}
	}
	l.add(0, 0, lanes)
}

func (l *partList) add(at int, bits uint32, lanes int) {
	l.parts = append(l.parts, windowPart{at: at, bits: bits})
	if p := &l.parts[len(l.parts)-1]; lanes == len(p.words) {
		for i := range p.words {
			p.words[i] = -(bits >> i & 1)
		}
	}
}

// windowsGo is the kernel, for registers of so many lanes.
func windowsGo(lanes int) windowsFunc {
	return func(n int, src *float32, step int, parts, from, end *windowPart, dst *float32, dstStep int) {
		for i := range n {
			d := view(shift(dst, i*dstStep), lanes)
			clear(d)
			for last := false; !last; {
				for l := range d {
					if from.bits>>l&1 != 0 {
						d[l] = *shift(src, from.at+l)
					}
				}
				last = from.last != 0
				from = (*windowPart)(unsafe.Add(unsafe.Pointer(from), unsafe.Sizeof(*from)))
			}
			if from == end && i+1 < n {
				from, src = parts, shift(src, step)
			}
		}
	}
}

// GemmColumns computes C = A·B, plus the bias of each row if there is one: a
// convolution of m output channels. A is m×k, of rows lda apart.
func (e *Engine) GemmColumns(m int, a []float32, lda int, b *Columns, c []float32, ldc int, bias []float32) {
	b.check()
	k, n := b.Dims()
	e.biased(product{m: m, n: n, k: k, a: operand{a, lda, false}, stored: b, c: operand{c, ldc, false}, bias: bias})
}

// GemmBias computes C = A·B, plus the bias of each row if there is one; B is k×n.
func (e *Engine) GemmBias(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, bias []float32) {
	e.biased(product{m: m, n: n, k: k, a: operand{a, lda, false}, b: operand{b, ldb, false}, c: operand{c, ldc, false}, bias: bias})
}

func (e *Engine) biased(g product) {
	if g.bias != nil {
		sameLen("Gemm: bias", len(g.bias), g.m)
	}
	g.long = true
	g.check(1, zero, zero, zero)
	if g.m > 1 && g.n > 1 && g.k > 0 || g.bias == nil {
		e.products(g, 1, zero, zero, zero)
		return
	}
	bias := g.bias
	g.bias = nil
	e.products(g, 1, zero, zero, zero)
	for i, b := range bias {
		row := g.c.data[i*g.c.ld:][:g.n]
		e.ZipScalar(Add, row, row, b)
	}
}
