package passes

import (
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// Expand takes apart what an optimizer has fused.
var Expand = Pass{
	Name: "expand",
	Doc: "take fused operators apart\n\n" +
		"A whole attention, a rotary embedding or a normalization with its residual, as ONNX Runtime's tools fuse them, has no relevance rule; its parts have. " +
		"Weights of 4 and 8 bits stay packed.",
	After: []string{"fold"},
	Run:   expand,
}

func expand(c *Context, m *ir.Model) error { return c.expand(m, m.Graph) }

func (c *Context) expand(m *ir.Model, g *ir.Graph) error {
	for again := true; again; { // bodies may hold other fused operators
		again = false
		for n := range g.Nodes() {
			for sub := range n.Subgraphs() {
				if err := c.expand(m, sub); err != nil {
					return err
				}
			}
			if op := m.Ops.Lookup(n.Op); op == nil || !op.Fused {
				continue
			}
			from, o := n.String(), describe(n)
			n.Origin = "expand/" + n.Op.Name + " <- " + from
			if err := ir.Inline(m, n); err != nil {
				return diag.Errorf("LX2003", "%w", err).In(m.File).At(o.Node, o.Op).
					Help("export the model without this fusion, or with other options for it")
			}
			c.Did(o.Op, from, "its parts")
			again = true
		}
	}
	return nil
}
