package ops

import (
	"github.com/lxtc/lxtc/ir"
)

// msftGatedOps are gates, and what is added to or multiplied with something on
// its way into one, as builders of language models fuse them.
func msftGatedOps() []*ir.Op {
	return []*ir.Op{msSwiGLU, scaledSiLU, gatedAdd, gatedRMSNorm, linearAttentionGate, biasSoftmax, biasDropout, gemmFastGelu}
}

// A glu is g · sigmoid(alpha g) · (l + beta) of a gate and a linear half, both
// limited: the gate from above only. A limit of 0 is none.
type glu struct{ alpha, beta, limit float64 }

func (u glu) of(b *ir.Builder, gate, linear *ir.Value) *ir.Value {
	if u.limit > 0 {
		gate = b.Op("Clip", gate, nil, b.Scalar(u.limit, gate))
		linear = b.Op("Clip", linear, b.Scalar(-u.limit, linear), b.Scalar(u.limit, linear))
	}
	gate = b.OpA("Swish", ir.Attrs{{Name: "alpha", Value: float32(u.alpha)}}, gate)
	if u.beta != 0 {
		linear = b.Add(linear, b.Scalar(u.beta, linear))
	}
	return b.Mul(gate, linear)
}

var msSwiGLU = &ir.Op{
	Name: msft("SwiGLU"), Since: 1, Fused: true, Doc: "Swish(gate) · (up + activation_beta), both limited",
	In: ir.P("gate", "up?"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if n.Input(1) != nil {
			return inferBroadcast(n)
		}
		return one(halved(n.In[0].Type))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		gate, up := n.In[0], n.Input(1)
		if up == nil {
			halves := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "num_outputs", Value: int64(2)}}, gate).Out
			gate, up = halves[0], halves[1]
		}
		u := glu{attr(n, "activation_alpha", 1), attr(n, "activation_beta", 0), attr(n, "limit", 0)}
		return []*ir.Value{u.of(b, gate, up)}
	},
}

// halved is the type of one half of the last axis.
func halved(t ir.Type) ir.Type {
	r := t.Rank()
	if r < 1 {
		return t
	}
	dims := append([]ir.Dim{}, t.Shape...)
	dims[r-1] = dims[r-1].Div(ir.N(2))
	return withDims(t, dims)
}

var scaledSiLU = &ir.Op{
	Name: msft("ScaledSiLU"), Since: 1, Fused: true, Doc: "Swish of scale · X, or of alpha · X",
	In: ir.P("X", "scale?"), Out: ir.P("Y"), Infer: same,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := n.In[0]
		if s := n.Input(1); s != nil {
			return []*ir.Value{b.Op("Swish", b.Mul(x, scalar(b, castTo(b, s, x))))}
		}
		return []*ir.Value{b.Op("Swish", b.Scale(x, attr(n, "alpha", 1)))}
	},
}

// gatedAdd has a gate for each row, [..., 1], or makes it of an activation.
var gatedAdd = &ir.Op{
	Name: msft("GatedAdd"), Since: 1, Fused: true, Doc: "X + Y · gate, or X + Y · sigmoid(gate · gate_weight)",
	In: ir.P("X", "Y", "gate", "gate_weight?"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, err := broadcastType(n.In[0], n.In[1])
		return []ir.Type{t}, err
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		gate := n.In[2]
		if w := n.Input(3); w != nil {
			gate = b.Op("Sigmoid", b.MatMul(gate, w))
		}
		return []*ir.Value{b.Add(n.In[0], b.Mul(n.In[1], gate))}
	},
}

// gatedRMSNorm normalizes each group of as many features as there are scales, in
// float32.
var gatedRMSNorm = &ir.Op{
	Name: msft("GatedRMSNorm"), Since: 1, Fused: true, Doc: "RMSNormalization of each head times an activation of gate",
	In: ir.P("X", "scale", "gate"), Out: ir.P("Y"), Infer: same,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x, rank := n.In[0], n.In[0].Type.Rank()
		size, known := dimOf(n.In[1], 0).Num()
		if rank < 1 || !known {
			return []*ir.Value{b.Fail("X is %s and scale %s, want a known rank and a known size", x.Type, n.In[1].Type)}
		}
		y := float32s(b, x)
		heads := !dimOf(x, rank-1).Is(size)
		if heads {
			y = b.Op("Reshape", y, concat2(b, 0, b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(-1)}}, x), b.Ints(-1, size)))
		}
		y = b.OpA("RMSNormalization", ir.Attrs{{Name: "epsilon", Value: n.Attrs.Float("epsilon", 1e-5)}}, y, float32s(b, n.In[1]))
		if heads {
			y = reshapeLike(b, y, x)
		}
		gate := float32s(b, n.In[2])
		switch act := n.Attrs.String("activation", "silu"); act {
		case "silu", "swish":
			gate = b.Op("Swish", gate)
		case "sigmoid":
			gate = b.Op("Sigmoid", gate)
		default:
			return []*ir.Value{b.Fail("activation %q is not supported, want silu or sigmoid", act)}
		}
		return []*ir.Value{castTo(b, b.Mul(y, gate), x)}
	},
}

