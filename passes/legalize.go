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
		if err := legalizeGraph(c, m, f.Body, true); err != nil {
			return fmt.Errorf("function %s: %w", f.Op, err)
		}
	}
	return legalizeGraph(c, m, m.Graph, false)
}

func legalizeGraph(c *Context, m *ir.Model, g *ir.Graph, function bool) error {
	for again := true; again; { // bodies may call others; functions do not call themselves (Verify)
		again = false
		for n := range g.Nodes() {
			for sub := range n.Subgraphs() {
				if err := legalizeGraph(c, m, sub, function); err != nil {
					return err
				}
			}
			if !c.mustInline(m, n, function) {
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

// mustInline reports whether n has to be replaced by its body. Inside a
// function only the ONNX version counts: functions are inlined as a whole.
func (c *Context) mustInline(m *ir.Model, n *ir.Node, function bool) bool {
	op := m.Ops.Lookup(n.Op)
	isCall := m.Func(n.Op) != nil
	if op == nil || op.Body == nil && !isCall {
		return false
	}
	if c.Supports != nil && !function {
		return c.Supports(n) != nil
	}
	return !isCall && (n.Op.Domain != "" || c.Opset != 0 && op.Since > c.Opset)
}
