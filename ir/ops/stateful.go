package ops

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// statefulOps carry a state from one call to the next: caches of keys and
// values, the end of a convolution's input, the memory of linear attention.
func statefulOps() []*ir.Op { return []*ir.Op{tensorScatter, causalConv, linearAttention} }

var tensorScatter = &ir.Op{
	Name: ir.OpName{Name: "TensorScatter"}, Since: 24, Fused: true, Doc: "a cache with new positions written into it",
	In: ir.P("past_cache", "update", "write_indices?"), Out: ir.P("present_cache"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if _, err := mergeElem(n.In[0], n.In[1]); err != nil {
			return nil, err
		}
		if how := n.Attrs.String("mode", "linear"); how != "linear" && how != "circular" {
			return nil, fmt.Errorf("unknown mode %q", how)
		}
		return same(n)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		past, update := n.In[0], n.In[1]
		r := past.Type.Rank()
		k, err := normAxis(n.Attrs.Int("axis", -2), r)
		if err != nil || k == 0 {
			return []*ir.Value{b.Fail("axis %d of %s, want one after the batch", n.Attrs.Int("axis", -2), past.Type)}
		}
		along := func(v *ir.Value, at int) *ir.Value { // a vector as an axis of r
			shape := slices.Repeat([]int64{1}, r)
			shape[at] = -1
			return b.Op("Reshape", v, b.Ints(shape...))
		}
		at := along(upTo(b, update, int64(k)), k)
		if start := n.Input(2); start != nil {
			at = b.Add(along(start, 0), at)
		}
		if n.Attrs.String("mode", "linear") == "circular" {
			at = b.Op("Mod", at, sizeAt(b, past, int64(k)))
		}
		at = b.Op("Expand", at, like(b, update))
		return []*ir.Value{b.OpA("ScatterElements", axis(k), past, at, update)}
	},
}

var causalConv = &ir.Op{
	Name: ir.OpName{Name: "CausalConvWithState"}, Since: 27, Fused: true, Doc: "convolution of each channel with its past",
	In: ir.P("input", "weight", "bias?", "past_state?"), Out: ir.P("output", "present_state"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x, w := n.In[0].Type, n.In[1].Type
		if x.Shape != nil && len(x.Shape) != 3 || w.Shape != nil && len(w.Shape) != 3 {
			return nil, fmt.Errorf("%s and weights %s, want rank 3", x, w)
		}
		state := ir.Type{Elem: x.Elem}
		if x.Shape != nil {
			state.Shape = []ir.Dim{x.Shape[0], x.Shape[1], dimOf(n.In[1], 2).Sub(ir.N(1))}
		}
		return []ir.Type{x, state}, nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		y, state := causalBody(b, n, n.In[0], n.Input(3), 1)
		return []*ir.Value{y, state}
	},
}

// causalBody convolves x [B, C, T] with what comes before it, nothing if past is
// nil; the taps are dilation apart. The state is the end of both together.
func causalBody(b *ir.Builder, n *ir.Node, x, past *ir.Value, dilation int64) (y, state *ir.Value) {
	w := n.In[1]
	channels, ok := dimOf(w, 0).Num()
	kernel, ok2 := dimOf(w, 2).Num()
	if !ok || !ok2 || kernel < 1 || dilation < 1 {
		return b.Fail("the weights are %s, want a known shape", w.Type), x
	}
	reach := (kernel - 1) * dilation
	if past == nil {
		past = zerosOf(b, x.Type.Elem, b.OpA("Concat", axis(0), b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(2)}}, x), b.Ints(reach)))
	}
	whole := concat2(b, 2, past, x)
	y = b.OpA("Conv", ir.Attrs{
		{Name: "group", Value: channels}, {Name: "kernel_shape", Value: []int64{kernel}}, {Name: "dilations", Value: []int64{dilation}},
	}, whole, w, n.Input(2))
	switch f := n.Attrs.String("activation", "none"); f {
	case "none":
	case "silu", "swish":
		y = b.Op("Swish", y)
	default:
		y = b.Fail("unknown activation %q", f)
	}
	end := lengthAt(b, whole, 2)
	state = b.Op("Slice", whole, b.Sub(end, b.Ints(reach)), end, b.Ints(2))
	return withShape(b, y, x.Type.Shape), state
}

