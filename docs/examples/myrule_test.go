package examples_test

import (
	"context"
	"fmt"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// Abs shares relevance by the size of each contribution, whatever its sign:
// R_x = |x| (|w|ᵀ R / (|w||x| + ε)).
var Abs = &rules.Rule{
	Name:      "abs",
	Doc:       "share by the size of contributions\n\nR_x = |x| (|w|ᵀ R / (|w||x| + ε)).",
	Params:    []rules.Param{{Name: "eps", Default: "1e-9", Doc: "keeps the sum from zero"}},
	Conserves: true,
	Relevance: func(c *rules.Context) []*ir.Value {
		x, w := c.Op("Abs", c.Node.In[0]), c.Op("Abs", c.Node.In[1])
		n := c.Apply(x, w) // the node's operator at other inputs
		z := n.Out[0]
		s := c.Div(c.R[0], c.Add(z, c.Param("eps", z)))
		return c.Only(0, c.Mul(x, c.VJP(n, s)[0]))
	},
}

func Example_rule() {
	set := append(rules.Standard(), Abs)
	mine, err := rules.Parse("mine.rules", `
		MatMul if const(1) => abs
		use attnlrp
	`, set)
	check(err)

	parsed, err := ir.Parse(`g (float[1,2] x) => (float[1,1] y) <float[2,1] w = {3, 1}> {
		y = MatMul (x, w)
	}`, ops.Standard())
	check(err)
	opt := lxtc.Options{Rules: mine, Form: passes.ExplicitForm}
	x, err := lxtc.FromIR(parsed).Explainer(context.Background(), reference.New(), opt, backend.Options{})
	check(err)
	defer x.Close()

	// y = 3·1 - 2·1 = 1. The contributions are 3 and -2: 3/5 and 2/5 of y.
	out, err := x.Run(context.Background(), map[string]*ir.Tensor{"x": ir.Of([]float32{1, -2}, 1, 2)})
	check(err)
	print32("y", out["y"])
	print32("R:x", out["R:x"])
	// Output:
	// y [1.0000]
	// R:x [0.6000 0.4000]
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func print32(name string, t *ir.Tensor) {
	f, err := t.Float32s()
	check(err)
	fmt.Printf("%s %.4f\n", name, f)
}
