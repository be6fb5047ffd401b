package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// rmsNorm in its spellings: times the reciprocal of the root, as dynamo exports
// it; divided by the root; times 1/root, as TorchScript does; times a power, as
// Gemma 3n writes it. The weight stands on either side or is multiplied into the
// inverse first, as Keras and Flax do; half-precision models cast around it, and
// an ε that is very small may have been left out.
var rmsNorm = &rewrite.Rule{
	Name: "rmsnorm",
	Doc:  "x / sqrt(mean x² + ε) · w is RMSNormalization",
	Match: rewrite.MustParse(`
		c = Cast? (x)
		squares = Pow (c, 2) | Mul (c, c)
		mean = ReduceMean (squares, axes) | GlobalAveragePool (squares)
		square = Add (mean, eps) | mean
		root = Sqrt (square)
		inverse = Reciprocal (root) | Div (1, root) | Pow (square, -0.5)
		n = Mul (c, inverse) | Div (c, root)
		y = Mul (Cast? (n), w) | Mul (c, Mul (inverse, w))
	`),
	If: func(m *rewrite.Match) error {
		x, w := m.Get("x"), m.Get("w")
		if err := vector(w); err != nil {
			return err
		}
		if w.Type.Elem != x.Type.Elem {
			return fmt.Errorf("weight %s is %s, and %s is %s", w, w.Type.Elem, x, x.Type.Elem)
		}
		return rmsOK(m)
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return rms(b, m, m.Get("w")) },
}

// rmsNormPlain is rmsNorm without a weight, or with one that is not constant.
var rmsNormPlain = &rewrite.Rule{
	Name: "rmsnorm-plain",
	Doc:  "x / sqrt(mean x² + ε) is RMSNormalization with weight 1",
	Match: rewrite.MustParse(`
		squares = Pow (x, 2) | Mul (x, x)
		mean = ReduceMean (squares, axes) | GlobalAveragePool (squares)
		square = Add (mean, eps) | mean
		root = Sqrt (square)
		y = Mul (x, Reciprocal (root)) | Mul (x, Div (1, root)) | Div (x, root) | Mul (x, Pow (square, -0.5))
	`),
	If: rmsOK,
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return rms(b, m, unit(b, m.Get("x")))
	},
}

// unit is the weight that changes nothing.
func unit(b *ir.Builder, like *ir.Value) *ir.Value {
	one, err := ir.Scalar(like.Type.Elem, 1)
	if err != nil {
		return b.Fail("%w", err)
	}
	one.Shape = []int{1}
	return b.Constant(one)
}

func rmsOK(m *rewrite.Match) error {
	if _, err := epsilonOf(m); err != nil {
		return err
	}
	return lastAxis(m, "axes", "mean")
}

// epsilonOf returns what is added to the mean square: 0 if nothing is.
func epsilonOf(m *rewrite.Match) (float64, error) {
	if m.Get("eps") == nil {
		return 0, nil
	}
	return m.Scalar("eps")
}

func rms(b *ir.Builder, m *rewrite.Match, w *ir.Value) *ir.Value {
	eps, _ := epsilonOf(m)
	return b.OpA("RMSNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "epsilon", Value: float32(eps)}}, m.Get("x"), flat(b, w))
}

// moments are the mean and the deviation, as every spelling of LayerNormalization
// begins. Some compute the difference from the mean twice.
const moments = `
		mu = ReduceMean (x, axes) | GlobalAveragePool (x)
		d = Sub (x, mu)
		d2 = Sub (x, mu)
		squares = Pow (d2, 2) | Mul (d2, d2)
		var = ReduceMean (squares, axes2) | GlobalAveragePool (squares)
		root = Sqrt (Add (var, eps))
`

// layerNorm spelled out, as exporters before opset 17 do, over the last axis or
// over the channels of a picture.
var layerNorm = &rewrite.Rule{
	Name: "layernorm",
	Doc:  "(x - mean x) / sqrt(var x + ε) · w + b is LayerNormalization",
	Match: rewrite.MustParse(moments + `
		n = Div (d, root) | Mul (d, Reciprocal (root)) | Mul (d, Div (1, root))
		y = Add (Mul (n, w), b)
	`),
	If: func(m *rewrite.Match) error {
		if overChannels(m) {
			return layerChannelsOK(m)
		}
		for _, name := range []string{"w", "b"} {
			if err := vector(m.Get(name)); err != nil {
				return err
			}
		}
		return layerOK(m)
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		if overChannels(m) {
			return layerChannels(b, m)
		}
		return layer(b, m, m.Get("w"), m.Get("b"))
	},
}

// layerNormPlain is layerNorm with a weight and no bias.
var layerNormPlain = &rewrite.Rule{
	Name: "layernorm-plain",
	Doc:  "(x - mean x) / sqrt(var x + ε) · w is LayerNormalization without bias",
	Match: rewrite.MustParse(moments + `
		n = Div (d, root) | Mul (d, Reciprocal (root)) | Mul (d, Div (1, root))
		y = Mul (n, w)
	`),
	If: func(m *rewrite.Match) error {
		if err := vector(m.Get("w")); err != nil {
			return err
		}
		return layerOK(m)
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return layer(b, m, m.Get("w"), nil) },
}

// layerNormBare is layerNorm without weight and bias, or with ones that are not
// constant.
var layerNormBare = &rewrite.Rule{
	Name: "layernorm-bare",
	Doc:  "(x - mean x) / sqrt(var x + ε) is LayerNormalization with weight 1",
	Match: rewrite.MustParse(moments + `
		y = Div (d, root) | Mul (d, Reciprocal (root)) | Mul (d, Div (1, root))
	`),
	If: layerOK,
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return layer(b, m, unit(b, m.Get("x")), nil)
	},
}

func layerOK(m *rewrite.Match) error {
	if _, err := m.Scalar("eps"); err != nil {
		return err
	}
	if err := lastAxis(m, "axes", "mu"); err != nil {
		return err
	}
	if err := axisIsLast(m.Get("axes2"), m.Get("var")); err != nil {
		return fmt.Errorf("variance: %w", err)
	}
	return nil
}

func layer(b *ir.Builder, m *rewrite.Match, w, bias *ir.Value) *ir.Value {
	eps, _ := m.Scalar("eps")
	return b.OpA("LayerNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "epsilon", Value: float32(eps)}}, m.Get("x"), flat(b, w), flat(b, bias))
}
