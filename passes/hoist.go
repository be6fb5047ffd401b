package passes

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// hoistRatio is how much smaller a value must be than what it is computed from
// to be kept in its place.
const hoistRatio = 16

// hoistDepth is how many nodes back a small value may be computed from a large
// one: mean(x·x) is two.
const hoistDepth = 3

// aFew numbers, such as a shape, are small beside an activation of any size.
const aFew = 16

// hoist moves the computation of small values from large ones up to where the
// large ones are computed, so that those need not live until the small ones
// are read. It returns the new order.
func hoist(order []*ir.Node) []*ir.Node {
	h := &hoisting{at: make(map[*ir.Node]int, len(order)), moved: map[*ir.Node]bool{}, after: map[*ir.Node][]*ir.Node{}}
	for i, n := range order {
		h.at[n] = i
	}
	for _, n := range order {
		cone, from := h.cone(n)
		if cone == nil || h.at[n]-h.at[from] <= len(cone)+1 {
			continue
		}
		slices.SortFunc(cone, func(a, b *ir.Node) int { return h.at[a] - h.at[b] })
		for _, k := range cone {
			h.moved[k] = true
		}
		h.after[from] = append(h.after[from], cone...)
	}
	out := make([]*ir.Node, 0, len(order))
	for _, n := range order {
		if !h.moved[n] {
			out = append(append(out, n), h.after[n]...)
		}
	}
	return out
}

type hoisting struct {
	at    map[*ir.Node]int        // places before any node moves
	moved map[*ir.Node]bool       // nodes that stand behind another now
	after map[*ir.Node][]*ir.Node // what moved behind a node; such a node stays
}

// cone returns the nodes that compute n's small output from large values, n
// included, and the last of the nodes that compute those values; nil if n is
// not worth moving or cannot move.
func (h *hoisting) cone(n *ir.Node) (cone []*ir.Node, from *ir.Node) {
	if !h.movable(n) {
		return nil, nil
	}
	size := ir.Numel(n.Out[0].Type.Shape)
	large := false
	var visit func(k *ir.Node, depth int)
	visit = func(k *ir.Node, depth int) {
		cone = append(cone, k)
		for _, v := range k.In {
			if v == nil || v.Def == nil || slices.Contains(cone, v.Def) {
				continue
			}
			constant := v.Def.Op.Name == "Constant"
			big := !constant && muchLarger(v, size)
			if h.movable(v.Def) && onlyRead(v, cone) && (constant || big && depth < hoistDepth) {
				visit(v.Def, depth+1)
				continue
			}
			large = large || big
			if from == nil || h.at[v.Def] > h.at[from] {
				from = v.Def
			}
		}
	}
	visit(n, 0)
	if !large || from == nil || h.moved[from] {
		return nil, nil
	}
	return cone, from
}

// movable reports whether a node may move: it has one output and no graph, which
// may read what is computed later, and neither it nor anything behind it has
// moved.
func (h *hoisting) movable(n *ir.Node) bool {
	return len(n.Out) == 1 && n.Out[0] != nil && !hasGraph(n) && !h.moved[n] && h.after[n] == nil
}

// onlyRead reports whether only nodes of the cone read v.
func onlyRead(v *ir.Value, cone []*ir.Node) bool {
	return !slices.ContainsFunc(v.Uses(), func(u ir.Use) bool { return !slices.Contains(cone, u.Node) })
}

// muchLarger reports whether v has at least hoistRatio times as many elements
// as size says.
func muchLarger(v *ir.Value, size ir.Dim) bool {
	if v.Type.Shape == nil {
		return false
	}
	n := ir.Numel(v.Type.Shape)
	if k, ok := size.Num(); ok && k <= aFew {
		m, known := n.Num()
		return !known || m >= hoistRatio*max(k, 1)
	}
	q := n.Div(size)
	return !q.IsUnknown() && q.N >= hoistRatio
}
