package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// lrn is local response normalization as PyTorch's function is made: the mean
// of squares is an average pooling over channels, which became an axis of their
// own. A rule for poolings must not see it.
var lrn = &rewrite.Rule{
	Name: "lrn",
	Doc:  "x / (k + α · mean of x² over the channels around)^β is LRN",
	Match: rewrite.MustParse(`
		wide = Reshape/Unsqueeze (Mul (x, x) | Pow (x, 2), _)
		padded = Pad (wide, pads, ...)
		mean = AveragePool (padded)
		back = Reshape (Squeeze (mean, _), _) | Squeeze (mean, _) | Reshape (mean, _)
		y = Div (x, Pow (Add (Mul (back, alpha), k), beta))
	`),
	If: func(m *rewrite.Match) error {
		for _, name := range []string{"alpha", "k", "beta"} {
			if _, err := m.Scalar(name); err != nil {
				return err
			}
		}
		size, err := lrnSize(m)
		if err != nil {
			return err
		}
		x, wide := m.Get("x").Type, m.Get("wide").Type
		if x.Rank() < 2 || wide.Rank() < 3 || !wide.Shape[0].Same(x.Shape[0]) || !wide.Shape[1].Is(1) || !wide.Shape[2].Same(x.Shape[1]) {
			return fmt.Errorf("the channels of %s are not axis 2 of %s", x, wide)
		}
		pads, err := m.Ints("pads")
		if err != nil {
			return err
		}
		for i, n := range pads {
			if want := size / 2; (i == 2 || i == 2+wide.Rank()) && n != want || i != 2 && i != 2+wide.Rank() && n != 0 {
				return fmt.Errorf("%v does not pad the channels alone, and by %d", m.Get("padded").Def, want)
			}
		}
		p := m.Get("padded").Def
		if v, ok := rewrite.Constant(p.Input(2)).Item(); p.Attrs.String("mode", "constant") != "constant" || p.Input(2) != nil && (!ok || v != 0) || p.Input(3) != nil {
			return fmt.Errorf("%v does not pad with zeros", p)
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		size, _ := lrnSize(m)
		number := func(name string) float32 {
			v, _ := m.Scalar(name)
			return float32(v)
		}
		return b.OpA("LRN", ir.Attrs{
			{Name: "size", Value: size}, {Name: "alpha", Value: number("alpha")}, {Name: "beta", Value: number("beta")}, {Name: "bias", Value: number("k")},
		}, m.Get("x"))
	},
}

// lrnSize returns over how many channels the pooling of a match of lrn runs.
func lrnSize(m *rewrite.Match) (int64, error) {
	n := m.Get("mean").Def
	for _, name := range []string{"pads", "strides", "dilations"} {
		for _, v := range n.Attrs.Ints(name) {
			if name == "pads" && v != 0 || name != "pads" && v != 1 {
				return 0, fmt.Errorf("%v has %s %v", n, name, n.Attrs.Ints(name))
			}
		}
	}
	kernel := n.Attrs.Ints("kernel_shape")
	if len(kernel) == 0 || kernel[0]%2 == 0 { // of an even size the odd channel is on another side than ONNX has it
		return 0, fmt.Errorf("%v has kernel_shape %v, whose first side is not odd", n, kernel)
	}
	for _, side := range kernel[1:] {
		if side != 1 {
			return 0, fmt.Errorf("%v has kernel_shape %v, which is not over channels alone", n, kernel)
		}
	}
	return kernel[0], nil
}
