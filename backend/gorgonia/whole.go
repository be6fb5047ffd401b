package gorgonia

import (
	"fmt"
	"slices"
)

// whole runs the nodes one by one on whole tensors, with every thread.
func (b *blocks) whole() ([]*Value, error) {
	if b.prod != nil {
		if b.byRows() {
			if err := b.multiply(); err != nil {
				return nil, err
			}
		}
		b.clearUnwanted()
	}
	w := b.worker()
	copy(w.vals, b.in)
	done := false
	defer func() {
		if !done { // also if a kernel panics
			w.abandon()
		}
	}()
	if err := w.compute(); err != nil {
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

// clearUnwanted clears the product where it was not computed.
func (b *blocks) clearUnwanted() {
	if b.want() == nil {
		return
	}
	x, n := flat[float32](b.in[len(b.in)-1]), b.width()
	for i, band := range b.want().of {
		rows := len(band.Lo)
		for r := range rows {
			clearBeside(x[(i*rows+r)*n:][:n], int(band.Lo[r]), int(band.Hi[r]))
		}
	}
}

// A worker runs the nodes of a group on whole tensors.
type worker struct {
	*session // with accounts of its own
	*rows
	vals  []*Value // by local number
	calls []call   // by op
}

func (b *blocks) worker() *worker {
	s := &session{program: b.program, engine: b.engine, serial: b.serial, memory: b.memory, left: slices.Clone(b.uses), ctx: b.ctx}
	w := &worker{session: s, rows: b.rows, vals: make([]*Value, len(b.uses)), calls: make([]call, len(b.ops))}
	for i, op := range b.ops {
		w.calls[i] = call{session: s, n: op.n, in: make([]*Value, len(op.ids.in)), ids: op.ids}
	}
	return w
}

// compute runs the nodes.
func (w *worker) compute() error {
	for i, op := range w.ops {
		c := &w.calls[i]
		for i, k := range op.ids.in {
			if k >= 0 {
				c.in[i] = w.vals[k]
			}
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
		v.buf.refs++
		w.vals[op.ids.out[j]] = v
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

// abandon ends the life of all results that are still to be read.
func (w *worker) abandon() {
	for k := w.given(); k < len(w.vals); k++ {
		if v := w.vals[k]; v != nil && w.left[k] > 0 {
			w.memory.release(v.buf)
		}
	}
}
