package passes

import (
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/patterns"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// Recognize finds what the exporter took apart.
var Recognize = Pass{
	Name: "recognize",
	Doc: "say what the exporter meant\n\n" +
		"Normalizations, activations and dense layers with their bias become one node each; the parts of attention, rotary embeddings and repeated heads get a role. " +
		"Activations must be known before rules are bound: x·sigmoid(x) is not a product of two operands that share relevance.",
	After: []string{"fold", "canonical"},
	Run:   recognize,
}

func recognize(c *Context, m *ir.Model) error {
	log := rewrite.Log{
		Did: func(r *rewrite.Rule, from, to *ir.Node) {
			c.Did(r.Name, from.String(), to.Op.String())
		},
		Skipped: func(r *rewrite.Rule, at *ir.Node, why string) { c.Skipped(r.Name, at.String(), why) },
		Keep:    func(v *ir.Value) bool { return c.Kept(m, v) },
	}
	if err := rewrite.Apply(m, "recognize", patterns.Rules(), log); err != nil {
		return err
	}
	for _, mk := range patterns.Markers() {
		for n := range m.Graph.Nodes() {
			roles, why := mk.At(n)
			if why != "" {
				c.Skipped(mk.Name, n.String(), why)
			}
			for _, r := range roles {
				if r.Node.Role != r.Name {
					r.Node.Role = r.Name
					c.Did(mk.Name, r.Node.String(), r.Name)
				}
			}
		}
	}
	return nil
}
