package gorgonia

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// blocks is one run of a group.
type blocks struct {
	*rows
	*call
	in       []*Value  // with the product
	borrowed []*buffer // their bytes, under counts that no two threads share
	lead     []int
	size     int // rows in a block
	parts    int // blocks in the last leading axis
	outs     []*Value
	over     []bool // outputs that are written over an input
	bands    []*bands
	part     *bands // where the product was computed, if not everywhere
}

// whole runs the nodes one by one on whole tensors, with every thread.
func (b *blocks) whole() ([]*Value, error) {
	for i := range b.matrices() {
		b.clearOutside(i, 0, len(b.part.of[i].Lo), 0, b.width())
	}
	w := b.worker(b.engine, b.memory)
	copy(w.vals, b.in)
	done := false
	defer func() {
		if !done { // also if a kernel panics
			w.abandon()
		}
	}()
	if err := w.compute(nil, nil); err != nil {
		return nil, err
	}
	done = true
	outs := make([]*Value, len(b.out))
	for i, k := range b.local {
		v := w.vals[k]
		outs[i] = v.view(v.shape, v.strides, v.off)
		if b.measured[i] && v.contiguous() {
			outs[i].bands = b.bandsOf(v)
		}
	}
	for _, k := range b.kept { // the accounts of the whole program take over
		buf := w.vals[k].buf
		if buf.borrowed {
			continue
		}
		if buf.refs--; buf.refs == 0 && !slices.Contains(b.made, buf) {
			b.made = append(b.made, buf)
		}
	}
	return outs, nil
}

// probe computes the first row alone, to learn the shapes of the results, and
// returns the bytes of a row of everything.
func (b *blocks) probe() (perRow int, err error) {
	w := b.worker(b.serial, b.scratchOf(0))
	b.view(w, piece{rows: 1, hi: b.width()})
	if err := w.compute(nil, nil); err != nil {
		return 0, err
	}
	for _, k := range b.local {
		v := w.vals[k]
		b.outs = append(b.outs, &Value{elem: v.elem, shape: append(slices.Clone(b.lead), v.shape[b.rank-1])})
	}
	w.release()
	for i, v := range w.vals[:len(b.in)] {
		if i >= len(b.rows.in) || b.rowed[i] {
			w.bytes += v.len() * size(v.elem)
		}
	}
	return max(w.bytes, 1), nil
}

