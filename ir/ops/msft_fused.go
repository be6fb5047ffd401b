package ops

import "github.com/lxtc/lxtc/ir"

var fusedGemm = &ir.Op{
	Name: msft("FusedGemm"), Since: 1, Fused: true, Doc: "Gemm, then an activation",
	In: gemm.In, Out: gemm.Out, Infer: gemm.Infer,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		params := func(i int) (float32, bool) {
			v, ok := n.Attrs.Get([]string{"activation_alpha", "activation_beta", "activation_gamma"}[i]).(float32)
			return v, ok
		}
		linear := n.Attrs.Without("activation", "activation_alpha", "activation_beta", "activation_gamma")
		return []*ir.Value{activated(b, n, b.Node(gemm.Name, linear, n.In...).Out[0], params)}
	},
}

var fusedConv = &ir.Op{
	Name: msft("FusedConv"), Since: 1, Fused: true, Doc: "Conv, plus Z, then an activation",
	In: ir.P("X", "W", "B?", "Z?"), Out: ir.P("Y"), Infer: conv.Infer,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		params := func(i int) (float32, bool) {
			vs := n.Attrs.Floats("activation_params")
			if i >= len(vs) {
				return 0, false
			}
			return vs[i], true
		}
		y := b.Node(conv.Name, n.Attrs.Without("activation", "activation_params"), n.In[0], n.In[1], n.Input(2)).Out[0]
		if z := n.Input(3); z != nil {
			y = b.Add(y, z)
		}
		return []*ir.Value{activated(b, n, y, params)}
	},
}

// activated applies the activation that n names to y. Parameters that n does
// not give have the activation's own defaults.
func activated(b *ir.Builder, n *ir.Node, y *ir.Value, param func(i int) (float32, bool)) *ir.Value {
	name := n.Attrs.String("activation", "")
	var names []string
	switch name {
	case "":
		return y
	case "Relu", "Tanh", "Sigmoid", "Softplus", "Softsign":
	case "LeakyRelu", "Elu", "ThresholdedRelu":
		names = []string{"alpha"}
	case "HardSigmoid":
		names = []string{"alpha", "beta"}
	case "Clip":
		bounds := make([]*ir.Value, 2)
		for i := range bounds {
			if p, ok := param(i); ok {
				bounds[i] = b.Scalar(float64(p), y)
			}
		}
		return b.OpA("Clip", nil, y, bounds[0], bounds[1])
	default:
		return b.Fail("activation %q is not supported", name)
	}
	var attrs ir.Attrs
	for i, a := range names {
		if p, ok := param(i); ok {
			attrs = append(attrs, ir.Attr{Name: a, Value: p})
		}
	}
	return b.OpA(name, attrs, y)
}
