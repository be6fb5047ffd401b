package ops_test

import (
	"math/rand/v2"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestFusedMalformed infers and inlines fused operators with inputs of all
// shapes and attributes of all values: an error is right, a panic is not.
func TestFusedMalformed(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	inlined := 0
	for _, op := range ops.Standard().All() {
		if !op.Fused {
			continue
		}
		for range 3000 {
			m := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
			n := &ir.Node{Op: op.Name, Attrs: fusedAttrs(r)}
			for _, p := range op.In {
				if p.Optional && r.IntN(3) > 0 {
					n.In = append(n.In, nil)
					continue
				}
				n.In = append(n.In, m.Graph.Input(p.Name, fusedType(r)))
			}
			for range 1 + r.IntN(len(op.Out)) {
				n.Out = append(n.Out, &ir.Value{Name: "y"})
			}
			if inlineQuietly(t, m, n) {
				inlined++
			}
		}
	}
	if inlined < 500 {
		t.Errorf("only %d nodes were inlined", inlined)
	}
}

func inlineQuietly(t *testing.T, m *ir.Model, n *ir.Node) (ok bool) {
	t.Helper()
	in := append([]*ir.Value{}, n.In...)
	defer func() {
		if r := recover(); r != nil {
			for _, v := range in {
				if v != nil {
					t.Logf("%s %s", v, v.Type)
				}
			}
			t.Errorf("%s with %v: panic: %v", n.Op, n.Attrs, r)
		}
	}()
	m.Graph.Append(n)
	return m.Reinfer(n) == nil && ir.Inline(m, n) == nil
}

func fusedType(r *rand.Rand) ir.Type {
	elem := []ir.DType{ir.Float, ir.Float, ir.Float, ir.Int32, ir.Int64, ir.Uint8, ir.Bool, ir.Undefined}[r.IntN(8)]
	rank := r.IntN(7) - 1
	if rank < 0 {
		return ir.Type{Elem: elem}
	}
	dims := make([]ir.Dim, rank)
	for i := range dims {
		dims[i] = []ir.Dim{ir.Unknown, ir.Sym("B"), ir.N(0), ir.N(1), ir.N(2), ir.N(8), ir.N(8)}[r.IntN(7)]
	}
	return ir.Type{Elem: elem, Shape: dims}
}

// fusedAttrs gives each attribute a value that is likely right, or none, or
// any.
func fusedAttrs(r *rand.Rand) ir.Attrs {
	var attrs ir.Attrs
	for _, name := range []string{
		"num_heads", "kv_num_heads", "q_num_heads", "do_rotary", "interleaved", "rotary_embedding_dim", "unidirectional",
		"local_window_size", "sliding_window_cache", "is_causal", "left_window_size", "smooth_softmax", "transA", "transB", "N", "K", "block_size",
		"bits", "quant_type", "quantize_axis", "gather_axis", "qk_matmul_output_mode", "softmax_precision",
		"groups", "activation", "channels_last", "k", "swiglu_fusion", "expert_weight_bits", "max_distance", "mrope_layout", "axis",
	} {
		switch r.IntN(4) {
		case 0, 1:
			attrs = append(attrs, ir.Attr{Name: name, Value: []int64{1, 2, 4, 8}[r.IntN(4)]})
		case 2:
			attrs = append(attrs, ir.Attr{Name: name, Value: r.Int64N(40) - 20})
		}
	}
	if r.IntN(2) == 0 {
		attrs = append(attrs, ir.Attr{Name: "activation_type", Value: []string{"swiglu", "silu", "gelu", "none"}[r.IntN(4)]})
	}
	if r.IntN(2) == 0 {
		attrs = append(attrs, ir.Attr{Name: "mrope_section", Value: []int64{int64(r.IntN(4)), 1, 1}})
	}
	switch r.IntN(4) {
	case 0:
		attrs = append(attrs, ir.Attr{Name: "scale", Value: float32(0.5)})
	case 1:
		attrs = append(attrs, ir.Attr{Name: "qkv_hidden_sizes", Value: make([]int64, r.IntN(5))})
	}
	return attrs
}
