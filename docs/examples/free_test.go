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

func Example_free() {
	mine, err := rules.Parse("mine.rules", "MatMul => gamma($gamma=0)\nuse attnlrp", rules.Standard())
	check(err)
	parsed, err := ir.Parse(`g (float[1,2] x) => (float[1,1] y) <float[2,1] w = {3, 1}> {
		y = MatMul (x, w)
	}`, ops.Standard())
	check(err)
	opt := lxtc.Options{Rules: mine, Form: passes.ExplicitForm}
	x, err := lxtc.FromIR(parsed).Explainer(context.Background(), reference.New(), opt, backend.Options{})
	check(err)
	defer x.Close()

	in := map[string]*ir.Tensor{"x": ir.Of([]float32{1, -2}, 1, 2)}
	out, err := x.Run(context.Background(), in) // with the default
	check(err)
	print32("gamma 0", out["R:x"])
	for _, gamma := range []float32{1, 4} {
		in["$gamma"] = ir.Of([]float32{gamma}) // a scalar
		out, err := x.Run(context.Background(), in)
		check(err)
		print32(fmt.Sprint("gamma ", gamma), out["R:x"])
	}
	// Output:
	// gamma 0 [3.0000 -2.0000]
	// gamma 1 [1.5000 -0.5000]
	// gamma 4 [1.1538 -0.1538]
}
