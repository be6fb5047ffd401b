package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// msAttention is ONNX Runtime's attention of BERT and GPT-2, with the dense
// layer that makes queries, keys and values.
var msAttention = &ir.Op{
	Name: msft("Attention"), Since: 1, Fused: true,
	Doc: "attention of input · weights + bias, which hold queries, keys and values",
	In:  ir.P("input", "weights", "bias?", "mask_index?", "past?", "attention_bias?", "past_sequence_length?"),
	Out: ir.P("output", "present?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x, w := n.In[0].Type, n.In[1].Type
		if x.Rank() < 0 || w.Rank() < 0 {
			t := ir.Type{Elem: x.Elem}
			return optionalOutputs(n, t, t)
		}
		if x.Rank() != 3 || w.Rank() != 2 {
			return nil, fmt.Errorf("input is %s and weights %s, want rank 3 and 2", x, w)
		}
		if n.Attrs.Int("num_heads", 0) <= 0 {
			return nil, fmt.Errorf("attribute num_heads is missing")
		}
		hidden := w.Shape[1].Div(ir.N(3))
		key := hidden
		if sizes := n.Attrs.Ints("qkv_hidden_sizes"); len(sizes) == 3 {
			key, hidden = ir.N(sizes[0]), ir.N(sizes[2])
		}
		total := x.Shape[1]
		if past := n.Input(4); past != nil && past.Type.Rank() == 5 {
			total = past.Type.Shape[3].Add(total)
		}
		heads := ir.N(n.Attrs.Int("num_heads", 0))
		return optionalOutputs(n,
			withDims(x, []ir.Dim{x.Shape[0], x.Shape[1], hidden}),
			withDims(x, []ir.Dim{ir.N(2), x.Shape[0], heads, total, key.Div(heads)}),
		)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseInput(b, n, 6, "past_sequence_length")
		refuseAttr(b, n, "do_rotary", 0)
		refuseAttr(b, n, "past_present_share_buffer", 0)
		qkv := b.MatMul(n.In[0], n.In[1])
		if bias := n.Input(2); bias != nil {
			qkv = b.Add(qkv, bias)
		}
		split, sizes := ir.Attrs{{Name: "axis", Value: int64(2)}}, (*ir.Value)(nil)
		switch s := n.Attrs.Ints("qkv_hidden_sizes"); len(s) {
		case 3:
			sizes = b.Ints(s...)
		case 0:
			split = split.With("num_outputs", int64(3))
		default:
			return []*ir.Value{b.Fail("qkv_hidden_sizes is %d, want three sizes", s), nil}
		}
		parts := b.Node(ir.OpName{Name: "Split"}, split, qkv, sizes).Out
		heads := n.Attrs.Int("num_heads", 0)
		q, k, v := toHeads(b, parts[0], heads), toHeads(b, parts[1], heads), toHeads(b, parts[2], heads)
		var before *ir.Value
		if past := n.Input(4); past != nil {
			both := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(0)}, {Name: "num_outputs", Value: int64(2)}}, past).Out
			before = sizeAt(b, past, 3)
			k = concat2(b, 2, b.Op("Squeeze", both[0], b.Ints(0)), k)
			v = concat2(b, 2, b.Op("Squeeze", both[1], b.Ints(0)), v)
		}
		a := &attending{b: b, scale: scaleOf(b, n, q)}
		a.msMask(n, n.Input(3), n.Input(5), before, q, k)
		outs := []*ir.Value{fromHeads(b, a.run(q, k, v))}
		if len(n.Out) > 1 {
			outs = append(outs, concat2(b, 0, b.Op("Unsqueeze", k, b.Ints(0)), b.Op("Unsqueeze", v, b.Ints(0))))
		}
		return outs
	},
}

// msMask adds what Attention and MultiHeadAttention add to the scores: a mask of
// keys, a bias, and the order of positions. A masked key is not forbidden; its
// score gets mask_filter_value added. The queries come after the keys of the
// cache, if there is one: so many as before says.
func (a *attending) msMask(n *ir.Node, mask, bias, before, q, k *ir.Value) {
	b := a.b
	if bias != nil {
		a.add(bias)
	}
	if mask != nil {
		hidden := a.hidden(mask, q, k)
		a.add(b.Scale(castTo(b, hidden, q), attr(n, "mask_filter_value", -10000)))
	}
	if n.Attrs.Int("unidirectional", 0) != 0 {
		queries := upTo(b, q, 2)
		if before != nil {
			queries = b.Add(queries, before)
		}
		a.window(b.Op("Unsqueeze", queries, b.Ints(1)), upTo(b, k, 2), -1, 0)
	}
}

