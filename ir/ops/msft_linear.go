package ops

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// msftLinearOps are the layers of Qwen3.5 and of Mamba that carry a state, as
// onnxruntime-genai writes them: those of ai.onnx with more layouts, and with
// gates of their own.
func msftLinearOps() []*ir.Op { return []*ir.Op{msLinearAttention, msCausalConv, gatedDeltaNet} }

// msLinearAttention has fewer heads of queries than of values, too, and as many
// of keys as of either.
var msLinearAttention = &ir.Op{
	Name: msft("LinearAttention"), Since: 1, Fused: true, Doc: linearAttention.Doc,
	In: linearAttention.In, Out: linearAttention.Out, VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		heads, groups := n.Attrs.Int("q_num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
		if heads < 1 || groups < 1 || heads%groups != 0 && groups%heads != 0 {
			return nil, fmt.Errorf("%d heads of queries and %d of values: neither divides the other", heads, groups)
		}
		for i, name := range []string{"query", "key", "value"} {
			if t := n.In[i].Type; t.Shape != nil && len(t.Shape) != 3 {
				return nil, fmt.Errorf("%s is %s, want rank 3", name, t)
			}
		}
		t := n.In[0].Type
		size, valueSize := dimOf(n.In[0], 2).Div(ir.N(heads)), dimOf(n.In[2], 2).Div(ir.N(groups))
		state := ir.Type{Elem: t.Elem, Shape: []ir.Dim{dimOf(n.In[0], 0), ir.N(groups), size, valueSize}}
		if past := n.Input(3); past != nil {
			state.Elem = past.Type.Elem
		}
		return []ir.Type{withDims(t, []ir.Dim{dimOf(n.In[0], 0), dimOf(n.In[0], 1), ir.N(max(heads, groups)).Mul(valueSize)}), state}, nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseAttr(b, n, "state_window", 0)
		heads, groups := n.Attrs.Int("q_num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
		width, ok := dimOf(n.In[0], 2).Num()
		keyWidth, ok2 := dimOf(n.In[1], 2).Num()
		if !ok || !ok2 || width%heads != 0 || keyWidth%(width/heads) != 0 {
			v := b.Fail("query is %s and key %s, want known sizes that divide into heads", n.In[0].Type, n.In[1].Type)
			return []*ir.Value{v, v}
		}
		size := width / heads
		in := append([]*ir.Value{}, n.In...)
		in[1] = spreadHeads(b, in[1], keyWidth/size, groups, size)
		if heads < groups {
			in[0] = spreadHeads(b, in[0], heads, groups, size)
			heads = groups
		}
		return b.Node(linearAttention.Name, n.Attrs.Without("state_window", "chunk_size").With("q_num_heads", heads), in...).Out
	},
}

// spreadHeads repeats each of the heads in x [B, T, have·size], so that there are
// want of them.
func spreadHeads(b *ir.Builder, x *ir.Value, have, want, size int64) *ir.Value {
	switch {
	case have == want:
		return x
	case have < 1 || want%have != 0:
		return b.Fail("%d heads do not divide %d", have, want)
	}
	each := b.Op("Reshape", x, b.Ints(0, 0, have, 1, size))
	return b.Op("Reshape", b.Op("Expand", each, b.Ints(1, 1, 1, want/have, 1)), b.Ints(0, 0, want*size))
}

// msCausalConv has the channels last, too, divided into any number of axes.
var msCausalConv = &ir.Op{
	Name: msft("CausalConvWithState"), Since: 1, Fused: true, Doc: causalConv.Doc,
	In: causalConv.In, Out: causalConv.Out,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x := n.In[0].Type
		state := ir.Type{Elem: x.Elem}
		if x.Shape == nil {
			return []ir.Type{x, state}, nil
		}
		last := channelsLast(n)
		if len(x.Shape) != 3 && (!last || len(x.Shape) < 3) {
			return nil, fmt.Errorf("input is %s, want rank 3", x)
		}
		reach := dimOf(n.In[1], 2).Sub(ir.N(1)).Mul(ir.N(n.Attrs.Int("dilation", 1)))
		state.Shape = append([]ir.Dim{}, x.Shape...)
		if last {
			state.Shape[1] = reach
		} else {
			state.Shape[2] = reach
		}
		return []ir.Type{x, state}, nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		for _, a := range []struct {
			name   string
			absent int64
		}{{"ndim", 1}, {"state_window", 0}, {"state_length", 0}, {"state_update_capacity", 0}, {"input_channel_offset", 0}, {"input_channels", 0}, {"state_channels_last", -1}} {
			refuseAttr(b, n, a.name, a.absent)
		}
		x, past, dilation := n.In[0], n.Input(3), n.Attrs.Int("dilation", 1)
		if !channelsLast(n) {
			y, state := causalBody(b, n, x, past, dilation)
			return []*ir.Value{y, state}
		}
		channels, ok := dimOf(n.In[1], 0).Num()
		if !ok {
			v := b.Fail("the weights are %s, want a known shape", n.In[1].Type)
			return []*ir.Value{v, v}
		}
		first := func(v *ir.Value) *ir.Value {
			if v == nil {
				return nil
			}
			return b.Transpose(b.Op("Reshape", v, b.Ints(0, -1, channels)), 0, 2, 1)
		}
		y, state := causalBody(b, n, first(x), first(past), dilation)
		axes := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(2)}}, x) // those that the channels are divided into
		last := func(v *ir.Value) *ir.Value {
			return b.Op("Reshape", b.Transpose(v, 0, 2, 1), concat2(b, 0, b.Ints(0, -1), axes))
		}
		return []*ir.Value{last(y), last(state)}
	},
}

