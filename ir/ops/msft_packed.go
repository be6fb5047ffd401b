package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// msftPackedOps are of BERT in ONNX Runtime's packing mode: the tokens of all
// sequences one after the other, [T, C], without the padding between them.
//
// The offsets [B, S] are the places of the tokens in the padded batch, and then
// those of the padding; the cumulated lengths [B + 1] are where sequences begin.
func msftPackedOps() []*ir.Op {
	return []*ir.Op{removePadding, restorePadding, packedAttention, packedMultiHead}
}

var removePadding = &ir.Op{
	Name: msft("RemovePadding"), Since: 1, Fused: true, Doc: "the tokens of sequences, without the padding behind them",
	In:  ir.P("input", "sequence_token_count"),
	Out: ir.P("output", "token_offset", "cumulated_seq_len", "max_seq_len"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x := n.In[0].Type
		if x.Rank() >= 0 && x.Rank() != 3 {
			return nil, fmt.Errorf("input is %s, want rank 3", x)
		}
		batch := dimOf(n.In[0], 0)
		return []ir.Type{
			{Elem: x.Elem, Shape: []ir.Dim{ir.Unknown, dimOf(n.In[0], 2)}},
			{Elem: ir.Int32, Shape: []ir.Dim{batch, dimOf(n.In[0], 1)}},
			{Elem: ir.Int32, Shape: []ir.Dim{batch.Add(ir.N(1))}},
			{Elem: ir.Int32, Shape: []ir.Dim{ir.N(1)}},
		}, nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x, counts := n.In[0], n.In[1]
		width, ok := dimOf(x, 2).Num()
		if !ok {
			return []*ir.Value{b.Fail("input is %s, want a known number of features", x.Type), nil, nil, nil}
		}
		places := b.OpA("Cast", toType(ir.Int32), upTo(b, x, 1))
		real := b.Op("Less", places, b.Op("Unsqueeze", counts, b.Ints(1))) // [B, S]
		flat := func(v *ir.Value) *ir.Value { return b.Op("Reshape", v, b.Ints(-1)) }
		tokens := flat(b.Op("NonZero", flat(real)))
		padding := flat(b.Op("NonZero", b.Op("Not", flat(real))))
		offsets := b.Op("Reshape", concat2(b, 0, tokens, padding), b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(2)}}, x))
		zero := b.Constant(ir.Of([]int32{0}, 1))
		return []*ir.Value{
			b.Op("Gather", b.Op("Reshape", x, b.Ints(-1, width)), tokens),
			b.OpA("Cast", toType(ir.Int32), offsets),
			concat2(b, 0, zero, b.Op("CumSum", counts, scalarInt(b, 0))),
			b.OpA("ReduceMax", ir.Attrs{{Name: "keepdims", Value: int64(1)}}, counts, b.Ints(0)),
		}
	},
}

var restorePadding = &ir.Op{
	Name: msft("RestorePadding"), Since: 1, Fused: true, Doc: "sequences with zeros behind their tokens",
	In: ir.P("input", "token_offset"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x, at := n.In[0].Type, n.In[1].Type
		if x.Rank() >= 0 && x.Rank() != 2 || at.Rank() >= 0 && at.Rank() != 2 {
			return nil, fmt.Errorf("input is %s and token_offset %s, want two matrices", x, at)
		}
		return one(withDims(x, []ir.Dim{dimOf(n.In[1], 0), dimOf(n.In[1], 1), dimOf(n.In[0], 1)}))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x, batch := n.In[0], like(b, n.In[1])
		width, ok := dimOf(x, 1).Num()
		if !ok {
			return []*ir.Value{b.Fail("input is %s, want a known number of features", x.Type)}
		}
		count := b.Mul(lengthAt(b, n.In[1], 0), lengthAt(b, n.In[1], 1))
		empty := zerosOf(b, x.Type.Elem, concat2(b, 0, count, b.Ints(width)))
		y := b.Op("ScatterND", empty, b.Op("Unsqueeze", packedPlaces(b, x, n.In[1]), b.Ints(1)), x)
		return []*ir.Value{b.Op("Reshape", y, concat2(b, 0, batch, b.Ints(width)))}
	},
}

// packedPlaces are the places in the padded batch of the tokens x [T, C].
func packedPlaces(b *ir.Builder, x, offsets *ir.Value) *ir.Value {
	flat := b.OpA("Cast", toType(ir.Int64), b.Op("Reshape", offsets, b.Ints(-1)))
	return b.Op("Slice", flat, b.Ints(0), lengthAt(b, x, 0), b.Ints(0))
}