// linearAttention keeps, for each head, a matrix S [d_k, d_v] in place of all
// keys and values, decays it by exp(decay), and adds k ⊗ v to it. By a delta
// rule it adds what v differs by from what S returns for k, times beta.
var linearAttention = &ir.Op{
	Name: ir.OpName{Name: "LinearAttention"}, Since: 27, Fused: true, Doc: "attention by a matrix that is carried from token to token",
	In:  ir.P("query", "key", "value", "past_state?", "decay?", "beta?"),
	Out: ir.P("output", "present_state"), VJP: noVJP,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		q, groups, err := linearHeads(n)
		if err != nil {
			return nil, err
		}
		key, value := dimOf(n.In[1], 2).Div(ir.N(groups)), dimOf(n.In[2], 2).Div(ir.N(groups))
		t := n.In[0].Type
		state := t.Elem
		if past := n.Input(3); past != nil {
			state = past.Type.Elem
		}
		return []ir.Type{
			{Elem: t.Elem, Shape: []ir.Dim{dimOf(n.In[0], 0), dimOf(n.In[0], 1), ir.N(q).Mul(value)}},
			{Elem: state, Shape: []ir.Dim{dimOf(n.In[0], 0), ir.N(groups), key, value}},
		}, nil
	},
	Body: linearAttentionBody,
}

// linearHeads returns the numbers of heads of queries and of keys.
func linearHeads(n *ir.Node) (heads, groups int64, err error) {
	heads, groups = n.Attrs.Int("q_num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
	if heads < 1 || groups < 1 || heads%groups != 0 {
		return 0, 0, fmt.Errorf("%d heads of queries do not divide into %d groups", heads, groups)
	}
	for i, name := range []string{"query", "key", "value"} {
		if t := n.In[i].Type; t.Shape != nil && len(t.Shape) != 3 {
			return 0, 0, fmt.Errorf("%s is %s, want rank 3", name, t)
		}
	}
	return heads, groups, nil
}

func linearAttentionBody(b *ir.Builder, n *ir.Node) []*ir.Value {
	fail := func(format string, args ...any) []*ir.Value {
		v := b.Fail(format, args...)
		return []*ir.Value{v, v}
	}
	heads, groups, err := linearHeads(n)
	if err != nil {
		return fail("%w", err)
	}
	tokens, ok := dimOf(n.In[0], 1).Num()
	width, ok2 := dimOf(n.In[0], 2).Num()
	valueWidth, ok3 := dimOf(n.In[2], 2).Num()
	switch {
	case !ok || !ok2 || !ok3:
		return fail("query is %s and value is %s: the number of tokens and the sizes must be known", n.In[0].Type, n.In[2].Type)
	case tokens > maxUnrolled/20:
		return fail("%d tokens are too many to write out", tokens)
	}
	size, valueSize := width/heads, valueWidth/groups
	rule := n.Attrs.String("update_rule", "gated_delta")
	gated, delta := rule == "gated" || rule == "gated_delta", rule == "delta" || rule == "gated_delta"
	if !gated && !delta && rule != "linear" || gated && n.Input(4) == nil || delta && n.Input(5) == nil {
		return fail("update_rule %q is unknown, or decay or beta is missing for it", rule)
	}
	scale := attr(n, "scale", 0)
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(size))
	}
	state := n.Input(3)
	if state == nil {
		shape := b.OpA("Concat", axis(0), b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(1)}}, n.In[0]), b.Ints(groups, size, valueSize))
		state = zerosOf(b, n.In[0].Type.Elem, shape)
	}
	// token is the part of input i, [B, T, ...], for token t, in another shape.
	token := func(i int, t int64, shape ...int64) *ir.Value {
		x := b.OpA("Gather", axis(1), n.In[i], scalarInt(b, t))
		return castTo(b, b.Op("Reshape", x, b.Ints(append([]int64{0}, shape...)...)), state)
	}
	outs := make([]*ir.Value, tokens)
	for t := range tokens {
		q, k, v := token(0, t, groups, -1, size), token(1, t, groups, size, 1), token(2, t, groups, 1, valueSize)
		if gated {
			decay := role(b.Op("Exp", token(4, t, groups, -1, 1)), "attention.decay") // one number a head, or one for each of d_k
			state = b.Mul(state, decay)
		}
		if delta {
			recalled := b.MatMul(b.SwapLast(k), state) // [B, H, 1, d_v]
			v = b.Mul(token(5, t, -1, 1, 1), b.Sub(v, recalled))
		}
		state = b.Add(state, b.Mul(k, v))
		y := b.Scale(b.MatMul(q, state), scale) // [B, H, queries of the head, d_v]
		outs[t] = castTo(b, b.Op("Reshape", y, b.Ints(0, heads*valueSize)), n.In[0])
	}
	return []*ir.Value{stack(b, outs, 1, ir.Type{}), state}
}
