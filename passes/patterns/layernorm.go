package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// overChannels reports whether a match of layerNorm normalizes over axis 1 of a
// picture, its channels: ConvNeXt, SegFormer and SAM do.
func overChannels(m *rewrite.Match) bool {
	axes, err := m.Ints("axes")
	return err == nil && len(axes) == 1 && axes[0] == 1 && m.Get("x").Type.Rank() > 2
}

func layerChannelsOK(m *rewrite.Match) error {
	if _, err := m.Scalar("eps"); err != nil {
		return err
	}
	if axes, err := m.Ints("axes2"); err != nil {
		return err
	} else if len(axes) != 1 || axes[0] != 1 {
		return fmt.Errorf("variance: %v reduces axes %v, and the mean is over axis 1", m.Get("var").Def, axes)
	}
	for _, name := range []string{"mu", "var"} {
		if n := m.Get(name).Def; n.Attrs.Int("keepdims", 1) != 1 {
			return fmt.Errorf("%v drops the reduced axis", n)
		}
	}
	for _, name := range []string{"w", "b"} {
		if err := alongAxis(m.Get(name), m.Root.Out[0].Type, 1); err != nil {
			return err
		}
	}
	return nil
}

// layerChannels is LayerNormalization between two Transposes, which has its
// axes last.
func layerChannels(b *ir.Builder, m *rewrite.Match) *ir.Value {
	rank := m.Get("x").Type.Rank()
	last, back := []int64{0}, []int64{0, int64(rank - 1)}
	for i := 2; i < rank; i++ {
		last, back = append(last, int64(i)), append(back, int64(i-1))
	}
	flat := func(name string) *ir.Value { return b.OpA("Reshape", nil, m.Get(name), b.Ints(-1)) }
	eps, _ := m.Scalar("eps")
	x := b.OpA("Transpose", ir.Attrs{{Name: "perm", Value: append(last, 1)}}, m.Get("x"))
	y := b.OpA("LayerNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "epsilon", Value: float32(eps)}}, x, flat("w"), flat("b"))
	return b.OpA("Transpose", ir.Attrs{{Name: "perm", Value: back}}, y)
}

// layerNormFactored is how TensorFlow and Keras normalize: scale and shift first
// become one factor and one term. Over other axes than the last, such as those of
// a group, what normalize knows is left of it.
var layerNormFactored = &rewrite.Rule{
	Name: "layernorm-factored",
	Doc:  "(x - mean x) f + b or x f + (b - mean(x) f), with f = w / sqrt(var x + ε), is LayerNormalization, or (x - mean x) f + b",
	Match: rewrite.MustParse(moments + `
		f = Mul (Reciprocal (root) | Div (1, root), w)
		y = Add (Mul (x, f), Sub (b, Mul (mu, f)) | Add (Mul (Neg (mu), f), b)) | Add (Mul (d, f), b)
	`),
	If: func(m *rewrite.Match) error {
		if why := factoredLayer(m); why != nil && m.Get("d") != nil { // centred as it is
			return why
		}
		for _, name := range []string{"eps", "w", "b"} {
			if _, err := m.Const(name); err != nil {
				return err
			}
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		if factoredLayer(m) != nil {
			return b.Add(b.Mul(m.Get("d2"), m.Get("f")), m.Get("b"))
		}
		return layer(b, m, m.Get("w"), m.Get("b"))
	},
}

// factoredLayer returns why a match of layerNormFactored is no
// LayerNormalization, nil if it is.
func factoredLayer(m *rewrite.Match) error {
	for _, name := range []string{"w", "b"} {
		if err := vector(m.Get(name)); err != nil {
			return err
		}
	}
	return layerOK(m)
}

// layerNormCentred is what is left where the exporter has an operator for the
// second half only.
var layerNormCentred = &rewrite.Rule{
	Name: "layernorm-centred",
	Doc:  "RMSNormalization of x - mean x is LayerNormalization without bias",
	Match: rewrite.MustParse(`
		mu = ReduceMean (x, axes)
		y = RMSNormalization (Sub (x, mu), w)
	`),
	If: func(m *rewrite.Match) error {
		if axis, rank := m.Root.Attrs.Int("axis", -1), int64(m.Get("x").Type.Rank()); axis != -1 && axis != rank-1 {
			return fmt.Errorf("%v is over the axes from %d on", m.Root, axis)
		}
		if err := vector(m.Get("w")); err != nil {
			return err
		}
		return lastAxis(m, "axes", "mu")
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return b.OpA("LayerNormalization", m.Root.Attrs, m.Get("x"), m.Get("w"))
	},
}
