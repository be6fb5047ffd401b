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
		eps := b.Scalar(float64(m.Root.Attrs.Float("epsilon", 1e-5)), variance)
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
		bias = b.Add(bias, b.Mul(b.Scale(old, float64(n.Attrs.Float("beta", 1))), factor))
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
