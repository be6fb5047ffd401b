package passes

import (
	"errors"

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

func expand(c *Context, m *ir.Model) error {
	var failed refusals
	if err := c.expand(m, m.Graph, &failed); err != nil {
		return err
	}
	return failed.err()
}

func (c *Context) expand(m *ir.Model, g *ir.Graph, failed *refusals) error {
	kept := map[*ir.Node]bool{}
	for again := true; again; { // bodies may hold other fused operators
		again = false
		for n := range g.Nodes() {
			for sub := range n.Subgraphs() {
				if err := c.expand(m, sub, failed); err != nil {
					return err
				}
			}
			op := m.Ops.Lookup(n.Op)
			if op == nil || !op.Fused || kept[n] {
				continue
			}
			from, o, origin := n.String(), describe(n), n.Origin
			n.Origin = "expand/" + n.Op.Name + " <- " + from
			if err := ir.Inline(m, n); err != nil && op.VJP != nil { // it may run as it is, but relevance stops here
				kept[n], n.Origin = true, origin
				c.Skipped(o.Op, from, err.Error())
				continue
			} else if err != nil {
				kept[n], n.Origin = true, origin
				failed.add(diag.Errorf("LX2003", "%w", err).In(m.File).At(o.Node, o.Op).
					Help("export the model without this fusion, or with other options for it"), reason(err))
				continue
			}
			c.Did(o.Op, from, "its parts")
			again = true
		}
	}
	return nil
}

// reason is what is at the end of a chain of errors: why, without the places.
func reason(err error) string {
	for u := errors.Unwrap(err); u != nil; u = errors.Unwrap(err) {
		err = u
	}
	return err.Error()
}
