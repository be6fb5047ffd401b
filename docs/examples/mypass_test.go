package examples_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// DoubleNeg is a pass of our own.
var DoubleNeg = passes.Pass{
	Name:  "double-neg",
	Doc:   "a number negated twice is itself",
	After: []string{"canonical"},
	Run:   doubleNeg,
}

func doubleNeg(c *passes.Context, m *ir.Model) error {
	neg := ir.OpName{Name: "Neg"}
	for n := range m.Graph.Nodes() {
		if n.Op != neg || n.In[0].Def == nil || n.In[0].Def.Op != neg {
			continue
		}
		x := n.In[0].Def.In[0]
		if c.Kept(m, n.Out[0]) {
			c.Skipped("double-neg", n.String(), "its result is explained, or an output")
			continue
		}
		c.Did("double-neg", n.String(), x.Name)
		m.Graph.Replace(n.Out[0], x, m.At(m.Graph, n))
		if err := m.Graph.Remove(n); err != nil {
			return err
		}
	}
	return nil
}

func Example_pass() {
	pipeline := passes.Pipeline{passes.Canonical, DoubleNeg, passes.Dead}
	m, err := ir.Parse(`g (float[2] x) => (float[2] y) {
		a = Neg (x)
		b = Neg (a)
		y = Relu (b)
	}`, ops.Standard())
	check(err)
	report, err := pipeline.Run(context.Background(), m, passes.Options{}, passes.Driver{Strict: true})
	check(err)
	for _, s := range report.Steps {
		for _, d := range s.Done {
			fmt.Println(s.Pass+":", d.From)
		}
	}
	fmt.Print(ir.GraphText(m.Graph))
	// Output:
	// double-neg: Neg->b
	// dead: Neg->a
	// g (float[2] x) => (float[2] y) {
	//   y = Relu (x)
	// }
}

func Example_pipeline() {
	p := passes.Default()
	at := slices.IndexFunc(p, func(p passes.Pass) bool { return p.Name == "recognize" })
	p = slices.Insert(p, at, DoubleNeg)
	fmt.Println(p.Check())
	// Output: <nil>
}
