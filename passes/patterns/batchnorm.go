package patterns

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// mergeBatchNorm makes an inference-time normalization part of the linear
// operator before it, as exporters mostly do. A rule that treats signs apart
// needs the weights that really multiply the input.
var mergeBatchNorm = &rewrite.Rule{
	Name: "batchnorm",
	Doc:  "BatchNormalization after a convolution or dense layer is merged into its weights",
	Match: rewrite.MustParse(`
		l = Conv/ConvTranspose/Gemm/MatMul/lxt.Linear (x, w, ...)
		y = BatchNormalization (l, scale, shift, mean, var)
	`),
	If: func(m *rewrite.Match) error {
		n := m.Get("l").Def
		if m.Root.Attrs.Int("training_mode", 0) != 0 {
			return fmt.Errorf("%v is in training mode", m.Root)
		}
		for _, name := range []string{"scale", "shift", "mean", "var"} {
			if err := vector(m.Get(name)); err != nil {
				return err
			}
		}
		if (n.Op.Name == "Linear" || n.Op.Name == "MatMul") && n.Out[0].Type.Rank() != 2 {
			return fmt.Errorf("%v is %s, want a matrix", n, n.Out[0].Type)
		}
		return mergeable(n)
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		variance := m.Get("var")
		eps := b.Scalar(m.Root.Attrs.Decimal("epsilon", 1e-5), variance)
		factor := b.Div(m.Get("scale"), b.Op("Sqrt", b.Add(variance, eps)))
		return merged(b, m.Get("l").Def, factor, b.Sub(m.Get("shift"), b.Mul(m.Get("mean"), factor)))
	},
}

