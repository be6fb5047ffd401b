package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// mergeBatchNorm makes an inference-time normalization part of the linear
// operator before it, as exporters mostly do. A rule that treats signs apart
// needs the weights that really multiply the input.
var mergeBatchNorm = &rewrite.Rule{
	Name:  "batchnorm",
	Doc:   "BatchNormalization after a convolution or dense layer is merged into its weights",
	Match: rewrite.MustParse(`y = BatchNormalization (Conv/ConvTranspose/Gemm/lxt.Linear (x, w, ...), scale, shift, mean, var)`),
	If: func(m *rewrite.Match) error {
		n := m.Nodes[1]
		if m.Root.Attrs.Int("training_mode", 0) != 0 {
			return fmt.Errorf("%v is in training mode", m.Root)
		}
		for _, name := range []string{"scale", "shift", "mean", "var"} {
			if err := vector(m.Get(name)); err != nil {
				return err
			}
		}
		switch w := m.Get("w"); {
		case !IsWeight(w):
			return fmt.Errorf("%s is no weight", w)
		case n.Input(2) != nil && !IsWeight(n.In[2]):
			return fmt.Errorf("%s is no weight", n.In[2])
		case n.Op.Name == "ConvTranspose" && n.Attrs.Int("group", 1) != 1:
			return fmt.Errorf("%v has groups", n)
		case n.Op.Name == "Linear" && n.Out[0].Type.Rank() != 2:
			return fmt.Errorf("%v is %s, want a matrix", n, n.Out[0].Type)
		case n.Out[0].NumUses() > 1:
			return fmt.Errorf("%s is used elsewhere, too", n.Out[0])
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		n := m.Nodes[1]
		w, variance := m.Get("w"), m.Get("var")
		eps := b.Scalar(float64(m.Root.Attrs.Float("epsilon", 1e-5)), variance)
		factor := b.Div(m.Get("scale"), b.Op("Sqrt", b.Add(variance, eps)))
		bias := b.Sub(m.Get("shift"), b.Mul(m.Get("mean"), factor))
		if old := n.Input(2); old != nil {
			bias = b.Add(bias, b.Mul(b.Scale(old, float64(n.Attrs.Float("beta", 1))), factor))
		}
		w = b.Mul(w, b.OpA("Reshape", nil, factor, b.Ints(channelShape(n, w.Type.Rank())...)))
		return b.Node(n.Op, n.Attrs.Without("beta"), m.Get("x"), w, bias).Out[0]
	},
}

// channelShape is the shape that brings a vector of output channels along the
// axis that they have in the weight of n.
func channelShape(n *ir.Node, rank int) []int64 {
	axis := 0
	switch n.Op.Name {
	case "ConvTranspose":
		axis = 1
	case "Gemm":
		axis = 1 - int(n.Attrs.Int("transB", 0))
	case "Linear":
		axis = rank - 1
	}
	shape := make([]int64, rank)
	for i := range shape {
		shape[i] = 1
	}
	shape[axis] = -1
	return shape
}
