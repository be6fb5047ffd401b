package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// groupQueryAttention is the causal attention of models that onnxruntime-genai
// builds: groups of queries share keys and values, rotary embedding included.
//
// Of the T = seqlens_k + 1 positions that a row has in the end, the last S are
// new. Before them come max(T - S, 0) from the cache. Rows may differ in this,
// which is why positions are computed for each row. The caches present_key and
// present_value hold each row's positions in order and then 0, as ONNX Runtime
// makes them where past and present are not one buffer. A cache of a sliding
// window holds a row's last positions only (see slide).
var groupQueryAttention = &ir.Op{
	Name: msft("GroupQueryAttention"), Since: 1, Fused: true, Doc: "causal attention in which groups of queries share keys and values",
	In: ir.P("query", "key?", "value?", "past_key?", "past_value?", "seqlens_k", "total_sequence_length", "cos_cache?", "sin_cache?",
		"position_ids?", "attention_bias?", "head_sink?", "k_scale?", "v_scale?", "q_norm_weight?", "k_norm_weight?", "query_seqlens?"),
	Out: ir.P("output", "present_key?", "present_value?", "output_qk?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, heads, groups := n.In[0].Type, n.Attrs.Int("num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
		switch {
		case t.Rank() != 3 && t.Rank() >= 0:
			return nil, fmt.Errorf("query is %s, want rank 3", t)
		case heads <= 0 || groups <= 0 || heads%groups != 0:
			return nil, fmt.Errorf("%d heads of queries do not divide into %d groups", heads, groups)
		case (n.Input(1) == nil) != (n.Input(2) == nil):
			return nil, fmt.Errorf("key and value go together")
		case (n.Input(3) == nil) != (n.Input(4) == nil):
			return nil, fmt.Errorf("past_key and past_value go together")
		case slides(n) && (n.Input(3) == nil || n.Attrs.Int("local_window_size", -1) < 1):
			return nil, fmt.Errorf("sliding_window_cache needs past_key, past_value and local_window_size")
		}
		if t.Rank() < 0 {
			return optionalOutputs(n, t, t, t, t)
		}
		size := t.Shape[2].Div(ir.N(heads))
		if n.Input(1) == nil {
			size = t.Shape[2].Div(ir.N(heads + 2*groups))
		}
		total := t.Shape[1]
		if past := n.Input(3); past != nil {
			total = pastLength(past).Add(total)
		}
		kept := total
		if slides(n) {
			kept = pastLength(n.In[3])
		}
		cache := withDims(t, []ir.Dim{t.Shape[0], ir.N(groups), kept, size})
		return optionalOutputs(n, withDims(t, []ir.Dim{t.Shape[0], t.Shape[1], size.Mul(ir.N(heads))}), cache, cache,
			withDims(t, []ir.Dim{t.Shape[0], ir.N(heads), t.Shape[1], total}))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseInput(b, n, 12, "k_scale")
		refuseInput(b, n, 13, "v_scale")
		refuseInput(b, n, 16, "query_seqlens")
		if len(n.Out) > 3 && n.Out[3] != nil {
			b.Fail("output output_qk is not supported")
		}
		q, k, v := groupHeads(b, n)
		p := groupPositions(b, n, q)
		if n.Attrs.Int("do_rotary", 0) != 0 {
			q, k = groupRotary(b, n, p, q, k)
		}
		a := &attending{b: b, scale: scaleOf(b, n, q), softcap: attr(n, "softcap", 0), bias: n.Input(10), sink: n.Input(11)}
		if a.sink == nil && n.Attrs.Int("smooth_softmax", 0) > 0 {
			a.sink = b.Op("Expand", b.Scalar(0, q), b.Ints(n.Attrs.Int("num_heads", 0)))
		}
		presentK, presentV := k, v
		if past := n.Input(3); past != nil {
			groups := n.Attrs.Int("kv_num_heads", 0)
			k, presentK = p.cached(b, groups, past, k)
			v, presentV = p.cached(b, groups, n.In[4], v)
		}
		if n.Attrs.Int("causal", 1) != 0 {
			left := n.Attrs.Int("local_window_size", -1)
			if left > 0 {
				left-- // the window counts the query's own position
			}
			a.window(b.Op("Unsqueeze", p.queries, b.Ints(-1)), p.keys, left, 0)
		}
		a.allow(b.Op("Less", p.keys, p.end)) // queries behind the row's end, which are padding, see all of the row
		return []*ir.Value{fromHeads(b, a.run(q, k, v)), presentK, presentV, nil}[:max(1, len(n.Out))]
	},
}

