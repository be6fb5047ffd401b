package ops

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// Microsoft is the domain of ONNX Runtime's own operators, into which its
// optimizer and model builders fuse those of ai.onnx.
const Microsoft = "com.microsoft"

func msft(name string) ir.OpName { return ir.OpName{Domain: Microsoft, Name: name} }

func msftOps() []*ir.Op {
	return slices.Concat([]*ir.Op{
		msGelu, biasGelu, fastGelu, quickGelu, fusedMatMul, // here
		fusedGemm, fusedConv, // msft_fused.go
		simplifiedNorm, skipNorm, skipRMSNorm, embedNorm, // msft_norm.go
		msAttention, multiHeadAttention, // msft_attention.go
		groupQueryAttention, msRotaryEmbedding, // msft_gqa.go
		matMulNBits, matMulBnb4, gatherBlockQuantized, // msft_quant.go
		sparseAttention, decoderMultiHead, // msft_sparse.go, msft_decoder.go
		mixtureOfExperts, quantizedMoE, // msft_moe.go
		quantEmbedNorm, matMulNBitsMlp, matMulNBitsQkv, // msft_quantfused.go
	},
		msftQuantOps(), msftChannelOps(), msftGatedOps(), msftPackedOps(), msftPositionOps(), msftLinearOps(), msftAliasOps())
}

// inferGelu is Infer of an activation of its input and a bias.
func inferGelu(n *ir.Node) ([]ir.Type, error) {
	if _, err := broadcastType(n.In...); err != nil {
		return nil, err
	}
	return same(n)
}

// geluBody is Body of an activation of its input and a bias.
func geluBody(approximate string) func(b *ir.Builder, n *ir.Node) []*ir.Value {
	return func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := n.In[0]
		if bias := n.Input(1); bias != nil {
			x = b.Add(x, bias)
		}
		return []*ir.Value{b.OpA("Gelu", ir.Attrs{{Name: "approximate", Value: approximate}}, x)}
	}
}

var (
	msGelu = &ir.Op{
		Name: msft("Gelu"), Since: 1, Fused: true, Doc: "Gelu",
		In: ir.P("X"), Out: ir.P("Y"), Infer: inferGelu, Body: geluBody("none"),
	}
	biasGelu = &ir.Op{
		Name: msft("BiasGelu"), Since: 1, Fused: true, Doc: "Gelu of A + B",
		In: ir.P("A", "B"), Out: ir.P("C"), Infer: inferGelu, Body: geluBody("none"),
	}
	fastGelu = &ir.Op{
		Name: msft("FastGelu"), Since: 1, Fused: true, Doc: "Gelu of X + bias, by tanh",
		In: ir.P("X", "bias?"), Out: ir.P("Y"), Infer: inferGelu, Body: geluBody("tanh"),
	}
	quickGelu = &ir.Op{
		Name: msft("QuickGelu"), Since: 1, Fused: true, Doc: "x · sigmoid(alpha · x)",
		In: ir.P("X"), Out: ir.P("Y"), Infer: same,
		Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
			alpha := n.Attrs.Float("alpha", 1.702)
			return []*ir.Value{b.OpA("Swish", ir.Attrs{{Name: "alpha", Value: alpha}}, n.In[0])}
		},
	}
)

var fusedMatMul = &ir.Op{
	Name: msft("FusedMatMul"), Since: 1, Fused: true, Doc: "alpha · A B, A and B transposed if transA, transB; their batch axes, too",
	In: ir.P("A", "B"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x, err := fusedSide(n, 0, "A")
		if err != nil {
			return nil, err
		}
		w, err := fusedSide(n, 1, "B")
		if err != nil {
			return nil, err
		}
		t, err := matMulType(&ir.Value{Name: n.In[0].Name, Type: x}, &ir.Value{Name: n.In[1].Name, Type: w})
		return []ir.Type{t}, err
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		side := func(i int, of string) *ir.Value {
			if perm := fusedPerm(n, i, of); perm != nil {
				return b.OpA("Transpose", ir.Attrs{{Name: "perm", Value: perm}}, n.In[i])
			}
			return n.In[i]
		}
		return []*ir.Value{b.Scale(b.MatMul(side(0, "A"), side(1, "B")), attr(n, "alpha", 1))}
	},
}

// fusedSide returns the type of an operand of FusedMatMul, after transposition.
func fusedSide(n *ir.Node, i int, of string) (ir.Type, error) {
	t := n.In[i].Type
	perm := fusedPerm(n, i, of)
	if perm == nil {
		return t, nil
	}
	dims := make([]ir.Dim, len(perm))
	for to, from := range perm {
		dims[to] = t.Shape[from]
	}
	return withDims(t, dims), nil
}

// fusedPerm returns how an operand of FusedMatMul is transposed, nil if it is
// not: transBatch moves the first axis before the last, [m, batch…, k], and
// trans swaps the last two after that. A vector is not transposed.
func fusedPerm(n *ir.Node, i int, of string) []int64 {
	r := n.In[i].Type.Rank()
	batch := r > 2 && n.Attrs.Int("transBatch"+of, 0) != 0
	swap := r > 1 && n.Attrs.Int("trans"+of, 0) != 0
	if !batch && !swap {
		return nil
	}
	perm := make([]int64, r)
	for k := range perm {
		perm[k] = int64(k)
	}
	if batch {
		copy(perm, perm[1:r-1])
		perm[r-2] = 0
	}
	if swap {
		perm[r-1], perm[r-2] = perm[r-2], perm[r-1]
	}
	return perm
}
