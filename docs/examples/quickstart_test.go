package examples_test

import (
	"context"
	"fmt"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/ir"
)

func Example_explain() {
	ctx := context.Background()
	m, err := lxtc.Load("../../testdata/onnx/digits-cnn")
	check(err)
	defer m.Close()
	x, err := m.Explainer(ctx, gorgonia.New(), lxtc.Options{}, backend.Options{})
	check(err)
	defer x.Close()
	out, err := x.Run(ctx, map[string]*ir.Tensor{"pixels": ir.Of(make([]float32, 32*32), 1, 1, 32, 32)})
	check(err)
	fmt.Println(out["logits"].TypeOf(), out["R:pixels"].TypeOf())
	// Output: float[1,10] float[1,1,32,32]
}