// groupHeads brings queries, keys and values to heads, normalized if there are
// weights for it.
func groupHeads(b *ir.Builder, n *ir.Node) (q, k, v *ir.Value) {
	heads, groups := n.Attrs.Int("num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
	rows := func(x *ir.Value, heads int64) *ir.Value { return b.Op("Reshape", x, b.Ints(0, 0, heads, -1)) }
	q, k, v = n.In[0], n.Input(1), n.Input(2)
	if k == nil {
		all := rows(q, heads+2*groups)
		parts := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(2)}}, all, b.Ints(heads, groups, groups)).Out
		q, k, v = parts[0], parts[1], parts[2]
	} else {
		q, k, v = rows(q, heads), rows(k, groups), rows(v, groups)
	}
	norm := func(x, weight *ir.Value, attr string) *ir.Value {
		if weight == nil {
			return x
		}
		eps := n.Attrs.Float(attr, n.Attrs.Float("qk_norm_epsilon", 1e-6))
		return b.OpA("RMSNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "epsilon", Value: eps}}, x, weight)
	}
	q, k = norm(q, n.Input(14), "q_norm_epsilon"), norm(k, n.Input(15), "k_norm_epsilon")
	return b.Transpose(q, 0, 2, 1, 3), b.Transpose(k, 0, 2, 1, 3), b.Transpose(v, 0, 2, 1, 3)
}

// positions are where queries and keys stand in their row.
type positions struct {
	queries *ir.Value // [S] or, behind a cache, [B, 1, S]
	keys    *ir.Value // [S] or, behind a cache, [P + S]; of a sliding window [B, 1, 1, P + S]
	end     *ir.Value // [B, 1, 1, 1], the number of positions in the row

	// Behind a cache only: from where in the cache and the new keys after it each
	// of the keys comes, and whether it comes from there at all, [B, 1, P + S, 1].
	from, some *ir.Value

	// Behind the cache of a sliding window only, the same for what the cache holds
	// afterwards: from where among the keys, [B, 1, P, 1].
	kept, stays *ir.Value
}

func groupPositions(b *ir.Builder, n *ir.Node, q *ir.Value) positions {
	column := func(v *ir.Value) *ir.Value { return b.Op("Unsqueeze", v, b.Ints(1, 2, 3)) }
	lengths := b.Add(b.OpA("Cast", toType(ir.Int64), n.In[5]), b.Constant(ir.Of([]int64{1})))
	fresh := upTo(b, q, 2)
	p := positions{queries: fresh, keys: fresh, end: column(b.OpA("Reshape", nil, lengths, b.Ints(-1)))}
	past := n.Input(3)
	if past == nil {
		return p
	}
	zero := b.Constant(ir.Of([]int64{0}))
	before := b.Op("Max", b.Sub(p.end, sizeAt(b, q, 2)), zero) // [B, 1, 1, 1], of them from the cache
	p.queries = b.Op("Squeeze", b.Add(before, fresh), b.Ints(1))
	length := sizeAt(b, past, 2)
	total := b.Add(length, sizeAt(b, q, 2))
	p.keys = b.Op("Range", zero, total, b.Constant(ir.Of([]int64{1})))
	at := b.Op("Unsqueeze", p.keys, b.Ints(1)) // [P + S, 1]
	held := before                             // the row's own in the cache
	if slides(n) {
		held = p.slide(b, n.Attrs.Int("local_window_size", 0), length, before)
	}
	skip := b.Sub(length, held) // what lies in the cache behind the row's own
	p.some = b.Op("Less", b.Add(at, skip), total)
	p.from = b.Op("Where", b.Op("Less", at, held), at, b.Op("Where", p.some, b.Add(at, skip), zero))
	return p
}

// slides reports whether the cache holds the last positions of a row only.
func slides(n *ir.Node) bool { return n.Attrs.Int("sliding_window_cache", 0) != 0 }

