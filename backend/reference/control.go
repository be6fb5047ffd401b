package reference

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// runGraph runs a graph in a node's attribute on arguments.
type runGraph func(g *ir.Graph, args []*Array) ([]*Array, error)

// control are the operators that run graphs.
var control = map[string]func(n *ir.Node, in []*Array, run runGraph) ([]*Array, error){
	"If": ifElse, "Loop": loop, "Scan": scan,
}

// Control computes an If, Loop or Scan node; runs runs a graph of its attributes.
func Control(n *ir.Node, in []*ir.Tensor, runs func(g *ir.Graph, args []*ir.Tensor) ([]*ir.Tensor, error)) ([]*ir.Tensor, error) {
	f := control[n.Op.String()]
	if f == nil {
		return nil, fmt.Errorf("%s runs no graph", n.Op)
	}
	args, err := new(run).tensors(in)
	if err != nil {
		return nil, err
	}
	outs, err := f(n, args, func(g *ir.Graph, args []*Array) ([]*Array, error) {
		ts, err := toTensors(args)
		if err != nil {
			return nil, err
		}
		got, err := runs(g, ts)
		if err != nil {
			return nil, err
		}
		return new(run).tensors(got)
	})
	if err != nil {
		return nil, err
	}
	return toTensors(outs)
}

func ifElse(n *ir.Node, in []*Array, run runGraph) ([]*Array, error) {
	branch := "else_branch"
	if in[0].Len() != 1 {
		return nil, fmt.Errorf("the condition has %d elements, want one", in[0].Len())
	}
	if in[0].I[0] != 0 {
		branch = "then_branch"
	}
	return run(n.Attrs.Graph(branch), nil)
}

func loop(n *ir.Node, in []*Array, run runGraph) ([]*Array, error) {
	body, limit, on := n.Attrs.Graph("body"), int64(-1), true
	if m := arg(in, 0); m != nil {
		limit = max(m.I[0], 0)
	}
	if c := arg(in, 1); c != nil {
		on = c.I[0] != 0
	}
	state := slices.Clone(in[min(2, len(in)):])
	stacks := make([][]*Array, len(body.Outputs)-1-len(state))
	for i := int64(0); on && (limit < 0 || i < limit); i++ {
		turn, cond := NewArray(ir.Int64), NewArray(ir.Bool)
		turn.I[0], cond.I[0] = i, 1
		outs, err := run(body, append([]*Array{turn, cond}, state...))
		if err != nil {
			return nil, fmt.Errorf("turn %d: %w", i, err)
		}
		on = outs[0].I[0] != 0
		for k, v := range outs[1+len(state):] {
			stacks[k] = append(stacks[k], v)
		}
		state = outs[1 : 1+len(state)]
	}
	return stackAll(state, stacks, body.Outputs[1+len(state):], make([]int64, len(stacks)))
}

func scan(n *ir.Node, in []*Array, run runGraph) ([]*Array, error) {
	s, err := ops.ScanOf(n)
	if err != nil {
		return nil, err
	}
	state, scanned := slices.Clone(in[:s.States]), in[s.States:]
	length := -1
	for k, x := range scanned {
		axis, err := axisOf(s.InAxes[k], len(x.Shape))
		if err != nil {
			return nil, err
		}
		if length >= 0 && length != x.Shape[axis] {
			return nil, fmt.Errorf("%d and %d slices are scanned together", length, x.Shape[axis])
		}
		length = x.Shape[axis]
	}
	stacks := make([][]*Array, len(s.Body.Outputs)-s.States)
	for i := range length {
		args := slices.Clone(state)
		for k, x := range scanned {
			at := i
			if s.InBack[k] {
				at = length - 1 - i
			}
			axis, _ := axisOf(s.InAxes[k], len(x.Shape)) // checked above
			slice, err := cut(x, axis, at, 1, 1)
			if err != nil {
				return nil, err
			}
			if slice, err = view(slice, slices.Delete(slices.Clone(slice.Shape), axis, axis+1)...); err != nil {
				return nil, err
			}
			args = append(args, slice)
		}
		outs, err := run(s.Body, args)
		if err != nil {
			return nil, fmt.Errorf("slice %d: %w", i, err)
		}
		state = outs[:s.States]
		for k, v := range outs[s.States:] {
			stacks[k] = append(stacks[k], v)
		}
	}
	for k, vs := range stacks {
		if s.OutBack[k] {
			slices.Reverse(vs)
		}
	}
	return stackAll(state, stacks, s.Body.Outputs[s.States:], s.OutAxes)
}

// stackAll returns the carried values and every stack as one array, along a new
// axis. Of an empty stack the graph's output has to say the shape; what it does
// not say is 0.
func stackAll(state []*Array, stacks [][]*Array, outs []*ir.Value, axes []int64) ([]*Array, error) {
	all := slices.Clone(state)
	for k, vs := range stacks {
		if len(vs) == 0 {
			shape := []int{0}
			for _, d := range outs[k].Type.Shape {
				size, _ := d.Num()
				shape = append(shape, int(max(size, 0)))
			}
			all = append(all, NewArray(outs[k].Type.Elem, shape...))
			continue
		}
		a, err := stack(vs, axes[k])
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func stack(vs []*Array, axis int64) (*Array, error) {
	k, err := axisOf(axis, len(vs[0].Shape)+1)
	if err != nil {
		return nil, err
	}
	for _, v := range vs {
		if !slices.Equal(v.Shape, vs[0].Shape) {
			return nil, fmt.Errorf("shapes %v and %v do not stack", vs[0].Shape, v.Shape)
		}
	}
	shape := slices.Insert(slices.Clone(vs[0].Shape), k, len(vs))
	out, err := alloc(vs[0].Elem, shape...)
	if err != nil {
		return nil, err
	}
	step := steps(vs[0].Shape)
	for i, at := range each(shape) {
		put(out, i, vs[at[k]], dot(at[:k], step)+dot(at[k+1:], step[k:]))
	}
	return out, nil
}

func (r *run) tensors(ts []*ir.Tensor) ([]*Array, error) {
	out := make([]*Array, len(ts))
	for i, t := range ts {
		if t == nil {
			continue
		}
		var err error
		if out[i], err = r.tensor(t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func toTensors(as []*Array) ([]*ir.Tensor, error) {
	out := make([]*ir.Tensor, len(as))
	for i, a := range as {
		if a == nil {
			continue
		}
		var err error
		if out[i], err = a.Tensor(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
