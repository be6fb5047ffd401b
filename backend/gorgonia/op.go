package gorgonia

import (
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"

	"github.com/chewxy/hm"
	"github.com/lxtc/lxtc/ir"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// op is one node of a segment, as a gorgonia.Op.
type op struct {
	seg  *segment
	at   int // index of the node in the segment
	pick int // output of a tuple, -1 for the node itself
	id   string
	t    hm.Type
}

func (o *op) Arity() int    { return -1 }
func (o *op) Type() hm.Type { return o.t }
func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) {
	return nil, fmt.Errorf("shapes are inferred by the IR")
}
func (o *op) ReturnsPtr() bool      { return true }
func (o *op) CallsExtern() bool     { return false }
func (o *op) OverwritesInput() int  { return -1 }
func (o *op) WriteHash(h hash.Hash) { h.Write([]byte(o.id)) }
func (o *op) String() string        { return o.id }

func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// Do runs the node's kernel on the values that the machine hands over, then
// gives back the buffers of inputs that nobody needs any more.
func (o *op) Do(vs ...G.Value) (ret G.Value, err error) {
	if o.pick >= 0 {
		return vs[0].(*tuple).outs[o.pick], nil
	}
	s := o.seg.session
	n := s.current.nodes[o.at]
	defer func() { // Gorgonia runs this on a goroutine of its own: a panic would end the process
		if r := recover(); r != nil {
			err = fmt.Errorf("%v: inputs do not fit the operator: %v", n, r)
			if s.opt.Trace != nil {
				err = fmt.Errorf("%w\n%s", err, debug.Stack())
			}
		}
	}()
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	outs, err := s.run(n, vs, s.current.ids[o.at])
	if err != nil {
		return nil, fmt.Errorf("%v: %w", n, err)
	}
	if len(outs) == 1 {
		return outs[0], nil
	}
	return &tuple{outs[0], outs}, nil
}

// nodeIDs are the session's numbers of a node's inputs and outputs; -1 for
// what is omitted.
type nodeIDs struct{ in, out []int }

// run computes one node and does the accounts of its values.
func (s *session) run(n *ir.Node, vs []G.Value, ids nodeIDs) ([]*Value, error) {
	c := &call{session: s, n: n, in: make([]*Value, len(ids.in)), ids: ids}
	for i, k := 0, 0; i < len(ids.in); i++ {
		if ids.in[i] < 0 {
			continue
		}
		v, ok := vs[k].(*Value)
		if !ok {
			v = vs[k].(*tuple).Value
		}
		if v.buf == nil {
			return nil, fmt.Errorf("input %d was released too early: a bug in the accounts of %v", i, n)
		}
		c.in[i] = v
		k++
	}
	outs, err := kernelFor(n)(c)
	if err != nil {
		return nil, err
	}
	if len(outs) < len(ids.out) {
		return nil, fmt.Errorf("%d outputs computed, want %d", len(outs), len(ids.out))
	}
	outs = outs[:len(ids.out)]
	for i, id := range ids.out { // keep outputs before inputs go: views share buffers
		if outs[i] == nil {
			continue
		}
		outs[i].buf.refs++
		if id >= 0 {
			s.vals[id] = outs[i]
		}
	}
	c.dropTemps()
	if s.opt.WatchNaN {
		if err := watch(c.in, outs); err != nil {
			return nil, err
		}
	}
	if err := s.trace(n, outs); err != nil {
		return nil, err
	}
	for i, id := range ids.out {
		if outs[i] == nil {
			outs[i] = &Value{elem: ir.Float, shape: []int{0}, buf: &buffer{borrowed: true}}
		} else if id < 0 || s.left[id] == 0 {
			s.drop(outs[i])
		}
	}
	for i, id := range ids.in {
		if id < 0 {
			continue
		}
		if s.left[id]--; s.left[id] == 0 {
			s.drop(c.in[i])
			s.vals[id] = nil
		}
	}
	return outs, nil
}

// drop gives up one reference. The value keeps no buffer, so that a reader
// that comes too late fails instead of reading another tensor.
func (s *session) drop(v *Value) {
	if v.buf.borrowed {
		return
	}
	s.memory.release(v.buf)
	v.buf = nil
}

// watch fails if an output holds a NaN or an infinity that no input holds.
func watch(in, out []*Value) error {
	bad := func(vs []*Value) bool {
		for _, v := range vs {
			if v == nil || v.elem != ir.Float || !v.contiguous() {
				continue
			}
			for _, x := range flat[float32](v) {
				if x-x != 0 {
					return true
				}
			}
		}
		return false
	}
	if bad(out) && !bad(in) {
		return fmt.Errorf("an output holds a NaN or an infinity that no input holds")
	}
	return nil
}