// slide sets the positions of keys, and what is kept of them, where the cache
// has room for P of a row's positions, and attention for the last w. Of t
// positions so far it holds the last
//
//	L(t) = t - g·⌊max(t - w, 0) / g⌋    g = P - w + 1
//
// as ONNX Runtime evicts g at a time. The result is L(before), [B, 1, 1, 1].
func (p *positions) slide(b *ir.Builder, w int64, length, before *ir.Value) *ir.Value {
	zero, one := b.Constant(ir.Of([]int64{0})), b.Constant(ir.Of([]int64{1}))
	window := b.Constant(ir.Of([]int64{w}))
	g := b.Op("Max", b.Add(b.Sub(length, window), one), one)
	evicted := func(t *ir.Value) *ir.Value {
		return b.Mul(b.Div(b.Op("Max", b.Sub(t, window), zero), g), g)
	}
	gone := evicted(before) // the position of the first key
	lost := evicted(p.end)
	at := b.Op("Unsqueeze", b.Op("Range", zero, length, one), b.Ints(1)) // [P, 1]
	p.stays = b.Op("Less", at, b.Sub(p.end, lost))
	p.kept = b.Op("Where", p.stays, b.Add(at, b.Sub(lost, gone)), zero)
	p.keys = b.Add(p.keys, gone)
	return b.Sub(before, gone)
}

// cached puts new keys or values of each row behind those that it has in the
// cache; all is what then fills the cache, with 0 where nothing comes from.
func (p positions) cached(b *ir.Builder, heads int64, past, fresh *ir.Value) (seen, all *ir.Value) {
	pick := func(x, at *ir.Value) *ir.Value {
		at = b.Op("Expand", at, b.Ints(1, heads, 1, 1))
		return b.OpA("GatherND", ir.Attrs{{Name: "batch_dims", Value: int64(2)}}, x, at)
	}
	seen = pick(concat2(b, 2, past, fresh), p.from)
	all = b.Op("Where", p.some, seen, b.Scalar(0, seen))
	if p.kept != nil {
		all = b.Op("Where", p.stays, pick(all, p.kept), b.Scalar(0, seen))
	}
	return seen, all
}

// groupRotary turns new queries and keys by their positions.
func groupRotary(b *ir.Builder, n *ir.Node, p positions, q, k *ir.Value) (q2, k2 *ir.Value) {
	if n.Input(7) == nil || n.Input(8) == nil {
		bad := b.Fail("do_rotary needs cos_cache and sin_cache")
		return bad, bad
	}
	at := p.queries
	switch ids := n.Input(9); {
	case ids != nil:
		at = ids
	case n.Input(3) != nil:
		at = b.Op("Squeeze", at, b.Ints(1)) // [B, S]
	}
	// [B, 1, S, R/2], or [1, S, R/2] if all rows are alike
	r := rotation{b: b, interleaved: n.Attrs.Int("rotary_interleaved", 0) != 0}
	r.cos = b.Op("Unsqueeze", b.Op("Gather", n.In[7], at), b.Ints(-3))
	r.sin = b.Op("Unsqueeze", b.Op("Gather", n.In[8], at), b.Ints(-3))
	if half, known := dimOf(n.In[7], 1).Num(); known {
		r.dim = 2 * half
	}
	return r.of(q), r.of(k)
}

// msRotaryEmbedding takes positions first, or the position of the first token.
var msRotaryEmbedding = &ir.Op{
	Name: msft("RotaryEmbedding"), Since: 1, Fused: true, Doc: "x · cos + rotate(x) · sin, for each head",
	In: ir.P("input", "position_ids", "cos_cache", "sin_cache"), Out: ir.P("output"), Infer: inferRotary,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseAttr(b, n, "is_packed_batching", 0)
		if s := attr(n, "scale", 1); s != 1 && s != 0 {
			b.Fail("scale = %g is not supported", s)
		}
		x, ids := n.In[0], n.In[1]
		if ids.Type.Rank() == 1 { // [1]: where the sequence begins
			axis := max(0, int64(x.Type.Rank()-2))
			ids = b.Op("Unsqueeze", b.Add(ids, upTo(b, x, axis)), b.Ints(0))
		}
		half, known := dimOf(n.In[2], 1).Num()
		heads := b.Ints(0, 0, -1, 2*half)
		if h := n.Attrs.Int("num_heads", 0); h > 0 {
			heads = b.Ints(0, 0, h, -1)
		} else if !known && x.Type.Rank() == 3 {
			b.Fail("neither num_heads nor the size of cos_cache %s is known", n.In[2].Type)
		}
		return []*ir.Value{rotateHeads(b, n, x, b.Op("Gather", n.In[2], ids), b.Op("Gather", n.In[3], ids), heads)}
	},
}
