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

// Recognizer returns a pass that applies recognizers of one's own. It has its place
// before Recognize, which may take a part of what they look for.
func Recognizer(name string, rs ...*rewrite.Rule) Pass {
	return Pass{
		Name: name, Doc: "apply recognizers of one's own", After: Recognize.After,
		Run: func(c *Context, m *ir.Model) error { return c.apply(m, rs) },
	}
}

// apply applies recognizers, and reports what they did.
func (c *Context) apply(m *ir.Model, rs []*rewrite.Rule) error {
	return rewrite.Apply(m, "recognize", rs, rewrite.Log{
		Did: func(r *rewrite.Rule, from, to *ir.Node) {
			c.Did(r.Name, from.String(), to.Op.String())
		},
		Skipped: func(r *rewrite.Rule, at *ir.Node, why string) { c.Skipped(r.Name, at.String(), why) },
		Keep:    func(v *ir.Value) bool { return c.Kept(m, v) },
	})
}

func recognize(c *Context, m *ir.Model) error {
	if err := c.apply(m, patterns.Rules()); err != nil {
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
