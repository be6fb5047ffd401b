package ops

import "github.com/lxtc/lxtc/ir"

// decoderMultiHead is MultiHeadAttention of one token, in a decoder that ONNX
// Runtime calls for one token after the other. Its caches are buffers of one
// length, of which past_sequence_length positions are in use; or they are the keys
// and values of cross attention. That several beams share them is refused.
var decoderMultiHead = &ir.Op{
	Name: msft("DecoderMaskedMultiHeadAttention"), Since: 1, Fused: true, Doc: "MultiHeadAttention of the next token",
	In: ir.P("query", "key?", "value?", "mask_index?", "attention_bias?", "past_key?", "past_value?",
		"past_sequence_length?", "beam_width?", "cache_indirection?", "bias?"),
	Out: ir.P("output", "present_key?", "present_value?", "qk?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if n.Input(1) == nil || n.Input(2) == nil {
			t := ir.Type{Elem: n.In[0].Type.Elem}
			return optionalOutputs(n, t, t, t, t)
		}
		types, err := multiHeadAttention.Infer(decoderCall(n))
		if err == nil && n.Input(5) != nil && n.Input(6) != nil {
			for i := range min(2, len(types)-1) {
				types[1+i] = n.In[5+i].Type
			}
		}
		return types, err
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseInput(b, n, 9, "cache_indirection")
		outs := func(vs ...*ir.Value) []*ir.Value { return append(vs, nil, nil, nil)[:max(1, len(n.Out))] }
		if len(n.Out) > 3 && n.Out[3] != nil {
			return outs(b.Fail("output qk is not supported"))
		}
		call := decoderCall(n)
		if n.Input(1) == nil || n.Input(2) == nil || !mhaRanks(call) {
			return outs(b.Fail("queries, keys and values in one tensor, or of unknown ranks, are not supported"))
		}
		if n.Input(5) == nil || n.Input(6) == nil { // cross attention
			return multiHeadAttention.Body(b, call)
		}
		if n.Input(7) == nil {
			return outs(b.Fail("input past_sequence_length is missing"))
		}
		q, k, v := mhaHeads(b, call)
		before := scalar(b, asInt64(b, n.In[7]))
		k, presentK := writtenBehind(b, n.In[5], k, before)
		v, presentV := writtenBehind(b, n.In[6], v, before)
		a := &attending{b: b, scale: scaleOf(b, n, q)}
		a.msMask(n, n.Input(3), n.Input(4), nil, q, k)
		return outs(fromHeads(b, a.run(q, k, v)), presentK, presentV)
	},
}

// decoderCall is the call of MultiHeadAttention that n is without its caches.
func decoderCall(n *ir.Node) *ir.Node {
	return &ir.Node{
		Op: multiHeadAttention.Name, Attrs: n.Attrs, Out: n.Out,
		In: []*ir.Value{n.In[0], n.Input(1), n.Input(2), n.Input(10), n.Input(3), n.Input(4)},
	}
}
