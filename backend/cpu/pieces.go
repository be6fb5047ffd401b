package cpu

import "fmt"

// A Piece is N neighbouring elements that are copied from element From to element At.
type Piece struct{ At, From, N int }

// Pieces is a copy of many short runs, prepared to be made again and again: a vector
// of N elements, in the order of which the pieces come, with zeros between them. A
// copy of 14 elements takes as long to call as a register takes to put together.
type Pieces struct {
	N     int
	parts []windowPart // of whole registers, one after the other, and an end
	rest  []Piece      // of what is left, from element whole on
	whole int
	reads int // elements of the source
}

// NewPieces prepares a copy.
func (e *Engine) NewPieces(n int, pieces []Piece) *Pieces {
	lanes := e.k.lanes
	p := &Pieces{N: n, whole: n &^ (lanes - 1)}
	var list partList
	next := 0 // piece that does not end before the register
	for at := 0; at < p.whole; at += lanes {
		begin := len(list.parts)
		for ; next < len(pieces) && pieces[next].At < at+lanes; next++ {
			s := pieces[next]
			lo, hi := max(s.At-at, 0), min(s.At+s.N-at, lanes)
			if lo < hi {
				list.add(s.From+at-s.At, 1<<hi-1<<lo, lanes)
			}
			if s.At+s.N > at+lanes {
				break
			}
		}
		if len(list.parts) == begin {
			list.add(0, 0, lanes)
		}
		list.parts[len(list.parts)-1].last = 1
	}
	list.add(0, 0, lanes)
	p.parts = list.parts
	end := 0
	for _, s := range pieces {
		if s.At < end || s.N < 0 || s.From < 0 || s.At+s.N > n {
			panic(fmt.Sprintf("cpu.NewPieces: %d elements from %d to %d, after %d of %d", s.N, s.From, s.At, end, n))
		}
		end = s.At + s.N
		p.reads = max(p.reads, s.From+s.N)
		if skip := max(p.whole-s.At, 0); skip < s.N {
			p.rest = append(p.rest, Piece{s.At + skip, s.From + skip, s.N - skip})
		}
	}
	return p
}

// Copy makes the copy. It stays on its caller.
func (e *Engine) Copy(p *Pieces, dst, src []float32) {
	if len(dst) != p.N || len(src) < p.reads {
		panic(fmt.Sprintf("cpu.Copy: %d elements of %d, for %d of %d", len(dst), len(src), p.N, p.reads))
	}
	if p.whole > 0 {
		e.k.windows(p.whole/e.k.lanes, at(src, 0), 0, &p.parts[0], &p.parts[0], &p.parts[len(p.parts)-1], &dst[0], e.k.lanes)
	}
	if p.whole < p.N {
		clear(dst[p.whole:])
	}
	for _, s := range p.rest {
		copy(dst[s.At:s.At+s.N], src[s.From:])
	}
}
