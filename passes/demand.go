package passes

import (
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// Demand drops what only other outputs need: outputs that are no targets, and
// the positions of a sequence at which nothing is explained.
var Demand = Pass{
	Name: "demand",
	Doc: "compute only what the targets need\n\n" +
		"If the outputs themselves are not wanted, the target's position is cut out as early as possible: a language model's head and most of its last layer then run at one position instead of all.",
	After: []string{"target"},
	Run:   demand,
}

func demand(c *Context, m *ir.Model) error {
	if !c.TargetsOnly {
		return nil
	}
	values, err := c.targets(m)
	if err != nil {
		return err
	}
	if !slices.Equal(values, m.Graph.Outputs) {
		c.Did("outputs", "all", "targets")
		m.Graph.Outputs = slices.Clone(values)
	}
	for _, v := range values {
		at, same := c.position(v)
		if !same || v.Def == nil || v.Type.Rank() != 3 || c.explained(v) {
			continue
		}
		if err := c.cut(m, v, at); err != nil {
			return err
		}
	}
	return nil
}

// explained reports whether the user asks for v's own relevance.
func (c *Context) explained(v *ir.Value) bool { return slices.ContainsFunc(c.Explain, v.Named) }

// spot is a position of axis 1: a number, or with a mask one for each row.
type spot struct {
	pos  int64
	mask string
}

// position returns the one place that all targets of v are at.
func (c *Context) position(v *ir.Value) (at spot, same bool) {
	for _, t := range c.Targets {
		if t.Output != v.Name {
			continue
		}
		p := spot{t.Position, t.Mask}
		switch {
		case t.Seed || t.Every || t.Select != nil && (len(t.Select) < 2 || len(t.Select[1]) != 1):
			return spot{}, false
		case t.Select != nil:
			p.pos = t.Select[1][0]
		case t.Index != nil:
			p.pos = t.Index[1]
		}
		if same && p != at {
			return spot{}, false
		}
		at, same = p, true
	}
	return at, same
}

// cut replaces the output v by v at one place, moves the targets there, and
// pushes the cut up. Where a mask decides, what is left are the positions from
// the first to the last at which a row has its target: one, if rows are equally
// long or padded on the left.
func (c *Context) cut(m *ir.Model, v *ir.Value, at spot) error {
	g := m.Graph
	p, err := c.pusherTo(m, at)
	if err != nil {
		return err
	}
	b := m.At(g, nil)
	b.Origin = "demand <- " + v.Name
	y := p.slice(b, v, 1)
	if err := b.Err(); err != nil {
		return err
	}
	for i := range g.Outputs {
		if g.Outputs[i] == v {
			g.Outputs[i] = y
		}
	}
	name := v.Name
	g.Rename(v, name+":all")
	g.Rename(y, name)
	c.moveTargets(name, at)
	c.Did("position", v.Name, y.Name)
	for n := range g.Backward() {
		if err := p.push(n); err != nil {
			return err
		}
	}
	return nil
}

// moveTargets moves the targets of an output to where they are after the cut.
func (c *Context) moveTargets(output string, at spot) {
	if at.mask != "" {
		if c.cuts == nil {
			c.cuts = map[string]bool{}
		}
		c.cuts[output] = true // Seed computes the positions
		return
	}
	for i := range c.Targets {
		if t := &c.Targets[i]; t.Output == output {
			t.Position = 0
			if t.Index != nil {
				t.Index = slices.Clone(t.Index)
				t.Index[1] = 0
			}
			if t.Select != nil {
				t.Select = slices.Clone(t.Select)
				t.Select[1] = []int64{0}
			}
		}
	}
}

// pusher moves slices of one range towards the inputs.
type pusher struct {
	c     *Context
	m     *ir.Model
	start func(b *ir.Builder) *ir.Value // int64[1], as are end and size
	end   func(b *ir.Builder) *ir.Value
	size  func(b *ir.Builder) *ir.Value // of the range
	dim   ir.Dim                        // size, as types say it
	made  map[*ir.Node]int64            // the slices that it made, and their axis
}

// pusherTo returns a pusher of slices of one place.
func (c *Context) pusherTo(m *ir.Model, at spot) (*pusher, error) {
	p := &pusher{c: c, m: m, made: map[*ir.Node]int64{}}
	number := func(n int64) func(*ir.Builder) *ir.Value {
		return func(b *ir.Builder) *ir.Value { return b.Ints(n) }
	}
	if at.mask == "" {
		end := at.pos + 1
		if at.pos == -1 {
			end = math.MaxInt64
		}
		p.start, p.end, p.size, p.dim = number(at.pos), number(end), number(1), ir.N(1)
		return p, nil
	}
	b := m.AtStart(m.Graph)
	b.Origin = "demand <- " + at.mask
	rows := fromLast(b, m.Graph, at.mask, at.pos)
	over := func(op string) *ir.Value {
		return b.OpA("Reshape", nil, b.OpA(op, ir.Attrs{{Name: "keepdims", Value: int64(0)}}, rows, b.Ints(0, 1)), b.Ints(1))
	}
	first := over("ReduceMin")
	end := b.Add(over("ReduceMax"), b.Ints(1))
	size := b.Sub(end, first)
	made := func(v *ir.Value) func(*ir.Builder) *ir.Value {
		return func(*ir.Builder) *ir.Value { return v }
	}
	p.start, p.end, p.size, p.dim = made(first), made(end), made(size), ir.Sym("targets:"+at.mask)
	return p, b.Err()
}

func (p *pusher) slice(b *ir.Builder, v *ir.Value, axis int64) *ir.Value {
	y := b.Op("Slice", v, p.start(b), p.end(b), b.Ints(axis))
	if b.Err() == nil {
		p.made[y.Def] = axis
		y.Type.Shape = slices.Clone(y.Type.Shape)
		y.Type.Shape[axis] = p.dim
	}
	return y
}

// push replaces n by itself on cut inputs, if all that reads n is cuts along
// one axis and n treats the positions of that axis alike.
func (p *pusher) push(n *ir.Node) error {
	g := p.m.Graph
	if len(n.Out) != 1 || n.Out[0] == nil || n.Out[0].NumUses() == 0 || p.c.Kept(p.m, n.Out[0]) {
		return nil
	}
	v := n.Out[0]
	axis := int64(-1)
	for _, u := range v.Uses() {
		a, ours := p.made[u.Node]
		if !ours || u.Index != 0 || axis >= 0 && a != axis {
			return nil
		}
		axis = a
	}
	axes, ok := alike(n, axis)
	if !ok {
		return nil
	}
	b := p.m.At(g, n)
	b.Origin, b.Scopes = "demand <- "+n.String(), n.Scopes
	in := slices.Clone(n.In)
	for i, a := range axes {
		if a >= 0 {
			in[i] = p.slice(b, in[i], a)
		}
	}
	if n.Op.Name == "Reshape" {
		target := b.Op("ScatterElements", in[1], b.Ints(axis), p.size(b))
		in[1] = target
	}
	y := b.Node(n.Op, n.Attrs, in...)
	if err := b.Err(); err != nil {
		return err
	}
	y.Name, y.Role = n.Name, n.Role
	if n.Origin != "" { // a recognized node stays one
		y.Origin = n.Origin
	}
	if t, err := ir.Refine(y.Out[0].Type, p.cutType(v.Type, axis)); err == nil {
		y.Out[0].Type = t
	}
	for _, u := range v.Uses() {
		cut := u.Node
		if g.IsOutput(cut.Out[0]) {
			name := cut.Out[0].Name
			g.Rename(cut.Out[0], name+":cut")
			g.Rename(y.Out[0], name)
		}
		g.ReplaceUses(cut.Out[0], y.Out[0])
		delete(p.made, cut)
		if err := g.Remove(cut); err != nil {
			return err
		}
	}
	p.c.Did("cut", n.String(), y.String())
	return g.Remove(n)
}

// cutType is t with the range in place of an axis.
func (p *pusher) cutType(t ir.Type, axis int64) ir.Type {
	s := slices.Clone(t.Shape)
	s[axis] = p.dim
	return ir.Type{Elem: t.Elem, Shape: s}
}

// alongside are operators that treat every element alike.
var alongside = map[string]bool{
	"Add": true, "Sub": true, "Mul": true, "Div": true, "Pow": true, "Min": true, "Max": true, "Where": true, "Neg": true,
	"Relu": true, "Gelu": true, "Swish": true, "Sigmoid": true, "Tanh": true, "Erf": true, "Exp": true, "Sqrt": true,
	"Reciprocal": true, "Cast": true, "Clip": true, "IsNaN": true, "Identity": true,
}

// alike reports whether cutting n's output along an axis is cutting its inputs:
// it returns the axis to cut for each input, -1 to leave it whole.
func alike(n *ir.Node, axis int64) (axes []int64, ok bool) {
	out := n.Out[0].Type
	rank := int64(out.Rank())
	axes = slices.Repeat([]int64{-1}, len(n.In))
	first := func(a int64) ([]int64, bool) {
		axes[0] = a
		return axes, true
	}
	attrAxis := func(def int64) int64 {
		a := n.Attrs.Int("axis", def)
		if a < 0 {
			a += rank
		}
		return a
	}
	switch op := n.Op.String(); {
	case alongside[op]:
		return broadcastAxes(n.In, axes, out, axis, rank)
	case op == "MatMul":
		if n.In[0].Type.Rank() < 2 || n.In[1].Type.Rank() < 2 || axis == rank-1 {
			return nil, false
		}
		if axis == rank-2 {
			return first(int64(n.In[0].Type.Rank()) - 2)
		}
		return broadcastAxes(n.In, axes, out, axis, rank)
	case op == "lxt.Linear":
		if axis == rank-1 {
			return nil, false
		}
		return first(axis)
	case op == "lxt.FakeQuantize":
		if scale := n.In[1].Type; scale.Rank() != 0 && !(scale.Rank() == 1 && scale.Shape[0].Is(1)) || n.Input(4) != nil {
			return nil, false // along an axis
		}
		return first(axis)
	case op == "RMSNormalization", op == "LayerNormalization":
		if axis >= attrAxis(-1) {
			return nil, false
		}
		return first(axis)
	case op == "Softmax":
		if axis == attrAxis(-1) {
			return nil, false
		}
		return first(axis)
	case op == "Transpose":
		perm := n.Attrs.Ints("perm")
		if perm == nil {
			return nil, false
		}
		return first(perm[axis])
	case op == "Concat":
		if axis == attrAxis(0) {
			return nil, false
		}
		for i := range axes {
			axes[i] = axis
		}
		return axes, true
	case op == "Slice":
		if cuts(n, axis, rank) {
			return nil, false
		}
		return first(axis)
	case op == "Reshape":
		if a := reshapedAxis(n.In[0].Type.Shape, out.Shape, axis); a >= 0 {
			return first(a)
		}
	}
	return nil, false
}

// broadcastAxes cuts the inputs of a broadcasting operator: those that have
// the axis in full.
func broadcastAxes(in []*ir.Value, axes []int64, out ir.Type, axis, rank int64) ([]int64, bool) {
	for i, v := range in {
		if v == nil {
			continue
		}
		r := int64(v.Type.Rank())
		a := axis - (rank - r)
		switch {
		case r < 0:
			return nil, false
		case a < 0 || v.Type.Shape[a].Is(1):
		case v.Type.Shape[a].Same(out.Shape[axis]):
			axes[i] = a
		default:
			return nil, false
		}
	}
	return axes, true
}

// cuts reports whether a Slice cuts the axis itself, or may.
func cuts(n *ir.Node, axis, rank int64) bool {
	if len(n.In) < 4 || n.In[3] == nil {
		return true
	}
	t := rewrite.Constant(n.In[3])
	if t == nil {
		return true
	}
	list, err := t.Int64s()
	return err != nil || slices.ContainsFunc(list, func(a int64) bool { return a == axis || a+rank == axis })
}

// reshapedAxis returns the axis of from that an axis of to is, whole: with the
// same size, and as many elements before it. It is -1 if there is none.
func reshapedAxis(from, to []ir.Dim, axis int64) int64 {
	before := ir.Numel(to[:axis])
	for i, d := range from {
		if d.Same(to[axis]) && ir.Numel(from[:i]).Same(before) {
			return int64(i)
		}
	}
	return -1
}
