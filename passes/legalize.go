package passes

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// Legalize inlines what the target has no operator for.
var Legalize = Pass{
	Name: "legalize",
	Doc: "inline what the target does not know\n\n" +
		"Calls of functions, and operators that are defined by others, are replaced by their bodies where the backend has no kernel or the ONNX version has no such operator.",
	After: []string{"relevance"},
	Run:   legalize,
}

func legalize(c *Context, m *ir.Model) error {
	for _, f := range m.Funcs {
		if err := c.legalizeGraph(m, f.Body, c.tooNew); err != nil {
			return fmt.Errorf("function %s: %w", f.Op, err)
		}
	}
	lacks := c.tooNew
	if c.Supports != nil {
		lacks = c.unsupported
	}
	return c.legalizeGraph(m, m.Graph, lacks)
}

// legalizeGraph inlines the nodes of a graph that the target lacks.
func (c *Context) legalizeGraph(m *ir.Model, g *ir.Graph, lacks func(*ir.Model, *ir.Node) bool) error {
	for again := true; again; { // bodies may call others; functions do not call themselves (Verify)
		again = false
		for n := range g.Nodes() {
			for sub := range n.Subgraphs() {
				if err := c.legalizeGraph(m, sub, lacks); err != nil {
					return err
				}
			}
			if !lacks(m, n) {
				continue
			}
			c.Did("inline", n.String(), "its body")
			if err := ir.Inline(m, n); err != nil {
				return fmt.Errorf("%v: %w", n, err)
			}
			again = true
		}
	}
	return nil
}

// unsupported reports whether n has a body and the target no kernel for it.
func (c *Context) unsupported(m *ir.Model, n *ir.Node) bool {
	op := m.Ops.Lookup(n.Op)
	return (m.Func(n.Op) != nil || op != nil && op.Body != nil) && c.Supports(n) != nil
}

// tooNew reports whether n has a body and the ONNX version no such operator. A
// function is as it is: where it cannot be called, it is inlined as a whole.
func (c *Context) tooNew(m *ir.Model, n *ir.Node) bool {
	op := m.Ops.Lookup(n.Op)
	if op == nil || op.Body == nil || m.Func(n.Op) != nil {
		return false
	}
	return n.Op.Domain != "" || c.Opset != 0 && op.Since > c.Opset
}