// hidden tells the keys that a mask hides, in a shape that broadcasts to [B, H,
// S, T]. The mask is 1 where a key is seen, [B, T] or [B, S, T], or holds each
// row's number of keys, [B], with or without where each row begins in a packed
// batch of queries and in one of keys, [3 B + 2], or where its keys end and,
// after all of those, where they begin, [2 B].
func (a *attending) hidden(mask, q, k *ir.Value) *ir.Value {
	b, zero := a.b, a.b.Constant(ir.Of([]int32{0}))
	switch mask.Type.Rank() {
	case 2:
		return b.Op("Equal", b.Op("Unsqueeze", mask, b.Ints(1, 2)), zero)
	case 3:
		return b.Op("Equal", b.Op("Unsqueeze", mask, b.Ints(1)), zero)
	case 1:
		keys := b.OpA("Cast", toType(ir.Int32), upTo(b, k, 2))
		column := func(v *ir.Value) *ir.Value { return b.Op("Unsqueeze", v, b.Ints(1, 2, 3)) }
		rows, n := dimOf(q, 0), dimOf(mask, 0)
		switch {
		case rows.Same(n):
			return b.Op("GreaterOrEqual", keys, column(mask))
		case n.Same(rows.Mul(ir.N(3)).Add(ir.N(2))):
			return b.Op("GreaterOrEqual", keys, column(b.Op("Slice", mask, b.Ints(0), lengthAt(b, q, 0), b.Ints(0))))
		case n.Same(rows.Mul(ir.N(2))):
			ends := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(0)}, {Name: "num_outputs", Value: int64(2)}}, mask).Out
			return b.Op("Or", b.Op("GreaterOrEqual", keys, column(ends[0])), b.Op("Less", keys, column(ends[1])))
		case !n.Differ(rows) || !n.Differ(rows.Mul(ir.N(2))): // only a run knows; keys that begin nowhere begin at 0
			batch := lengthAt(b, q, 0)
			part := func(v, from, to *ir.Value) *ir.Value { return b.Op("Slice", v, from, to, b.Ints(0)) }
			twice := b.Scale(batch, 2)
			begins := part(mask, batch, b.Op("Where", b.Op("Equal", lengthAt(b, mask, 0), twice), twice, batch))
			none := b.Op("Expand", zero, batch)
			begins = part(b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}}, begins, none), b.Ints(0), batch)
			return b.Op("Or", b.Op("GreaterOrEqual", keys, column(part(mask, b.Ints(0), batch))), b.Op("Less", keys, column(begins)))
		}
	}
	return b.Fail("a mask %s for queries %s is not supported, want [B, T], [B, S, T], [B], [2 B] or [3 B + 2]", mask.Type, q.Type)
}

// multiHeadAttention is attention of queries, keys and values that are already
// made.
var multiHeadAttention = &ir.Op{
	Name: msft("MultiHeadAttention"), Since: 1, Fused: true, Doc: "attention of queries, keys and values, plus a bias of each",
	In: ir.P("query", "key?", "value?", "bias?", "key_padding_mask?", "attention_bias?", "past_key?", "past_value?",
		"past_sequence_length?", "cache_indirection?"),
	Out: ir.P("output", "present_key?", "present_value?", "qk?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		heads := ir.N(n.Attrs.Int("num_heads", 0))
		if heads.N <= 0 {
			return nil, fmt.Errorf("attribute num_heads is missing")
		}
		if (n.Input(6) == nil) != (n.Input(7) == nil) {
			return nil, fmt.Errorf("past_key and past_value go together")
		}
		if !mhaRanks(n) {
			t := ir.Type{Elem: n.In[0].Type.Elem}
			return optionalOutputs(n, t, t, t, t)
		}
		q, k, v, err := mhaDims(n, heads)
		if err != nil {
			return nil, err
		}
		total := k[2]
		switch past := n.Input(6); {
		case past != nil && n.Input(8) != nil: // a buffer
			total = pastLength(past)
		case past != nil:
			total = pastLength(past).Add(total)
		}
		t := n.In[0].Type
		return optionalOutputs(n,
			withDims(t, []ir.Dim{q[0], q[2], heads.Mul(v[3])}),
			withDims(t, []ir.Dim{q[0], heads, total, k[3]}),
			withDims(t, []ir.Dim{q[0], heads, total, v[3]}),
			withDims(t, []ir.Dim{q[0], heads, q[2], total}),
		)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseInput(b, n, 9, "cache_indirection")
		if len(n.Out) > 3 && n.Out[3] != nil {
			b.Fail("output qk is not supported")
		}
		if _, _, _, err := mhaDims(n, ir.N(n.Attrs.Int("num_heads", 0))); err != nil || !mhaRanks(n) {
			return []*ir.Value{b.Fail("the ranks of its inputs are not known or do not fit"), nil, nil, nil}
		}
		q, k, v := mhaHeads(b, n)
		var before *ir.Value
		presentK, presentV := k, v
		switch past, length := n.Input(6), n.Input(8); {
		case past != nil && length != nil:
			before = scalar(b, asInt64(b, length))
			k, presentK = writtenBehind(b, past, k, before)
			v, presentV = writtenBehind(b, n.In[7], v, before)
		case past != nil:
			before = sizeAt(b, past, 2)
			k, v = concat2(b, 2, past, k), concat2(b, 2, n.In[7], v)
			presentK, presentV = k, v
		}
		a := &attending{b: b, scale: scaleOf(b, n, q)}
		a.msMask(n, n.Input(4), n.Input(5), before, q, k)
		return []*ir.Value{fromHeads(b, a.run(q, k, v)), presentK, presentV, nil}[:max(1, len(n.Out))]
	},
}