// spread computes all blocks, on all threads.
func (b *blocks) spread() ([]*Value, error) {
	b.place()
	n := count(b.lead[:len(b.lead)-1]) * b.parts
	workers := make([]*worker, b.numWorkers(n))
	for i := range workers {
		workers[i] = b.worker(b.serial, b.scratchOf(i))
	}
	errs := make([]error, len(workers))
	var failed atomic.Bool
	b.workers(n, func(i, task int) {
		if failed.Load() {
			return
		}
		if errs[i] = b.block(workers[i], task); errs[i] != nil {
			failed.Store(true)
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	for i, v := range b.outs {
		if b.bands[i] != nil {
			v.bands = b.bands[i].useful(v.shape[b.rank-1])
		}
	}
	return b.outs, nil
}

// place gives the outputs their memory: that of an input which ends here, or new.
func (b *blocks) place() {
	b.over, b.bands = make([]bool, len(b.outs)), make([]*bands, len(b.outs))
	taken := map[int]bool{}
	for _, a := range b.aliases {
		i, k := a[0], a[1]
		v := b.in[k]
		if b.over[i] || taken[k] || v.elem != ir.Float || b.outs[i].elem != ir.Float || !slices.Equal(v.shape, b.outs[i].shape) {
			continue
		}
		if k < len(b.rows.in) && !b.expendable(k, 1) {
			continue
		}
		b.outs[i].buf, b.over[i], taken[k] = v.buf, true, true
	}
	for i, v := range b.outs {
		if v.buf == nil {
			v.buf = b.new(v.elem, v.shape...).buf
		}
		if b.measured[i] && v.elem == ir.Float && v.shape[b.rank-1] >= shortRow {
			b.bands[i] = newBands(v.shape)
		}
	}
}

// A piece is rows from a place in the last leading axis on, at one place in the
// others, and the columns lo to hi-1 of those that are as wide as the product.
type piece struct{ outer, from, rows, lo, hi int }

// block computes one block.
func (b *blocks) block(w *worker, task int) error {
	p := piece{outer: task / b.parts, from: task % b.parts * b.size, hi: b.width()}
	p.rows = min(b.size, b.lead[len(b.lead)-1]-p.from)
	if p.rows <= 0 {
		return nil
	}
	b.chooseColumns(&p)
	b.view(w, p)
	first := p.outer*b.lead[len(b.lead)-1] + p.from // row
	into := make([]*Value, len(b.outs))
	for i, v := range b.outs {
		width := v.shape[b.rank-1]
		shape := b.ones()
		shape[b.rank-2], shape[b.rank-1] = p.rows, width
		bytes := width * size(v.elem)
		into[i] = &Value{elem: v.elem, shape: shape, buf: &buffer{bytes: v.buf.bytes[first*bytes : (first+p.rows)*bytes], borrowed: true}}
	}
	if err := w.compute(into, b.over); err != nil {
		return err
	}
	for i, k := range b.local {
		v := w.vals[k]
		switch {
		case v.buf == into[i].buf:
		case slices.Equal(v.shape, into[i].shape):
			w.copyTo(into[i].buf.bytes, v)
		case p.hi-p.lo < b.width() && v.shape[b.rank-1] == p.hi-p.lo:
			b.widen(w, into[i], v, p)
		default:
			return fmt.Errorf("%v has rows of shape %v in one place, %v in another", b.out[i], into[i].shape, v.shape)
		}
		if b.bands[i] != nil {
			bits, width := flat[uint32](into[i]), into[i].shape[b.rank-1]
			for r := range p.rows {
				b.bands[i].measure(first+r, bits[r*width:][:width])
			}
		}
	}
	w.release()
	return nil
}

// scratchOf returns the memory of worker i, which the session keeps.
func (s *session) scratchOf(i int) *memory {
	for len(s.scratch) <= i {
		s.scratch = append(s.scratch, &memory{poison: s.strict})
	}
	return s.scratch[i]
}

func (b *blocks) ones() []int {
	s := make([]int, b.rank)
	repeat(s, 1)
	return s
}

// view gives a worker a piece of every input. What is broadcast over an axis stays;
// what is no rows stays whole.
func (b *blocks) view(w *worker, p piece) {
	at, outer := make([]int, b.rank-1), p.outer
	for i := b.rank - 3; i >= 0; i-- {
		at[i] = outer % b.lead[i]
		outer /= b.lead[i]
	}
	at[b.rank-2] = p.from
	for i, v := range b.in {
		x, st, skip := w.views[i], w.strides[i], b.rank-len(v.shape)
		x.off, x.strides = v.off, st
		fixed := i < len(b.fixed) && b.fixed[i]
		for a, d := range v.shape {
			x.shape[a] = d
			switch {
			case d == 1 || fixed:
			case a < len(v.shape)-1:
				x.off += at[a+skip] * st[a]
				x.shape[a] = 1
				if a+skip == b.rank-2 {
					x.shape[a] = p.rows
				}
			case p.hi-p.lo < b.width() && d == b.width():
				x.off += p.lo * st[a]
				x.shape[a] = p.hi - p.lo
			}
		}
		if x.contiguous() {
			x.strides = nil
		}
		w.vals[i] = x
	}
}

// release ends the life of what was kept.
func (w *worker) release() {
	for _, k := range w.kept {
		w.memory.release(w.vals[k].buf)
	}
}

// abandon ends the life of all results that are still to be read.
func (w *worker) abandon() {
	for k := w.given(); k < len(w.vals); k++ {
		if v := w.vals[k]; v != nil && w.left[k] > 0 {
			w.memory.release(v.buf)
		}
	}
}

// A worker runs the nodes of a group, on rows or on whole tensors.
type worker struct {
	*session
	*rows
	vals    []*Value // by local number
	views   []*Value // of the inputs, for the piece that runs
	strides [][]int  // of the inputs
	calls   []call   // by op
	bytes   int      // of all results so far
}

func (b *blocks) worker(e *cpu.Engine, m *memory) *worker {
	s := &session{program: b.program, engine: e, serial: b.serial, memory: m, left: make([]int32, len(b.uses)), ctx: b.ctx}
	w := &worker{session: s, rows: b.rows, vals: make([]*Value, len(b.uses)), calls: make([]call, len(b.ops))}
	for i, v := range b.in {
		if i < len(b.borrowed) {
			w.views = append(w.views, &Value{elem: v.elem, shape: slices.Clone(v.shape), buf: b.borrowed[i]})
			w.strides = append(w.strides, v.stride())
		}
	}
	for i, op := range b.ops {
		w.calls[i] = call{session: s, n: op.n, in: make([]*Value, len(op.ids.in)), ids: op.ids}
	}
	return w
}

// compute runs the nodes. Results go into the values given, if their kernels can put
// them there; those of over lie where an operand lies.
func (w *worker) compute(into []*Value, over []bool) error {
	copy(w.left, w.uses)
	for i, op := range w.ops {
		c := &w.calls[i]
		for i, k := range op.ids.in {
			if k >= 0 {
				c.in[i] = w.vals[k]
			}
		}
		if c.into = nil; op.result >= 0 && into != nil {
			c.into, c.inPlace = into[op.result], over[op.result]
		}
		if err := w.one(c, op); err != nil {
			return fmt.Errorf("%v: %w", op.n, err)
		}
	}
	return nil
}

// one runs one node and does the accounts of its values.
func (w *worker) one(c *call, op rowOp) error {
	defer c.settle()
	outs, err := op.run(c)
	if err != nil {
		return err
	}
	if len(outs) != len(op.ids.out) {
		return fmt.Errorf("%d outputs computed, want %d", len(outs), len(op.ids.out))
	}
	for j, v := range outs {
		if err := v.fits(); err != nil {
			return err
		}
		if !v.buf.borrowed { // those are shared with other threads
			v.buf.refs++
		}
		w.vals[op.ids.out[j]] = v
		w.bytes += v.len() * size(v.elem)
	}
	c.settle()
	for _, k := range op.ids.out {
		if w.left[k] == 0 {
			w.memory.release(w.vals[k].buf)
		}
	}
	for _, k := range op.ids.in {
		if k < 0 {
			continue
		}
		if w.left[k]--; w.left[k] == 0 {
			w.memory.release(w.vals[k].buf)
		}
	}
	return nil
}
