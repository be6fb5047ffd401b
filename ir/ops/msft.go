package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// Microsoft is the domain of ONNX Runtime's own operators, into which its
// optimizer and model builders fuse those of ai.onnx.
const Microsoft = "com.microsoft"

func msft(name string) ir.OpName { return ir.OpName{Domain: Microsoft, Name: name} }

func msftOps() []*ir.Op {
	return append([]*ir.Op{
		msGelu, biasGelu, fastGelu, quickGelu, fusedMatMul, // here
		fusedGemm, fusedConv, // msft_fused.go
		simplifiedNorm, skipNorm, skipRMSNorm, embedNorm, // msft_norm.go
		msAttention, multiHeadAttention, // msft_attention.go
		groupQueryAttention, msRotaryEmbedding, // msft_gqa.go
		matMulNBits, matMulBnb4, gatherBlockQuantized, // msft_quant.go
	}, msftQuantOps()...)
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
	Name: msft("FusedMatMul"), Since: 1, Fused: true, Doc: "alpha · A B, A and B transposed if transA, transB",
	In: ir.P("A", "B"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x, err := fusedSide(n, 0, "transA")
		if err != nil {
			return nil, err
		}
		w, err := fusedSide(n, 1, "transB")
		if err != nil {
			return nil, err
		}
		t, err := matMulType(&ir.Value{Name: n.In[0].Name, Type: x}, &ir.Value{Name: n.In[1].Name, Type: w})
		return []ir.Type{t}, err
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		side := func(i int, trans string) *ir.Value {
			if n.Attrs.Int(trans, 0) != 0 && n.In[i].Type.Rank() > 1 {
				return b.SwapLast(n.In[i])
			}
			return n.In[i]
		}
		return []*ir.Value{b.Scale(b.MatMul(side(0, "transA"), side(1, "transB")), attr(n, "alpha", 1))}
	},
}

// fusedSide returns the type of an operand of FusedMatMul, after transposition.
// A vector is not transposed.
func fusedSide(n *ir.Node, i int, trans string) (ir.Type, error) {
	t := n.In[i].Type
	if n.Attrs.Int("transBatchA", 0) != 0 || n.Attrs.Int("transBatchB", 0) != 0 {
		return t, fmt.Errorf("transBatchA and transBatchB are not supported")
	}
	r := t.Rank()
	if n.Attrs.Int(trans, 0) == 0 || r < 2 {
		return t, nil
	}
	dims := append([]ir.Dim{}, t.Shape...)
	dims[r-1], dims[r-2] = dims[r-2], dims[r-1]
	return withDims(t, dims), nil
}