// writtenBehind writes new keys or values into a buffer [B, H, capacity, D] of which
// so many positions are in use, and returns those in use then, and the buffer.
func writtenBehind(b *ir.Builder, buffer, fresh, before *ir.Value) (used, all *ir.Value) {
	from := b.Op("Reshape", before, b.Ints(1))
	all = b.Op("TensorScatter", buffer, fresh, b.Op("Expand", from, lengthAt(b, fresh, 0)))
	return b.Op("Slice", all, b.Ints(0), b.Add(from, lengthAt(b, fresh, 2)), b.Ints(2)), all
}

// mhaRanks reports whether the ranks of queries, keys and values are known.
func mhaRanks(n *ir.Node) bool {
	for _, v := range n.In[:min(3, len(n.In))] {
		if v != nil && v.Type.Shape == nil {
			return false
		}
	}
	return true
}

// mhaDims returns the shapes of queries, keys and values in heads.
func mhaDims(n *ir.Node, heads ir.Dim) (q, k, v []ir.Dim, err error) {
	x, key, value := n.In[0].Type, n.Input(1), n.Input(2)
	flat := func(t ir.Type) []ir.Dim { return []ir.Dim{t.Shape[0], heads, t.Shape[1], t.Shape[2].Div(heads)} }
	packed := func(t ir.Type) []ir.Dim { return []ir.Dim{t.Shape[0], t.Shape[2], t.Shape[1], t.Shape[4]} }
	switch {
	case x.Rank() == 5 && key == nil && value == nil:
		q = packed(x)
		return q, q, q, nil
	case x.Rank() != 3 || key == nil:
	case key.Type.Rank() == 5 && value == nil:
		return flat(x), packed(key.Type), packed(key.Type), nil
	case value == nil:
	case key.Type.Rank() == 3 && value.Type.Rank() == 3:
		return flat(x), flat(key.Type), flat(value.Type), nil
	case key.Type.Rank() == 4 && value.Type.Rank() == 4:
		return flat(x), key.Type.Shape, value.Type.Shape, nil
	}
	return nil, nil, nil, fmt.Errorf("query is %s, want rank 3 with keys and values of rank 3 or 4, or packed ones of rank 5", x)
}

// mhaHeads brings queries, keys and values to heads, with their bias. Keys and
// values that come in heads have had theirs.
func mhaHeads(b *ir.Builder, n *ir.Node) (q, k, v *ir.Value) {
	q, k, v = n.In[0], n.Input(1), n.Input(2)
	heads := n.Attrs.Int("num_heads", 0)
	unpack := func(x *ir.Value, parts int64) []*ir.Value { // [B, S, H, parts, D] to parts of [B, S, H·D]
		split := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(3)}, {Name: "num_outputs", Value: parts}}, x).Out
		flat := make([]*ir.Value, parts)
		for i := range flat {
			flat[i] = b.Op("Reshape", split[i], b.Ints(0, 0, -1))
		}
		return flat
	}
	switch {
	case q.Type.Rank() == 5:
		parts := unpack(q, 3)
		q, k, v = parts[0], parts[1], parts[2]
	case k.Type.Rank() == 5:
		parts := unpack(k, 2)
		k, v = parts[0], parts[1]
	}
	inHeads := k.Type.Rank() == 4
	if bias := n.Input(3); bias != nil {
		q, k, v = mhaBias(b, bias, q, k, v, inHeads)
	}
	if inHeads {
		return toHeads(b, q, heads), k, v
	}
	return toHeads(b, q, heads), toHeads(b, k, heads), toHeads(b, v, heads)
}

// mhaBias adds the three parts of a bias. The last one is as long as a value.
func mhaBias(b *ir.Builder, bias, q, k, v *ir.Value, inHeads bool) (q2, k2, v2 *ir.Value) {
	size, known := dimOf(q, 2).Num()
	if !known || bias.Type.Rank() != 1 {
		bad := b.Fail("a bias %s for queries %s: want the number of features", bias.Type, q.Type)
		return bad, bad, bad
	}
	part := func(from, to int64) *ir.Value { return b.Op("Slice", bias, b.Ints(from), b.Ints(to), b.Ints(0)) }
	q = b.Add(q, part(0, size))
	if inHeads {
		return q, k, v
	}
	return q, b.Add(k, part(size, 2*size)), b.Add(v, part(2*size, 1<<62))
}

// refuseInput fails if an input that has no equal in plain operators is there.
func refuseInput(b *ir.Builder, n *ir.Node, i int, name string) {
	if n.Input(i) != nil {
		b.Fail("input %s is not supported", name)
	}
}

// refuseAttr fails if an attribute has another value than the one that stands
// for its absence.
func refuseAttr(b *ir.Builder, n *ir.Node, name string, absent int64) {
	if v := n.Attrs.Int(name, absent); v != absent {
		b.Fail("%s = %d is not supported", name, v)
	}
}
