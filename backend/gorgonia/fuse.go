package gorgonia

import (
	"cmp"
	"slices"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
)

// stepsOf divides a segment's nodes into steps, in order. Operators that compute
// each row of their result from the same row of their operands are fused, so that
// what is between them stays in the cache (rows.go). Where somebody watches the
// single nodes, nothing is fused.
func (e engine) stepsOf(nodes []*ir.Node, kept map[*ir.Node]kernel, opt backend.Options) []step {
	switch {
	case e.plain:
		return plainSteps(nodes)
	case opt.Trace != nil || opt.WatchNaN:
		return withKernels(plainSteps(nodes), kept)
	}
	f := &fusing{nodes: nodes, kept: kept, at: map[*ir.Node]int{}, in: map[*ir.Node]*group{}, readers: map[*ir.Value][]*ir.Node{}}
	for i, n := range nodes {
		f.at[n] = i
		for _, v := range operands(n) {
			f.readers[v] = append(f.readers[v], n)
		}
	}
	for i, n := range nodes {
		if rowwise(n) && kept[n] == nil {
			f.place(i, n)
		}
	}
	return withKernels(f.steps(), kept)
}

func plainSteps(nodes []*ir.Node) []step {
	steps := make([]step, len(nodes))
	for i, n := range nodes {
		steps[i] = single(n)
	}
	return steps
}

// fusing is a segment whose nodes are being divided into groups.
type fusing struct {
	nodes   []*ir.Node
	kept    map[*ir.Node]kernel // of nodes whose results may be weights as they are stored
	at      map[*ir.Node]int
	in      map[*ir.Node]*group
	readers map[*ir.Value][]*ir.Node // in the segment
}

// A group is rowwise nodes with the same leading axes. They run where the node at
// end stood.
type group struct {
	nodes   []*ir.Node
	lead    []ir.Dim
	end     int
	product *product // that makes an operand, and is run with them
}

// Within how many nodes of each other nodes may be fused: a node that moves makes
// its operands, or its result, live longer.
const (
	reachUp   = 16
	reachDown = 48
)

// place adds a node to a group: to the groups that make its operands, if there are
// several and nobody between needs them earlier; to one that runs before it, if all
// that the node reads is there by then; or to the one that makes its operand.
func (f *fusing) place(i int, n *ir.Node) {
	lead := leadOf(n.Out[0])
	makers := f.makers(i, n, lead)
	if g := f.earlier(i, n, lead); g != nil && len(makers) < 2 {
		g.nodes = append(g.nodes, n)
		f.in[n] = g
		return
	}
	joined := &group{lead: lead, end: i, nodes: []*ir.Node{n}}
	for _, g := range makers {
		for _, k := range g.nodes {
			f.in[k] = joined
		}
		joined.nodes = append(joined.nodes, g.nodes...)
	}
	slices.SortFunc(joined.nodes, func(a, b *ir.Node) int { return cmp.Compare(f.at[a], f.at[b]) })
	f.in[n] = joined
}

// makers returns the groups that make operands of n and can run with it at place i.
func (f *fusing) makers(i int, n *ir.Node, lead []ir.Dim) []*group {
	var gs []*group
	for _, v := range n.In {
		g := f.maker(v)
		if g != nil && !slices.Contains(gs, g) && sameDims(g.lead, lead) && i-f.at[g.nodes[0]] <= reachDown {
			gs = append(gs, g)
		}
	}
	for {
		stay := slices.IndexFunc(gs, func(g *group) bool { return !f.movable(g, i, gs) })
		if stay < 0 {
			return gs
		}
		gs = slices.Delete(gs, stay, stay+1)
	}
}

// maker returns the group that computes v, nil if none does.
func (f *fusing) maker(v *ir.Value) *group {
	if v == nil || v.Def == nil {
		return nil
	}
	return f.in[v.Def]
}

// earlier returns a group that n can join without moving the group: it makes or
// reads something that n reads.
func (f *fusing) earlier(i int, n *ir.Node, lead []ir.Dim) *group {
	var best *group
	for _, v := range n.In {
		if v == nil || v.IsConst() {
			continue
		}
		candidates := []*group{f.maker(v)}
		for _, r := range f.readers[v] {
			candidates = append(candidates, f.in[r])
		}
		for _, g := range candidates {
			if g != nil && (best == nil || g.end > best.end) && sameDims(g.lead, lead) && i-g.end <= reachUp && f.ready(n, g) {
				best = g
			}
		}
	}
	return best
}

// ready reports whether all that n reads is there when g runs.
func (f *fusing) ready(n *ir.Node, g *group) bool {
	for _, v := range n.In {
		if v == nil || v.Def == nil {
			continue
		}
		at, here := f.at[v.Def]
		if made := f.in[v.Def]; made != nil {
			if made == g {
				continue
			}
			at = made.end
		}
		if here && at >= g.end {
			return false
		}
	}
	return true
}

// movable reports whether g can run at place i with others.
func (f *fusing) movable(g *group, i int, with []*group) bool {
	for _, k := range g.nodes {
		for _, v := range k.Out {
			for _, r := range f.readers[v] {
				if f.at[r] < i && !slices.Contains(with, f.in[r]) {
					return false
				}
			}
		}
	}
	return true
}

