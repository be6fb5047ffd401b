package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// simplifiedNorm is RMSNormalization under the name that ONNX Runtime gives it.
// The importer renames the one in domain ai.onnx.
var simplifiedNorm = &ir.Op{
	Name: msft("SimplifiedLayerNormalization"), Since: 1, Fused: true, Doc: "RMSNormalization",
	In: ir.P("X", "scale"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		types, err := inferTrailing(n)
		if err != nil {
			return nil, err
		}
		return types[:1], nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		return []*ir.Value{b.OpA("RMSNormalization", ir.Attrs{
			{Name: "axis", Value: n.Attrs.Int("axis", -1)},
			{Name: "epsilon", Value: n.Attrs.Float("epsilon", 1e-5)},
			{Name: "stash_type", Value: n.Attrs.Int("stash_type", 1)},
		}, n.In[0], n.In[1])}
	},
}

// The normalizations of a sum: x + skip + bias is normalized over the last axis,
// and is an output too, the residual that the next layer goes on with.
var (
	skipNorm = &ir.Op{
		Name: msft("SkipLayerNormalization"), Since: 1, Fused: true, Doc: "LayerNormalization of input + skip + bias",
		In: ir.P("input", "skip", "gamma", "beta?", "bias?"), Out: ir.P("output", "mean?", "inv_std_var?", "input_skip_bias_sum?"),
		Infer: inferSkipNorm,
		Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
			sum := skipSum(b, n, n.Input(4))
			return skipOutputs(b, n, b.OpA("LayerNormalization", skipAttrs(n), sum, n.In[2], n.Input(3)), sum)
		},
	}
	skipRMSNorm = &ir.Op{
		Name: msft("SkipSimplifiedLayerNormalization"), Since: 1, Fused: true, Doc: "RMSNormalization of input + skip + bias",
		In: ir.P("input", "skip", "gamma", "bias?"), Out: ir.P("output", "mean?", "inv_std_var?", "input_skip_bias_sum?"),
		Infer: inferSkipNorm,
		Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
			sum := skipSum(b, n, n.Input(3))
			return skipOutputs(b, n, b.OpA("RMSNormalization", skipAttrs(n), sum, n.In[2]), sum)
		},
	}
)

func inferSkipNorm(n *ir.Node) ([]ir.Type, error) {
	if _, err := broadcastType(n.In...); err != nil {
		return nil, err
	}
	t := n.In[0].Type
	stats := ir.Type{Elem: ir.Float}
	if r := t.Rank(); r > 0 {
		stats.Shape = append(append([]ir.Dim{}, t.Shape[:r-1]...), ir.N(1))
	}
	return optionalOutputs(n, t, stats, stats, t)
}

func skipSum(b *ir.Builder, n *ir.Node, bias *ir.Value) *ir.Value {
	x := n.In[0]
	if bias != nil { // that of the dense layer before, which it belongs to
		x = b.Add(x, bias)
	}
	return b.Add(x, n.In[1])
}

// skipAttrs are those of a normalization over the last axis.
func skipAttrs(n *ir.Node) ir.Attrs {
	return ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "epsilon", Value: n.Attrs.Float("epsilon", 1e-12)}}
}

// skipOutputs are the normalized value and the sum. The statistics between them
// are for training.
func skipOutputs(b *ir.Builder, n *ir.Node, y, sum *ir.Value) []*ir.Value {
	if len(n.Out) > 1 && n.Out[1] != nil || len(n.Out) > 2 && n.Out[2] != nil {
		b.Fail("its statistics, outputs 1 and 2, are not supported")
	}
	return []*ir.Value{y, nil, nil, sum}[:max(1, len(n.Out))]
}

var embedNorm = &ir.Op{
	Name: msft("EmbedLayerNormalization"), Since: 1, Fused: true,
	Doc: "LayerNormalization of the embeddings of words, positions and segments",
	In: ir.P("input_ids", "segment_ids?", "word_embedding", "position_embedding", "segment_embedding?", "gamma", "beta",
		"mask?", "position_ids?"),
	Out: ir.P("output", "mask_index?", "embedding_sum?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		ids, table := n.In[0].Type, n.In[2].Type
		if ids.Rank() < 0 || table.Rank() < 0 {
			t := ir.Type{Elem: table.Elem}
			return optionalOutputs(n, t, ir.Type{Elem: ir.Int32}, t)
		}
		if ids.Rank() != 2 || table.Rank() != 2 {
			return nil, fmt.Errorf("input_ids is %s and word_embedding %s, want two matrices", ids, table)
		}
		if (n.Input(1) == nil) != (n.Input(4) == nil) {
			return nil, fmt.Errorf("segment_ids and segment_embedding go together")
		}
		t := withDims(table, []ir.Dim{ids.Shape[0], ids.Shape[1], table.Shape[1]})
		return optionalOutputs(n, t, ir.Type{Elem: ir.Int32, Shape: []ir.Dim{ids.Shape[0]}}, t)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		words := b.Op("Gather", n.In[2], n.In[0])
		if y := n.Out[0]; y != nil { // what relevance is asked of, mostly
			b.Named(y.Name+".words", words)
		}
		positions := n.Input(8)
		if positions == nil {
			positions = upTo(b, n.In[0], 1)
		}
		sum := b.Add(words, b.Op("Gather", n.In[3], positions))
		if n.Input(4) != nil {
			sum = b.Add(sum, b.Op("Gather", n.In[4], n.In[1]))
		}
		y := b.OpA("LayerNormalization", skipAttrs(n), sum, n.In[5], n.In[6])
		outs := []*ir.Value{y, nil, sum}[:max(1, len(n.Out))]
		if len(n.Out) > 1 && n.Out[1] != nil {
			outs[1] = maskIndex(b, n)
		}
		return outs
	},
}

// maskIndex counts the words of each row that are not padding; 0 without a mask.
func maskIndex(b *ir.Builder, n *ir.Node) *ir.Value {
	mask := n.Input(7)
	if mask == nil {
		return b.OpA("ConstantOfShape", ir.Attrs{{Name: "value", Value: ir.Of([]int32{0}, 1)}}, lengthAt(b, n.In[0], 0))
	}
	words := b.OpA("Cast", toType(ir.Int32), b.Op("Equal", mask, b.Constant(ir.Of([]int32{1}))))
	return b.OpA("ReduceSum", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, words, b.Ints(1))
}