// packedAttention is Attention of packed tokens.
var packedAttention = &ir.Op{
	Name: msft("PackedAttention"), Since: 1, Fused: true, Doc: "Attention of tokens that are packed",
	In:  ir.P("input", "weights", "bias", "token_offset", "cumulative_sequence_length", "attention_bias?"),
	Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		hidden := dimOf(n.In[1], 1).Div(ir.N(3))
		if sizes := n.Attrs.Ints("qkv_hidden_sizes"); len(sizes) == 3 {
			hidden = ir.N(sizes[2])
		}
		return inferPacked(n, hidden)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		qkv := b.Add(b.MatMul(n.In[0], n.In[1]), n.In[2])
		split, sizes := ir.Attrs{{Name: "axis", Value: int64(1)}}, (*ir.Value)(nil)
		if s := n.Attrs.Ints("qkv_hidden_sizes"); len(s) == 3 {
			sizes = b.Ints(s...)
		} else {
			split = split.With("num_outputs", int64(3))
		}
		parts := b.Node(ir.OpName{Name: "Split"}, split, qkv, sizes).Out
		return []*ir.Value{packed(b, n, parts[0], parts[1], parts[2], n.In[3], n.In[4], n.Input(5))}
	},
}

// packedMultiHead is MultiHeadAttention of packed tokens.
var packedMultiHead = &ir.Op{
	Name: msft("PackedMultiHeadAttention"), Since: 1, Fused: true, Doc: "MultiHeadAttention of tokens that are packed",
	In:  ir.P("query", "key?", "value?", "bias?", "token_offset", "cumulative_sequence_length", "attention_bias?"),
	Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x := n.In[0].Type
		switch v := n.Input(2); {
		case v != nil:
			return inferPacked(n, dimOf(v, 1))
		case x.Rank() == 4:
			return one(withDims(x, []ir.Dim{x.Shape[0], x.Shape[1].Mul(x.Shape[3])}))
		case x.Rank() >= 0:
			return nil, fmt.Errorf("query is %s without keys, want rank 4", x)
		}
		return one(ir.Type{Elem: x.Elem})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		q, k, v := n.In[0], n.Input(1), n.Input(2)
		if k == nil || v == nil { // [T, H, 3, D]
			size, known := dimOf(q, 3).Num()
			if !known {
				return []*ir.Value{b.Fail("query is %s, want heads of a known size", q.Type)}
			}
			q = b.Op("Reshape", q, b.Ints(0, n.Attrs.Int("num_heads", 0), 3, size))
			parts := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(2)}, {Name: "num_outputs", Value: int64(3)}}, q).Out
			flat := func(x *ir.Value) *ir.Value { return b.OpA("Flatten", axis(1), x) }
			q, k, v = flat(parts[0]), flat(parts[1]), flat(parts[2])
		}
		if bias := n.Input(3); bias != nil {
			size, known := dimOf(q, 1).Num()
			if !known {
				return []*ir.Value{b.Fail("query is %s, want a known number of features", q.Type)}
			}
			part := func(from, to int64) *ir.Value { return b.Op("Slice", bias, b.Ints(from), b.Ints(to), b.Ints(0)) }
			q, k, v = b.Add(q, part(0, size)), b.Add(k, part(size, 2*size)), b.Add(v, part(2*size, 1<<62))
		}
		return []*ir.Value{packed(b, n, q, k, v, n.In[4], n.In[5], n.Input(6))}
	},
}

func inferPacked(n *ir.Node, width ir.Dim) ([]ir.Type, error) {
	if n.Attrs.Int("num_heads", 0) <= 0 {
		return nil, fmt.Errorf("attribute num_heads is missing")
	}
	x := n.In[0].Type
	if x.Rank() >= 0 && x.Rank() != 2 {
		return nil, fmt.Errorf("input is %s, want rank 2", x)
	}
	return one(withDims(x, []ir.Dim{dimOf(n.In[0], 0), width}))
}

// packed is the attention of each sequence's tokens to each other. The sequences
// are padded for it, and no query sees the padding.
func packed(b *ir.Builder, n *ir.Node, q, k, v, offsets, begins, bias *ir.Value) *ir.Value {
	heads := n.Attrs.Int("num_heads", 0)
	pad := func(x *ir.Value) *ir.Value {
		return toHeads(b, b.Node(restorePadding.Name, nil, x, offsets).Out[0], heads)
	}
	width, known := dimOf(v, 1).Num()
	if !known {
		return b.Fail("values are %s, want a known number of features", v.Type)
	}
	q4, k4, v4 := pad(q), pad(k), pad(v)
	counts := b.Sub(b.Op("Slice", begins, b.Ints(1), b.Ints(1<<62), b.Ints(0)), b.Op("Slice", begins, b.Ints(0), b.Ints(-1), b.Ints(0)))
	keys := b.OpA("Cast", toType(ir.Int32), upTo(b, k4, 2))
	a := &attending{b: b, scale: scaleOf(b, n, q4), bias: bias}
	a.allow(b.Op("Less", keys, b.Op("Unsqueeze", counts, b.Ints(1, 2, 3))))
	y := fromHeads(b, a.run(q4, k4, v4))
	return b.Op("Gather", b.Op("Reshape", y, b.Ints(-1, width)), packedPlaces(b, q, offsets))
}
