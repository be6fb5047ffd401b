package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// rmsNorm in the three spellings: times the reciprocal of the root, as dynamo
// exports it; divided by the root; times 1/root, as TorchScript does. The
// weight stands on either side, and half-precision models cast around it.
var rmsNorm = &rewrite.Rule{
	Name: "rmsnorm",
	Doc:  "x / sqrt(mean x² + ε) · w is RMSNormalization",
	Match: rewrite.MustParse(`
		c = Cast? (x)
		mean = ReduceMean (Pow (c, 2) | Mul (c, c), axes)
		root = Sqrt (Add (mean, eps))
		n = Mul (c, Reciprocal (root)) | Mul (c, Div (1, root)) | Div (c, root)
		y = Mul (Cast? (n), w)
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
		mean = ReduceMean (Pow (x, 2) | Mul (x, x), axes)
		root = Sqrt (Add (mean, eps))
		y = Mul (x, Reciprocal (root)) | Mul (x, Div (1, root)) | Div (x, root)
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
	if _, err := m.Scalar("eps"); err != nil {
		return err
	}
	return lastAxis(m, "axes", "mean")
}

func rms(b *ir.Builder, m *rewrite.Match, w *ir.Value) *ir.Value {
	x := m.Get("x")
	if w.Type.Rank() == 0 {
		w = b.Op("Reshape", w, b.Ints(1))
	}
	eps, _ := m.Scalar("eps")
	return b.OpA("RMSNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "epsilon", Value: float32(eps)}}, x, w)
}

// layerNorm spelled out, as exporters before opset 17 do.
var layerNorm = &rewrite.Rule{
	Name: "layernorm",
	Doc:  "(x - mean x) / sqrt(var x + ε) · w + b is LayerNormalization",
	Match: rewrite.MustParse(`
		mu = ReduceMean (x, axes)
		d = Sub (x, mu)
		d2 = Sub (x, mu)
		var = ReduceMean (Pow (d2, 2) | Mul (d2, d2), axes2)
		root = Sqrt (Add (var, eps))
		n = Div (d, root) | Mul (d, Reciprocal (root)) | Mul (d, Div (1, root))
		y = Add (Mul (n, w), b)
	`),
	If: func(m *rewrite.Match) error {
		for _, name := range []string{"w", "b"} {
			if err := vector(m.Get(name)); err != nil {
				return err
			}
		}
		return layerOK(m)
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return layer(b, m, m.Get("w"), m.Get("b")) },
}

// layerNormPlain is layerNorm with a weight and no bias.
var layerNormPlain = &rewrite.Rule{
	Name: "layernorm-plain",
	Doc:  "(x - mean x) / sqrt(var x + ε) · w is LayerNormalization without bias",
	Match: rewrite.MustParse(`
		mu = ReduceMean (x, axes)
		d = Sub (x, mu)
		d2 = Sub (x, mu)
		var = ReduceMean (Pow (d2, 2) | Mul (d2, d2), axes2)
		root = Sqrt (Add (var, eps))
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
	Match: rewrite.MustParse(`
		mu = ReduceMean (x, axes)
		d = Sub (x, mu)
		d2 = Sub (x, mu)
		var = ReduceMean (Pow (d2, 2) | Mul (d2, d2), axes2)
		root = Sqrt (Add (var, eps))
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
	return b.OpA("LayerNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "epsilon", Value: float32(eps)}}, m.Get("x"), w, bias)
}

// normalize names the division of a vector by its length, which exporters
// guard against zero: the length is a statistic, held constant by rules that
// hand relevance through a normalization.
var normalize = &Marker{
	Name: "normalize",
	Doc:  "x / max(‖x‖, ε)",
	At: func(n *ir.Node) ([]Role, string) {
		if n.Op.String() != "Div" {
			return nil, ""
		}
		length := n.In[1].Def
		for length != nil && (length.Op.Name == "Clip" || length.Op.Name == "Max" || length.Op.Name == "Expand" || length.Op.Name == "Add") {
			length = length.In[0].Def
		}
		switch {
		case length == nil || length.Op.String() != "ReduceL2" && length.Op.String() != "ReduceL1":
			return nil, ""
		case length.In[0] != n.In[0]:
			return nil, fmt.Sprintf("%v is the length of %s, and %s is divided by it", length, length.In[0], n.In[0])
		}
		return []Role{{n, "normalize"}, {length, "normalize.length"}}, ""
	},
}
