package passes

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// Recompute trades a little computation for memory.
var Recompute = Pass{
	Name: "recompute",
	Doc: "compute activations again instead of keeping them\n\n" +
		"An activation function's result that relevance reads long after the forward pass did is computed again there, if its argument has to be kept anyway. " +
		"A gated layer then keeps two activations instead of three.",
	After: []string{"legalize", "cse"},
	Run:   recompute,
}

// cheap are the operators that cost little more than reading their argument.
var cheap = map[string]bool{
	"Relu": true, "Gelu": true, "Swish": true, "Sigmoid": true, "Tanh": true, "HardSwish": true, "HardSigmoid": true,
	"LeakyRelu": true, "Elu": true, "Erf": true, "Softplus": true, "Mish": true, "Clip": true,
}

// farApart is how many nodes later a reader must be: within a layer, forward
// or backward, nothing is gained.
const farApart = 64

func recompute(c *Context, m *ir.Model) error {
	g := m.Graph
	at := map[*ir.Node]int{}
	for n := range g.Nodes() {
		at[n] = len(at)
	}
	for n := range g.Nodes() {
		if !cheap[n.Op.String()] || len(n.Out) != 1 || g.IsOutput(n.Out[0]) {
			continue
		}
		late := lateReaders(n, at)
		if late == nil {
			continue
		}
		b := m.At(g, late[0].Node)
		b.Origin, b.Scopes = "recompute <- "+n.String(), late[0].Node.Scopes
		again := b.Node(n.Op, n.Attrs, n.In...)
		if err := b.Err(); err != nil {
			return err
		}
		again.Out[0].Type = n.Out[0].Type
		for _, u := range late {
			u.Node.SetInput(u.Index, again.Out[0])
		}
		c.Did("recompute", n.String(), late[0].Node.String())
	}
	return nil
}

// lateReaders returns the uses of n's output that come long after n, in order,
// if n's arguments live until then without n; nil if there are none, or if
// every use is late.
func lateReaders(n *ir.Node, at map[*ir.Node]int) []ir.Use {
	place, known := at[n]
	if !known { // made by this pass
		return nil
	}
	var late []ir.Use
	uses := n.Out[0].Uses()
	for _, u := range uses {
		p, here := at[u.Node]
		if !here {
			return nil // read inside a subgraph
		}
		if p > place+farApart {
			late = append(late, u)
		}
	}
	if len(late) == 0 || len(late) == len(uses) {
		return nil
	}
	slices.SortFunc(late, func(a, b ir.Use) int { return at[a.Node] - at[b.Node] })
	last := at[late[len(late)-1].Node]
	for _, v := range n.In {
		if v == nil || v.Def == nil {
			continue
		}
		kept := slices.ContainsFunc(v.Uses(), func(u ir.Use) bool { return u.Node != n && at[u.Node] >= last })
		if !kept {
			return nil
		}
	}
	return late
}
