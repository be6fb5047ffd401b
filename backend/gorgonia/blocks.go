package gorgonia

import (
	"math"
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// blocks is one run of a group. Threads take blocks of rows, and compute them a piece
// at a time.
type blocks struct {
	*rows
	*call
	layout
	in    []*Value // with the product
	lead  []int
	size  int // rows in a block
	parts int // blocks in the last leading axis
	tall  int // rows in a piece, at most
	outs  []*Value
	bands []*bands

	product *pending // if there is one
}

// Bytes of all that the kernels of a group read and write.
const (
	pieceBytes = 192 << 10 // for a piece: it stays in a processor's own cache
	smallBlock = 32 << 10  // for a block; below this, starting takes longer than the work
)

// run computes the group.
func (r *rows) run(c *call) ([]*Value, error) {
	b := &blocks{rows: r, call: c, in: slices.Clone(c.in)}
	if r.prod != nil {
		b.product = r.prod.start(c, r.operands)
		if b.product.byRows(c) {
			b.in = append(b.in, &Value{elem: ir.Float, shape: b.product.shape()})
		} else if err := b.multiply(); err != nil {
			return nil, err
		}
	}
	b.lead = r.leading(b.in)
	if b.lead == nil || count(b.lead) == 0 || !b.lay() {
		return b.whole()
	}
	last := b.lead[len(b.lead)-1]
	if last*b.perRow < smallBlock || count(b.lead)*b.perRow < 2*smallBlock {
		return b.whole()
	}
	some := max(1, count(b.lead)/(8*b.engine.Threads())) // something for every thread, and no long wait for the last
	b.tall = max(1, min(pieceBytes/b.perRow, last))
	if tile := b.engine.TileRows(); b.prod != nil {
		some = (some/2 + tile - 1) / tile * tile // not all blocks have as many columns
		b.tall = max(b.tall/tile, 1) * tile
	}
	b.size = min(last, max(some, (smallBlock+b.perRow-1)/b.perRow))
	if b.strict { // a test: more borders
		b.tall = min(b.tall, 7)
		b.size = min(last, smallBlock/b.perRow+1)
	}
	b.parts = (last + b.size - 1) / b.size
	b.size = (last + b.parts - 1) / b.parts
	pieces := (b.size + b.tall - 1) / b.tall // of nearly equal height
	b.tall = (b.size + pieces - 1) / pieces
	return b.spread(), nil
}

// byRows reports whether the product is computed with the rows that read it.
func (b *blocks) byRows() bool { return b.prod != nil && b.in[len(b.in)-1].buf == nil }

// multiply computes the product of the group.
func (b *blocks) multiply() error {
	v, err := b.product.whole(b.call)
	b.in = append(b.in[:len(b.rows.in)], v)
	return err
}

// spread computes all blocks, on all threads.
func (b *blocks) spread() []*Value {
	b.place()
	panels := 0
	if b.byRows() {
		panels = b.engine.PanelsLen(b.product.k, b.product.n)
	}
	n := count(b.lead[:len(b.lead)-1]) * b.parts
	threads := make([]*strips, b.numWorkers(n))
	for i := range threads {
		memory := b.scratchOf(i, panels+b.slots*b.tall)
		threads[i] = &strips{
			blocks: b, memory: memory[panels:], panels: memory[:panels], packed: -1,
			base: make([]int, len(b.in)), of: make([]cpu.Strip, len(b.uses)), cols: make([]int, len(b.uses)),
		}
	}
	b.workers(n, func(i, task int) { threads[i].block(task) })
	for i, v := range b.outs {
		if b.bands[i] != nil {
			v.bands = b.bands[i].useful(v.shape[b.rank-1])
		}
	}
	return b.outs
}

// scratchOf returns memory of thread i, which the session keeps.
func (s *session) scratchOf(i, n int) []float32 {
	for len(s.scratch) <= i {
		s.scratch = append(s.scratch, nil)
	}
	if len(s.scratch[i]) < n {
		if limit := s.memory.limit; limit > 0 {
			left := limit - s.memory.live
			for k, m := range s.scratch {
				if k != i {
					left -= 4 * int64(len(m))
				}
			}
			if 4*int64(n) > left {
				panic(tooMuch(limit))
			}
		}
		s.scratch[i] = make([]float32, n)
	}
	if s.strict {
		repeat(s.scratch[i], float32(math.NaN()))
	}
	return s.scratch[i]
}

// place gives the outputs their memory: that of an input which ends here, or new.
func (b *blocks) place() {
	b.outs, b.bands = make([]*Value, len(b.out)), make([]*bands, len(b.out))
	for i, k := range b.local {
		b.outs[i] = &Value{elem: ir.Float, shape: append(slices.Clone(b.lead), b.homes[k].width)}
	}
	taken := map[int]bool{}
	for _, a := range b.aliases {
		i, k := a[0], a[1]
		v := b.in[k]
		if b.outs[i].buf != nil || taken[k] || v.elem != ir.Float || !slices.Equal(v.shape, b.outs[i].shape) {
			continue
		}
		if k < len(b.rows.in) && !b.expendable(k, 1) || v.buf == nil || b.multiplies(k) {
			continue
		}
		b.outs[i].buf, taken[k] = v.buf, true
	}
	for i, v := range b.outs {
		if first := b.homes[b.local[i]].out; first < i { // another name of it
			v.buf = b.outs[first].buf
		}
		if v.buf == nil {
			v.buf = b.new(v.elem, v.shape...).buf
		}
		if b.measured[i] && v.shape[b.rank-1] >= shortRow {
			b.bands[i] = newBands(v.shape)
		}
	}
}

// multiplies reports whether rows of the product are still to be made of input k.
func (b *blocks) multiplies(k int) bool {
	return b.byRows() && slices.Contains(b.operands[:2], k)
}

// A piece is rows from a place in the last leading axis on, at one place in the
// others, and the columns lo to hi-1 of those that are as wide as the product.
type piece struct{ outer, from, rows, lo, hi int }

// block computes one block.
func (t *strips) block(task int) {
	last := t.lead[len(t.lead)-1]
	outer, from := task/t.parts, task%t.parts*t.size
	t.enter(outer)
	for end := min(from+t.size, last); from < end; from += t.tall {
		p := piece{outer: outer, from: from, rows: min(t.tall, end-from), hi: t.width()}
		t.chooseColumns(&p)
		t.lay(p)
		if t.prod != nil {
			t.makeProduct()
		}
		for i := range t.steps {
			t.steps[i].rows(t, &t.steps[i])
		}
		t.finish(p)
	}
}

// finish writes what belongs beside the columns that were computed, and measures.
func (t *strips) finish(p piece) {
	first := p.outer*t.lead[len(t.lead)-1] + p.from
	for i, v := range t.outs {
		n := v.shape[t.rank-1]
		lo, hi := 0, n
		if p.hi-p.lo < t.width() && n == t.width() {
			lo, hi = p.lo, p.hi
		}
		all, bits := flat[float32](v), flat[uint32](v)
		for r := range p.rows {
			at, from, to := (first+r)*n, lo, hi
			if row := all[at:][:n]; hi-lo < n {
				if beside := t.beside(r); beside == 0 {
					clear(row[:lo])
					clear(row[hi:])
				} else {
					repeat(row[:lo], beside)
					repeat(row[hi:], beside)
					from, to = 0, n
				}
			}
			if t.bands[i] != nil {
				t.bands[i].measure(first+r, bits[at+from:at+to], from)
			}
		}
	}
}
