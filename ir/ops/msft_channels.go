package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// msftChannelOps are ONNX Runtime's operators on images whose channels are the
// last axis, which it makes of diffusion models. Each is its counterpart of
// ai.onnx between two transpositions, and what is fused with it.
func msftChannelOps() []*ir.Op {
	return []*ir.Op{groupNorm, skipGroupNorm, nhwcConv, nhwcFusedConv, nhwcMaxPool, biasSplitGelu, biasAdd}
}

var groupNorm = &ir.Op{
	Name: msft("GroupNorm"), Since: 1, Fused: true,
	Doc: "GroupNormalization and an activation, with channels last unless channels_last = 0",
	In:  ir.P("X", "gamma", "beta"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if n.Attrs.Int("groups", 0) <= 0 {
			return nil, fmt.Errorf("attribute groups is %d, want 1 or more", n.Attrs.Int("groups", 0))
		}
		return same(n)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value { return []*ir.Value{groupNormed(b, n, n.In[0])} },
}

// skipGroupNorm normalizes a sum, which is an output too.
var skipGroupNorm = &ir.Op{
	Name: msft("SkipGroupNorm"), Since: 1, Fused: true, Doc: "GroupNorm of X + skip + bias, and that sum",
	In: ir.P("X", "gamma", "beta", "skip", "bias?"), Out: ir.P("Y", "S?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		types, err := groupNorm.Infer(n)
		if err != nil {
			return nil, err
		}
		return optionalOutputs(n, types[0], types[0])
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x, skip := n.In[0], n.In[3]
		spatial := b.Ints(1, 2)
		if !channelsAreLast(n) {
			spatial = b.Ints(2, 3)
		}
		if skip.Type.Rank() == 2 { // [N, C], the same at every place
			skip = b.Op("Unsqueeze", skip, spatial)
		}
		sum := b.Add(x, skip)
		if bias := n.Input(4); bias != nil {
			if !channelsAreLast(n) {
				bias = b.Op("Unsqueeze", bias, b.Ints(1, 2))
			}
			sum = b.Add(sum, bias)
		}
		return []*ir.Value{groupNormed(b, n, sum), sum}[:max(1, len(n.Out))]
	},
}

// channelsAreLast reads an attribute whose default is not that of other operators.
func channelsAreLast(n *ir.Node) bool { return n.Attrs.Int("channels_last", 1) != 0 }

// groupNormed normalizes x in the type of gamma, which may be the wider one.
func groupNormed(b *ir.Builder, n *ir.Node, x *ir.Value) *ir.Value {
	rank := x.Type.Rank()
	if rank < 3 {
		return b.Fail("X is %s, want three axes or more", x.Type)
	}
	to, from := channelPerms(rank)
	y := castTo(b, x, n.In[1])
	if channelsAreLast(n) {
		y = b.Transpose(y, to...)
	}
	y = b.OpA("GroupNormalization", ir.Attrs{
		{Name: "num_groups", Value: n.Attrs.Int("groups", 0)},
		{Name: "epsilon", Value: n.Attrs.Float("epsilon", 1e-5)},
	}, y, n.In[1], n.In[2])
	switch act := n.Attrs.Int("activation", 0); act {
	case 0:
	case 1:
		y = b.Op("Swish", y)
	default:
		return b.Fail("activation = %d is not supported, want 0 or 1", act)
	}
	if channelsAreLast(n) {
		y = b.Transpose(y, from...)
	}
	return castTo(b, y, x)
}

// The weights of NhwcConv are [M, kH, kW, C/group], those of NhwcFusedConv as
// Conv has them. The latter ONNX Runtime makes where half floats are fast.
var (
	nhwcConv      = lastChannels(msft("NhwcConv"), 1, "Conv with channels last, in the weights as well", conv, 0, 1)
	nhwcFusedConv = lastChannels(msft("NhwcFusedConv"), 1, "FusedConv with channels last", fusedConv, 0, 3)
	nhwcMaxPool   = lastChannels(msft("NhwcMaxPool"), 1, "MaxPool with channels last", maxPool, 0)
)

// ChannelsLast is the domain in which ONNX Runtime keeps operators of ai.onnx that
// an execution provider is given with channels last. Its versions are those of
// ai.onnx.
const ChannelsLast = "com.ms.internal.nhwc"

func channelsLastOps() []*ir.Op {
	var ops []*ir.Op
	for _, op := range []*ir.Op{
		conv, convTranspose, maxPool, averagePool, globalAveragePool, globalMaxPool, batchNormalization, instanceNormalization, lrn,
		depthToSpace, spaceToDepth,
	} {
		name := ir.OpName{Domain: ChannelsLast, Name: op.Name.Name}
		ops = append(ops, lastChannels(name, op.Since, op.Doc+", channels last", op, 0))
	}
	return ops
}

// lastChannels is op with the channels last in its output and the given inputs.
func lastChannels(name ir.OpName, since int64, doc string, op *ir.Op, moved ...int) *ir.Op {
	return &ir.Op{
		Name: name, Since: since, Fused: true, Doc: doc, In: op.In, Out: op.Out[:1],
		Infer: func(n *ir.Node) ([]ir.Type, error) { return inferLast(op, n, moved...) },
		Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
			in := append([]*ir.Value{}, n.In...)
			for _, i := range moved {
				v := n.Input(i)
				if v == nil {
					continue
				}
				if v.Type.Rank() < 3 {
					return []*ir.Value{b.Fail("input %d is %s, want three axes or more", i, v.Type)}
				}
				to, _ := channelPerms(v.Type.Rank())
				in[i] = b.Transpose(v, to...)
			}
			_, from := channelPerms(n.In[0].Type.Rank())
			return []*ir.Value{b.Transpose(b.Node(op.Name, n.Attrs, in...).Out[0], from...)}
		},
	}
}

// inferLast is Infer of op, the given inputs and the output of which have the
// channels last.
func inferLast(op *ir.Op, n *ir.Node, moved ...int) ([]ir.Type, error) {
	plain := &ir.Node{Op: op.Name, Attrs: n.Attrs, In: append([]*ir.Value{}, n.In...), Out: n.Out}
	for _, i := range moved {
		if v := n.Input(i); v != nil && v.Type.Rank() >= 3 {
			to, _ := channelPerms(v.Type.Rank())
			plain.In[i] = &ir.Value{Name: v.Name, Type: permuted(v.Type, to)}
		}
	}
	ts, err := op.Infer(plain)
	if err != nil || n.In[0].Type.Rank() < 3 {
		return ts[:min(1, len(ts))], err
	}
	_, from := channelPerms(n.In[0].Type.Rank())
	return one(permuted(ts[0], from))
}

var biasSplitGelu = &ir.Op{
	Name: msft("BiasSplitGelu"), Since: 1, Fused: true, Doc: "the first half of X + bias times Gelu of the second",
	In: ir.P("X", "bias"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, err := broadcastType(n.In...)
		return []ir.Type{halved(t)}, err
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		halves := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "num_outputs", Value: int64(2)}},
			b.Add(n.In[0], n.In[1])).Out
		return []*ir.Value{b.Mul(halves[0], b.Op("Gelu", halves[1]))}
	},
}

var biasAdd = &ir.Op{
	Name: msft("BiasAdd"), Since: 1, Fused: true, Doc: "X + bias + skip",
	In: ir.P("X", "bias", "skip"), Out: ir.P("Y"), Infer: inferBroadcast,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		return []*ir.Value{b.Add(b.Add(n.In[0], n.In[1]), n.In[2])}
	},
}
