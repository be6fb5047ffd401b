package ops

import (
	"github.com/lxtc/lxtc/ir"
)

// quantEmbedNorm is EmbedLayerNormalization with tables that are quantized. Only
// the rows that are looked up are made floating point numbers.
var quantEmbedNorm = &ir.Op{
	Name: msft("QEmbedLayerNormalization"), Since: 1, Fused: true, Doc: "EmbedLayerNormalization of quantized tables",
	In: ir.P("input_ids", "segment_ids?", "word_embedding_quant", "position_embedding_quant", "segment_embedding?",
		"gamma_quant", "beta_quant", "mask?", "word_embedding_scale", "position_embedding_scale", "segment_embedding_scale?",
		"gamma_scale", "beta_scale", "word_embedding_zero_point", "position_embedding_zero_point", "segment_embedding_zero_point?",
		"gamma_zero_point", "beta_zero_point"),
	Out: ir.P("layernorm_out", "mask_index_out?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		table := func(i int) *ir.Value {
			if n.Input(i) == nil {
				return nil
			}
			return operand{x: i}.asFloat(n)
		}
		in := []*ir.Value{n.In[0], n.In[1], table(2), table(3), table(4), table(5), table(6), n.Input(7)}
		return embedNorm.Infer(&ir.Node{Op: embedNorm.Name, Attrs: n.Attrs, In: in, Out: n.Out[:min(2, len(n.Out))]})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		rows := func(table int, ids *ir.Value) *ir.Value {
			q := b.Op("Gather", n.In[table], ids)
			return b.Op("DequantizeLinear", q, scalar(b, n.In[table+6]), scalar(b, n.In[table+11]))
		}
		sum := rows(2, n.In[0])
		if y := n.Out[0]; y != nil { // what relevance is asked of, mostly
			b.Named(y.Name+".words", sum)
		}
		sum = b.Add(sum, rows(3, upTo(b, n.In[0], 1)))
		if n.Input(4) != nil {
			sum = b.Add(sum, rows(4, n.In[1]))
		}
		whole := func(i int) *ir.Value { return operand{x: i, scale: i + 6, zero: i + 11}.float(b, n) }
		outs := []*ir.Value{b.OpA("LayerNormalization", skipAttrs(n), sum, whole(5), whole(6))}
		if len(n.Out) > 1 {
			outs = append(outs, maskIndex(b, n))
		}
		return outs
	},
}

// matMulNBitsMlp and matMulNBitsQkv are layers of a decoder that ONNX Runtime
// fuses in browsers: a normalization, of a sum if there is a residual, and the
// projections that read it.
var (
	matMulNBitsMlp = &ir.Op{
		Name: msft("MatMulNBitsMlp"), Since: 1, Fused: true, Doc: "two MatMulNBits of one input, the activation of one times the other",
		In:  ir.P("A", "skip?", "norm_scale?", "gate_B", "gate_scales", "gate_bias?", "up_B", "up_scales", "up_bias?"),
		Out: ir.P("Y", "input_skip_bias_sum?"),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			types, err := inferDense(n, n.Attrs.Int("K", 0), n.Attrs.Int("N", 0))
			if err != nil {
				return nil, err
			}
			return optionalOutputs(n, types[0], n.In[0].Type)
		},
		Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
			x, sum := normedSum(b, n)
			gate, up := projected(b, n, x, 3, "N"), projected(b, n, x, 6, "N")
			switch act := n.Attrs.String("activation", ""); act {
			case "silu", "swish":
				gate = b.Op("Swish", gate)
			case "gelu":
				gate = b.Op("Gelu", gate)
			case "relu":
				gate = b.Op("Relu", gate)
			default:
				gate = b.Fail("activation %q is not supported", act)
			}
			return []*ir.Value{b.Mul(gate, up), sum}[:max(1, len(n.Out))]
		},
	}
	matMulNBitsQkv = &ir.Op{
		Name: msft("MatMulNBitsQkv"), Since: 1, Fused: true, Doc: "the MatMulNBits of queries, keys and values of a normalized input",
		In:  ir.P("A", "skip?", "norm_scale", "q_B", "q_scales", "q_bias?", "k_B", "k_scales", "k_bias?", "v_B", "v_scales", "v_bias?"),
		Out: ir.P("Q", "K", "V", "input_skip_bias_sum?"),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			q, err := inferDense(n, n.Attrs.Int("K", 0), n.Attrs.Int("Nq", 0))
			if err != nil {
				return nil, err
			}
			kv, err := inferDense(n, n.Attrs.Int("K", 0), n.Attrs.Int("Nkv", 0))
			return []ir.Type{q[0], kv[0], kv[0], n.In[0].Type}[:max(3, min(4, len(n.Out)))], err
		},
		Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
			x, sum := normedSum(b, n)
			q, k, v := projected(b, n, x, 3, "Nq"), projected(b, n, x, 6, "Nkv"), projected(b, n, x, 9, "Nkv")
			return []*ir.Value{q, k, v, sum}[:max(1, len(n.Out))]
		},
	}
)

// normedSum is the normalized sum of A and a residual, and that sum: A itself if
// there is no residual, and not normalized if there is no scale for it.
func normedSum(b *ir.Builder, n *ir.Node) (x, sum *ir.Value) {
	sum = n.In[0]
	if skip := n.Input(1); skip != nil {
		sum = b.Add(sum, skip)
	}
	if scale := n.Input(2); scale != nil {
		return b.OpA("RMSNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "epsilon", Value: n.Attrs.Float("epsilon", 1e-5)}}, sum, scale), sum
	}
	return sum, sum
}

// projected is the MatMulNBits whose weights, scales and bias are the inputs from
// number i on.
func projected(b *ir.Builder, n *ir.Node, x *ir.Value, i int, features string) *ir.Value {
	attrs := ir.Attrs{
		{Name: "N", Value: n.Attrs.Int(features, 0)},
		{Name: "K", Value: n.Attrs.Int("K", 0)},
		{Name: "bits", Value: n.Attrs.Int("bits", 4)},
		{Name: "block_size", Value: n.Attrs.Int("block_size", 0)},
	}
	return b.Node(matMulNBits.Name, attrs, x, n.In[i], n.In[i+1], nil, nil, n.Input(i+2)).Out[0]
}