// mergeAffine is mergeBatchNorm for a normalization that the exporter took
// apart, perhaps after a change of the axes to channels last.
var mergeAffine = &rewrite.Rule{
	Name: "affine",
	Doc:  "a scale and a shift for each channel, after a convolution or dense layer, are merged into its weights",
	Match: rewrite.MustParse(`
		l = Conv/ConvTranspose/Gemm/MatMul/lxt.Linear (x, w, ...)
		at = Transpose? (l)
		centred = Sub (at, mean) | at
		normal = Div (centred, std) | centred
		y = Add (Mul (normal, gain), shift)
	`),
	If: func(m *rewrite.Match) error {
		n := m.Get("l").Def
		if err := mergeable(n); err != nil {
			return err
		}
		axis, err := channelAxis(n, m.Get("at"))
		if err != nil {
			return err
		}
		for _, name := range []string{"mean", "std", "gain", "shift"} {
			if v := m.Get(name); v != nil {
				if err := alongAxis(v, m.Root.Out[0].Type, axis); err != nil {
					return err
				}
			}
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		flat := func(name string) *ir.Value { return b.OpA("Reshape", nil, m.Get(name), b.Ints(-1)) }
		factor, shift := flat("gain"), flat("shift")
		if m.Get("std") != nil {
			factor = b.Div(factor, flat("std"))
		}
		if m.Get("mean") != nil {
			shift = b.Sub(shift, b.Mul(flat("mean"), factor))
		}
		return asBefore(b, m.Get("at"), merged(b, m.Get("l").Def, factor, shift))
	},
}

// affineNorm is a normalization that stands in front of an activation, taken
// apart and with nothing before it that it could be merged into: those of a
// DenseNet or of a ResNet with pre-activation. What is not followed by an
// activation stays two operators: the pixels of a picture made to have mean 0,
// or the scale of a layer.
var affineNorm = &rewrite.Rule{
	Name: "affine-norm",
	Doc:  "a scale and a shift for each channel, in front of an activation, are BatchNormalization",
	Match: rewrite.MustParse(`
		scaled = Mul (Div (Sub (x, mean), std), gain) | Mul (Sub (x, mean), gain) | Mul (x, gain)
		y = Add (scaled, shift)
	`),
	If: func(m *rewrite.Match) error {
		y := m.Root.Out[0]
		for _, u := range y.Uses() {
			if err := activates(u.Node); err != nil {
				return err
			}
		}
		if y.NumUses() == 0 {
			return fmt.Errorf("no activation follows")
		}
		if x, _ := scaledBy(m); statistics(x) {
			return fmt.Errorf("%s is normalized by its own statistics", x)
		}
		axis, err := affineAxis(m)
		if err != nil {
			return err
		}
		_, by := scaledBy(m)
		for _, v := range []*ir.Value{m.Get("mean"), m.Get("std"), by, m.Get("shift")} {
			if v != nil {
				if err := alongAxis(v, y.Type, axis); err != nil {
					return err
				}
			}
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		x, by := scaledBy(m)
		axis, _ := affineAxis(m)
		flat := func(v *ir.Value) *ir.Value { return b.OpA("Reshape", nil, v, b.Ints(-1)) }
		gain, shift := flat(by), flat(m.Get("shift"))
		if m.Get("std") != nil {
			gain = b.Div(gain, flat(m.Get("std")))
		}
		if m.Get("mean") != nil {
			shift = b.Sub(shift, b.Mul(flat(m.Get("mean")), gain))
		}
		zeros := b.Sub(shift, shift)
		ones := b.Add(zeros, b.Scalar(1, zeros))
		norm := func(x *ir.Value) *ir.Value {
			return b.OpA("BatchNormalization", ir.Attrs{{Name: "epsilon", Value: float32(0)}}, x, gain, shift, zeros, ones)
		}
		rank := x.Type.Rank()
		if axis == 1 {
			return norm(x)
		}
		first, back := []int64{0, int64(rank - 1)}, []int64{0}
		for i := 1; i < rank-1; i++ {
			first, back = append(first, int64(i)), append(back, int64(i+1))
		}
		y := norm(b.OpA("Transpose", ir.Attrs{{Name: "perm", Value: first}}, x))
		return b.OpA("Transpose", ir.Attrs{{Name: "perm", Value: append(back, 1)}}, y)
	},
}

// scaledBy returns the operands of the product in a match of affineNorm, which
// are in either order.
func scaledBy(m *rewrite.Match) (x, gain *ir.Value) {
	x, gain = m.Get("x"), m.Get("gain")
	if rewrite.Constant(x) != nil {
		return gain, x
	}
	return x, gain
}

// statistics reports whether v comes out of a normalization by mean and
// deviation of v itself, of which a scale and a shift are the rest.
func statistics(v *ir.Value) bool {
	for v.Def != nil {
		switch v.Def.Op.String() {
		case "Reshape", "Transpose", "Cast":
			v = v.Def.In[0]
		case "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "MeanVarianceNormalization", "LpNormalization":
			return true
		case "Div", "Mul":
			return rewrite.Constant(v.Def.In[0]) == nil && rewrite.Constant(v.Def.In[1]) == nil
		default:
			return false
		}
	}
	return false
}

// affineAxis returns the axis of channels in a match of affineNorm: the second,
// or the last.
func affineAxis(m *rewrite.Match) (int, error) {
	t := m.Root.Out[0].Type
	if t.Rank() < 2 {
		return 0, fmt.Errorf("%s is %s, want two axes or more", m.Root.Out[0], t)
	}
	_, gain := scaledBy(m)
	if c := rewrite.Constant(gain); c != nil && c.Len() == 1 {
		return 0, fmt.Errorf("%s is one number, not one for each channel", gain)
	}
	if alongAxis(gain, t, 1) == nil {
		return 1, nil
	}
	return t.Rank() - 1, nil
}

// activates checks that n is an activation, or a Transpose in front of nothing
// else.
func activates(n *ir.Node) error {
	switch n.Op.String() {
	case "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Swish", "HardSwish", "Mish", "Tanh", "Softplus", "Clip", "Sigmoid", "HardSigmoid", "Softsign":
		return nil
	case "Transpose":
		for _, u := range n.Out[0].Uses() {
			if u.Node.Op == n.Op || activates(u.Node) != nil {
				return fmt.Errorf("%v is no activation", u.Node)
			}
		}
		return nil
	}
	return fmt.Errorf("%v is no activation", n)
}

// mergeable checks that the weights of a linear operator can be changed: they
// are constant, and only one node reads the result.
func mergeable(n *ir.Node) error {
	switch w := n.In[1]; {
	case !fixed(w):
		return fmt.Errorf("%s is no weight", w)
	case n.Op.Name == "MatMul" && (IsWeight(n.In[0]) || w.Type.Rank() != 2):
		return fmt.Errorf("%v is no dense layer", n)
	case n.Input(2) != nil && !fixed(n.In[2]):
		return fmt.Errorf("%s is no weight", n.In[2])
	case n.Op.Name == "ConvTranspose" && n.Attrs.Int("group", 1) != 1 && !known(w.Type):
		return fmt.Errorf("%v has groups and a weight of unknown size", n)
	case n.Out[0].NumUses() > 1:
		return fmt.Errorf("%s is used elsewhere, too", n.Out[0])
	}
	return nil
}

// fixed reports whether v is a weight or what a recognizer made of weights: a
// value that is constant as soon as it is folded.
func fixed(v *ir.Value) bool {
	if IsWeight(v) {
		return true
	}
	if v.Def == nil || !strings.HasPrefix(v.Def.Origin, "recognize/") {
		return false
	}
	return !slices.ContainsFunc(v.Def.In, func(u *ir.Value) bool { return u != nil && !fixed(u) })
}

// known reports whether all dimensions of t are numbers.
func known(t ir.Type) bool {
	_, ok := t.Static()
	return ok
}

// merged is the linear operator n with its result times factor, plus shift,
// both vectors over the output channels.
func merged(b *ir.Builder, n *ir.Node, factor, shift *ir.Value) *ir.Value {
	op, w, bias := n.Op, n.In[1], shift
	if old := n.Input(2); old != nil {
		bias = b.Add(bias, b.Mul(b.Scale(old, n.Attrs.Decimal("beta", 1)), factor))
	}
	if op.Name == "MatMul" {
		op = ir.OpName{Domain: "lxt", Name: "Linear"}
	}
	w = b.Mul(w, alongChannels(b, n, factor))
	return b.Node(op, n.Attrs.Without("beta"), n.In[0], w, bias).Out[0]
}

// alongChannels brings a vector over the output channels of n along the axis
// that they have in its weight.
func alongChannels(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value {
	rank := n.In[1].Type.Rank()
	shape := make([]int64, rank)
	for i := range shape {
		shape[i] = 1
	}
	switch group := n.Attrs.Int("group", 1); {
	case n.Op.Name == "ConvTranspose" && group != 1:
		// The weight is [in, out / group, …], and input i is of group i·group / in.
		in, _ := n.In[1].Type.Shape[0].Num()
		v = b.OpA("Reshape", nil, v, b.Ints(group, 1, -1))
		v = b.OpA("Expand", nil, v, b.Ints(1, in/group, 1))
		shape[0], shape[1] = in, -1
	case n.Op.Name == "ConvTranspose":
		shape[1] = -1
	case n.Op.Name == "Gemm":
		shape[1-n.Attrs.Int("transB", 0)] = -1
	case n.Op.Name == "Linear" || n.Op.Name == "MatMul":
		shape[rank-1] = -1
	default:
		shape[0] = -1
	}
	return b.OpA("Reshape", nil, v, b.Ints(shape...))
}

// channelAxis returns where the channels of a linear operator's result are in
// at, which is the result or a transpose of it.
func channelAxis(n *ir.Node, at *ir.Value) (int, error) {
	axis := n.Out[0].Type.Rank() - 1
	if n.Op.Name == "Conv" || n.Op.Name == "ConvTranspose" {
		axis = 1
	}
	if at == n.Out[0] {
		return axis, nil
	}
	for i, from := range at.Def.Attrs.Ints("perm") {
		if from == int64(axis) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%v moves the channels", at.Def)
}

// alongAxis checks that v is a constant that adds or multiplies one number for
// each position of an axis of a value of type t.
func alongAxis(v *ir.Value, t ir.Type, axis int) error {
	c := rewrite.Constant(v)
	if c == nil {
		return fmt.Errorf("%s is not constant", v)
	}
	i := axis - (t.Rank() - len(c.Shape))
	if i < 0 || i >= len(c.Shape) || c.Shape[i] != c.Len() || !t.Shape[axis].Is(int64(c.Len())) {
		return fmt.Errorf("%s is %s, which is not one number for each position on axis %d of %s", v, c.TypeOf(), axis, t)
	}
	return nil
}

// asBefore transposes y as at is, if it is.
func asBefore(b *ir.Builder, at, y *ir.Value) *ir.Value {
	if at.Def.Op.Name != "Transpose" {
		return y
	}
	return b.OpA("Transpose", at.Def.Attrs, y)
}