// gatedDeltaNet is LinearAttention with heads apart, [B, T, H, D], or with one
// axis for the tokens of all sequences. Its state is transposed.
var gatedDeltaNet = &ir.Op{
	Name: msft("GatedDeltaNet"), Since: 1, Fused: true, Doc: "LinearAttention by a delta rule, with its gates and normalizations",
	In: ir.P("query", "key?", "value?", "cu_seqlens?", "decay?", "beta?", "initial_state?", "a_log?", "dt_bias?",
		"capture_count?", "state_update_active?"),
	Out: ir.P("output", "final_state?", "state_update?"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, v := n.In[0].Type, n.Input(2)
		if v == nil || v.Type.Rank() < 3 {
			return optionalOutputs(n, ir.Type{Elem: t.Elem}, ir.Type{Elem: ir.Float}, ir.Type{Elem: ir.Float})
		}
		state := ir.Type{Elem: ir.Float}
		if past := n.Input(6); past != nil {
			state = past.Type
		}
		return optionalOutputs(n, v.Type, state, ir.Type{Elem: ir.Float})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseInput(b, n, 3, "cu_seqlens")
		refuseAttr(b, n, "state_update_capacity", 0)
		q, k, v, past := n.In[0], n.Input(1), n.Input(2), n.Input(6)
		fail := func(format string, args ...any) []*ir.Value {
			return []*ir.Value{b.Fail(format, args...), nil, nil}[:max(1, len(n.Out))]
		}
		if k == nil || v == nil || q.Type.Rank() < 3 || past == nil {
			return fail("queries, keys and values in one tensor, or without an initial state, are not supported")
		}
		rank := q.Type.Rank()
		heads, ok := dimOf(q, rank-2).Num()
		size, ok2 := dimOf(q, rank-1).Num()
		groups, ok3 := dimOf(v, rank-2).Num()
		valueSize, ok4 := dimOf(v, rank-1).Num()
		if !ok || !ok2 || !ok3 || !ok4 {
			return fail("query is %s and value %s, want known sizes of heads", q.Type, v.Type)
		}
		batch := b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(1)}}, past)
		flat := func(x *ir.Value, width int64) *ir.Value { // [B, T, width]
			if rank == 4 {
				return b.Op("Reshape", x, b.Ints(0, 0, width))
			}
			return b.Op("Reshape", x, concat2(b, 0, batch, b.Ints(-1, width)))
		}
		unit := func(x *ir.Value) *ir.Value {
			if n.Attrs.Int("qk_l2_norm", 0) == 0 {
				return x
			}
			return b.OpA("LpNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "p", Value: int64(2)}}, x)
		}
		rule := n.Attrs.String("update_rule", "gated_delta")
		var decay, beta *ir.Value
		if d := n.Input(4); d != nil && (rule == "gated" || rule == "gated_delta") {
			width := groups
			if d.Type.Rank() == rank {
				width = groups * size
			}
			decay = flat(deltaDecay(b, n, d), width)
		}
		if v := n.Input(5); v != nil && (rule == "delta" || rule == "gated_delta") {
			if beta = float32s(b, v); n.Attrs.String("beta_activation", "none") == "sigmoid" {
				beta = b.Op("Sigmoid", beta)
			}
			beta = flat(beta, groups)
		}
		scale := attr(n, "scale", 0)
		if scale == 0 {
			scale = 1 / math.Sqrt(float64(size))
		}
		outs := b.Node(linearAttention.Name, ir.Attrs{
			{Name: "q_num_heads", Value: groups},
			{Name: "kv_num_heads", Value: groups},
			{Name: "scale", Value: float32(scale)},
			{Name: "update_rule", Value: rule},
		},
			spreadHeads(b, flat(unit(q), heads*size), heads, groups, size), spreadHeads(b, flat(unit(k), heads*size), heads, groups, size),
			flat(v, groups*valueSize), b.Transpose(past, 0, 1, 3, 2), decay, beta).Out
		y := b.Op("Reshape", outs[0], concat2(b, 0, b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(rank - 2)}}, q), b.Ints(groups, valueSize)))
		return []*ir.Value{y, b.Transpose(outs[1], 0, 1, 3, 2), nil}[:max(1, len(n.Out))]
	},
}

// deltaDecay is the logarithm of the decay, in float32, by its gate if there is one.
func deltaDecay(b *ir.Builder, n *ir.Node, d *ir.Value) *ir.Value {
	d = float32s(b, d)
	gate := n.Attrs.String("gate_activation", "none")
	if gate == "none" {
		return d
	}
	rate, bias := n.Input(7), n.Input(8)
	if rate == nil || bias == nil {
		return b.Fail("gate_activation %q needs a_log and dt_bias", gate)
	}
	rate, bias = b.Op("Exp", float32s(b, rate)), float32s(b, bias)
	if d.Type.Rank() == n.In[0].Type.Rank() { // a decay for each feature of a key
		rate = b.Op("Unsqueeze", rate, b.Ints(1))
		bias = b.Op("Reshape", bias, concat2(b, 0, lengthAt(b, n.In[7], 0), b.Ints(-1)))
	}
	shifted := b.Add(d, bias)
	switch gate {
	case "softplus", "qwen":
		return b.Neg(b.Mul(rate, b.Op("Softplus", shifted)))
	case "sigmoid", "kda":
		return b.Scale(b.Op("Sigmoid", b.Mul(rate, shifted)), attr(n, "gate_lower_bound", -5))
	}
	return b.Fail("gate_activation %q is not supported", gate)
}
