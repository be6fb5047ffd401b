package gorgonia

import (
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"
	"slices"

	"github.com/chewxy/hm"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// op is one step of a segment, as a gorgonia.Op.
type op struct {
	seg  *segment
	at   int // index of the step in the segment
	pick int // output of a tuple, -1 for the step itself
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

// Do runs the step's kernel on the values that the machine hands over, then
// gives back the buffers of inputs that nobody needs any more.
func (o *op) Do(vs ...G.Value) (ret G.Value, err error) {
	if o.pick >= 0 {
		return vs[0].(*tuple).outs[o.pick], nil
	}
	s := o.seg.session
	st := s.current.steps[o.at]
	n := st.n
	defer func() { // Gorgonia runs this on a goroutine of its own: a panic would end the process
		if r := recover(); r != nil {
			err = fmt.Errorf("%v: inputs do not fit the operator: %v", n, r)
			if much, ok := r.(tooMuch); ok {
				err = fmt.Errorf("%v: %w", n, much)
			} else if s.strict { // a test: say where
				err = fmt.Errorf("%w\n%s", err, debug.Stack())
			}
		}
		s.err = err // the machine's own error would bury it under the instruction
	}()
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	outs, err := s.run(st, vs, s.current.ids[o.at])
	if err != nil {
		return nil, fmt.Errorf("%v: %w", n, err)
	}
	if len(outs) == 1 && outs[0] != nil {
		return outs[0], nil
	}
	return &tuple{&Value{shape: []int{0}}, outs}, nil
}

// nodeIDs are the session's numbers of a step's inputs and outputs; -1 for
// what is omitted.
type nodeIDs struct{ in, out []int }

// run computes one step and does the accounts of its values.
func (s *session) run(st step, vs []G.Value, ids nodeIDs) ([]*Value, error) {
	c := &call{session: s, n: st.n, in: make([]*Value, len(ids.in)), ids: ids}
	for i, next := 0, 0; i < len(ids.in); i++ {
		if ids.in[i] < 0 {
			continue
		}
		v := vs[next].(*Value)
		next++
		if v.buf == nil {
			return nil, fmt.Errorf("input %d was released too early: a bug in the accounts of %v", i, st.n)
		}
		c.in[i] = v
	}
	defer c.settle()
	given := slices.Clone(c.in) // a kernel may put others in their place
	watch, ill := s.opt.WatchNaN, 0
	if watch {
		ill = c.illness(c.in) // before a kernel overwrites an input
	}
	outs, err := st.run(c)
	if err != nil {
		return nil, err
	}
	if len(outs) < len(ids.out) {
		return nil, fmt.Errorf("%d outputs computed, want %d", len(outs), len(ids.out))
	}
	outs = outs[:len(ids.out)]
	for i, id := range ids.out { // keep outputs before inputs go: views share buffers
		if id < 0 {
			outs[i] = nil
			continue
		}
		if outs[i] == nil {
			return nil, fmt.Errorf("output %d was not computed", i)
		}
		if err := outs[i].fits(); err != nil {
			return nil, err
		}
		outs[i].buf.refs++
		s.vals[id] = outs[i]
	}
	c.settle()
	if watch && c.illness(outs) > ill && !backend.Sought(st.n) {
		return nil, fmt.Errorf("an output holds a NaN or an infinity that no input holds")
	}
	if err := s.trace(st, outs); err != nil {
		return nil, err
	}
	for i, id := range ids.out {
		if id >= 0 && s.left[id] == 0 { // nobody reads it
			s.drop(outs[i])
			s.vals[id] = nil
		}
	}
	for i, id := range ids.in {
		if id < 0 {
			continue
		}
		if s.left[id]--; s.left[id] == 0 {
			s.drop(given[i])
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

// illness is 2 if an element is NaN, 1 if one is infinite, and else 0.
func (c *call) illness(vs []*Value) int {
	worst := 0
	for _, v := range vs {
		if v != nil {
			worst = max(worst, c.illnessOf(v))
		}
	}
	return worst
}

// illnessOf looks at exponents: a NaN's or an infinity's are all ones.
func (c *call) illnessOf(v *Value) int {
	v = c.unpacked(v)
	switch v.elem {
	case ir.Float:
		return endless(flat[uint32](c.dense(v)), 0x7f800000)
	case ir.Double:
		return endless(flat[uint64](c.dense(v)), 0x7ff<<52)
	case ir.Float16:
		return endless(flat[uint16](c.dense(v)), 0x7c00)
	case ir.BFloat16:
		return endless(flat[uint16](c.dense(v)), 0x7f80)
	}
	return 0
}

// endless is 2 if there is a NaN, whose mantissa is not 0, 1 if there is an
// infinity, and else 0.
func endless[T uint16 | uint32 | uint64](xs []T, exponent T) int {
	worst, mantissa := 0, exponent&-exponent-1
	for _, x := range xs {
		if x&exponent != exponent {
			continue
		}
		if x&mantissa != 0 {
			return 2
		}
		worst = 1
	}
	return worst
}