// float32s is v in float32, unless it is wider.
func float32s(b *ir.Builder, v *ir.Value) *ir.Value {
	if e := v.Type.Elem; e == ir.Float || e == ir.Double {
		return v
	}
	return b.OpA("Cast", toType(ir.Float), v)
}

var linearAttentionGate = &ir.Op{
	Name: msft("LinearAttentionGate"), Since: 1, Fused: true, Doc: "decay_scale · softplus(a + dt_bias), and the sigmoid of b",
	In: ir.P("a", "dt_bias", "decay_scale", "b?"), Out: ir.P("decay", "beta?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		return optionalOutputs(n, t, t)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		a := b.Op("Softplus", b.Add(float32s(b, n.In[0]), float32s(b, n.In[1])))
		outs := []*ir.Value{castTo(b, b.Mul(float32s(b, n.In[2]), a), n.In[0])}
		if len(n.Out) > 1 {
			if n.Input(3) == nil {
				return append(outs, b.Fail("beta needs the input b"))
			}
			outs = append(outs, b.Op("Sigmoid", n.In[3]))
		}
		return outs
	},
}

// biasSoftmax takes all axes from axis on as one, as Softmax did before version 13.
var biasSoftmax = &ir.Op{
	Name: msft("BiasSoftmax"), Since: 1, Fused: true, Doc: "Softmax of data + bias, over all axes from axis on",
	In: ir.P("data", "bias"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if _, err := broadcastType(n.In...); err != nil {
			return nil, err
		}
		return same(n)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := b.Add(n.In[0], n.In[1])
		r, at := x.Type.Rank(), n.Attrs.Int("axis", 1)
		softmax := func(v *ir.Value) *ir.Value {
			return b.OpA("Softmax", ir.Attrs{{Name: "axis", Value: int64(-1)}}, v)
		}
		if at == -1 || r >= 0 && at == int64(r)-1 {
			return []*ir.Value{softmax(x)}
		}
		rows := b.OpA("Flatten", ir.Attrs{{Name: "axis", Value: at}}, x)
		return []*ir.Value{reshapeLike(b, softmax(rows), x)}
	},
}

// biasDropout drops nothing outside training, and then its mask is all true.
var biasDropout = &ir.Op{
	Name: msft("BiasDropout"), Since: 1, Fused: true, Doc: "data + bias + residual; outside training nothing is dropped",
	In: ir.P("data", "bias", "residual?", "ratio?", "training_mode?"), Out: ir.P("output", "mask?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		return optionalOutputs(n, t, t.WithElem(ir.Bool))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if on, known := truthOf(n.Input(4)); n.Input(4) != nil && (!known || on) {
			b.Fail("it is in training mode: export the model for inference")
		}
		y := b.Add(n.In[0], n.In[1])
		if skip := n.Input(2); skip != nil {
			y = b.Add(y, skip)
		}
		if len(n.Out) <= 1 {
			return []*ir.Value{y}
		}
		return []*ir.Value{y, b.Op("Expand", b.Constant(ir.Of([]bool{true})), like(b, y))}
	},
}

var gemmFastGelu = &ir.Op{
	Name: msft("GemmFastGelu"), Since: 1, Fused: true, Doc: "Gelu, by tanh, of X W + bias",
	In: ir.P("X", "W", "bias?"), Out: ir.P("Y"), Infer: func(n *ir.Node) ([]ir.Type, error) { return inferProduct(n, n.In[0].Type.Elem) },
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		y := b.MatMul(n.In[0], n.In[1])
		if bias := n.Input(2); bias != nil {
			y = b.Add(y, bias)
		}
		return []*ir.Value{b.OpA("Gelu", ir.Attrs{{Name: "approximate", Value: "tanh"}}, y)}
	},
}