// steps returns the groups and the other nodes in order.
func (f *fusing) steps() []step {
	gone := map[*ir.Node]bool{}
	last := map[int]*group{}
	for _, n := range f.nodes {
		g := f.in[n]
		if g == nil || last[g.end] == g {
			continue
		}
		if g.product = f.product(g); g.product != nil {
			gone[g.product.n] = true
		} else if len(g.nodes) == 1 {
			continue
		}
		last[g.end] = g
		for _, k := range g.nodes {
			gone[k] = true
		}
	}
	var steps []step
	for i, n := range f.nodes {
		if !gone[n] {
			steps = append(steps, single(n))
		}
		if g := last[i]; g != nil {
			steps = append(steps, f.step(g))
		}
	}
	return steps
}

// wanted reports whether a value of g is read outside of it.
func (f *fusing) wanted(v *ir.Value, g *group) bool {
	if v.Def.Graph().IsOutput(v) {
		return true
	}
	for _, u := range v.Uses() {
		if f.in[u.Node] != g { // a node of another segment or graph is in no group of this one
			return true
		}
	}
	return false
}

func sameDims(a, b []ir.Dim) bool { return slices.EqualFunc(a, b, ir.Dim.Same) }

// leadOf returns the dimensions of v without the last, nil if there are none.
func leadOf(v *ir.Value) []ir.Dim {
	if v.Type.Rank() < 2 {
		return nil
	}
	return v.Type.Shape[:v.Type.Rank()-1]
}

// rowed reports whether v has the given leading dimensions.
func rowed(v *ir.Value, lead []ir.Dim) bool {
	return v != nil && v.Type.Rank() == len(lead)+1 && sameDims(leadOf(v), lead)
}

// pointwise are the elementwise operators worth fusing: those with vector code.
var pointwise = map[string]bool{
	"Add": true, "Sub": true, "Mul": true, "Div": true, "Max": true, "Min": true, "Neg": true, "Abs": true, "Sqrt": true,
	"Reciprocal": true, "Relu": true, "Exp": true, "Log": true, "Sigmoid": true, "Tanh": true, "Erf": true, "Gelu": true,
	"HardSwish": true, "HardSigmoid": true, "Swish": true, "Clip": true, "Where": true, "Identity": true,
}

// rowwise reports whether n computes each row of its float32 results, a row being
// what lies along the last axis, from the same row of its operands; of those that
// have other leading axes, from what is broadcast to it.
func rowwise(n *ir.Node) bool {
	if len(n.Out) == 0 || n.Out[0] == nil || n.Out[0].Type.Elem != ir.Float || hasGraph(n) || fastKernel(n) == nil {
		return false
	}
	lead := leadOf(n.Out[0])
	if lead == nil || !sameDims(lead, lead) { // one of them is unknown
		return false
	}
	for _, v := range n.Out {
		if !rowed(v, lead) {
			return false
		}
	}
	if n.Op.Domain != "" {
		return false
	}
	if pointwise[n.Op.Name] {
		return pointwiseFits(n, lead)
	}
	if !rowed(n.Input(0), lead) {
		return false
	}
	last := func(axis int64) bool { return axis == -1 || axis == int64(len(lead)) }
	constAxis := func(i int) bool {
		v := n.Input(i)
		if v == nil || !v.IsConst() || v.Type.Elem != ir.Int64 {
			return false
		}
		axes, err := v.Data.Int64s()
		return err == nil && len(axes) == 1 && last(axes[0])
	}
	switch n.Op.Name {
	case "Softmax":
		return last(n.Attrs.Int("axis", -1))
	case "RMSNormalization":
		return last(n.Attrs.Int("axis", -1)) && n.In[1].Type.Rank() == 1
	case "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare":
		return n.Attrs.Int("keepdims", 1) == 1 && constAxis(1)
	case "Slice":
		return constAxis(3)
	case "Split":
		return last(n.Attrs.Int("axis", 0))
	case "Concat":
		for _, v := range n.In {
			if !rowed(v, lead) {
				return false
			}
		}
		return last(n.Attrs.Int("axis", 0))
	case "Pad":
		return padsRows(n, len(lead))
	}
	return false
}

// pointwiseFits reports whether the operands of an elementwise operator have the
// leading dimensions of its result or are broadcast to them.
func pointwiseFits(n *ir.Node, lead []ir.Dim) bool {
	some := false
	for i, v := range n.In {
		switch {
		case v == nil:
		case v.Type.Shape == nil || v.Type.Rank() > len(lead)+1 || v.Type.Elem != ir.Float && (n.Op.Name != "Where" || i > 0):
			return false
		default:
			some = some || rowed(v, lead)
		}
	}
	return some
}

// padsRows reports whether a Pad leaves the leading axes alone.
func padsRows(n *ir.Node, lead int) bool {
	if n.Input(3) != nil || !n.In[1].IsConst() {
		return false
	}
	pads, err := n.In[1].Data.Int64s()
	if err != nil || len(pads) != 2*(lead+1) {
		return false
	}
	for i, p := range pads {
		if p != 0 && i%(lead+1) != lead {
			return false
		}
	}
	return n.Attrs.String("mode", "constant") == "constant"
}
