package ops

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// attentionOps are the fused operators of ai.onnx.
func attentionOps() []*ir.Op { return []*ir.Op{attention, rotaryEmbedding} }

// attention is ONNX's own, with the windows of version 25.
var attention = &ir.Op{
	Name: ir.OpName{Name: "Attention"}, Since: 23, Fused: true,
	Doc: "softmax(scale · Q Kᵀ + mask) V, in heads",
	In:  ir.P("Q", "K", "V", "attn_mask?", "past_key?", "past_value?", "nonpad_kv_seqlen?"),
	Out: ir.P("Y", "present_key?", "present_value?", "qk_matmul_output?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if (n.Input(4) == nil) != (n.Input(5) == nil) {
			return nil, fmt.Errorf("past_key and past_value go together")
		}
		if n.Input(4) != nil && n.Input(6) != nil {
			return nil, fmt.Errorf("nonpad_kv_seqlen and past_key exclude each other")
		}
		elem, err := mergeElem(n.In[0], n.In[1], n.Input(4))
		if err != nil {
			return nil, err
		}
		var dims [3][]ir.Dim // [batch, heads, length, size] of Q, K and V
		for i := range dims {
			if dims[i], err = headDims(n, i); err != nil {
				return nil, err
			}
		}
		q, k, v := dims[0], dims[1], dims[2]
		total := k[2]
		if past := n.Input(4); past != nil {
			total = pastLength(past).Add(total)
		}
		y := []ir.Dim{q[0], q[1], q[2], v[3]}
		switch n.In[0].Type.Rank() {
		case -1:
			y = nil
		case 3:
			y = []ir.Dim{q[0], q[2], q[1].Mul(v[3])}
		}
		value := n.In[2].Type.Elem
		return optionalOutputs(n,
			ir.Type{Elem: elem, Shape: y},
			ir.Type{Elem: elem, Shape: []ir.Dim{k[0], k[1], total, k[3]}},
			ir.Type{Elem: value, Shape: []ir.Dim{v[0], v[1], total, v[3]}},
			ir.Type{Elem: elem, Shape: []ir.Dim{q[0], q[1], q[2], total}},
		)
	},
	Body: attentionBody,
}

// headDims returns the shape of Q, K or V as [batch, heads, length, size].
func headDims(n *ir.Node, i int) ([]ir.Dim, error) {
	t, name := n.In[i].Type, "QKV"[i:i+1]
	attr := "kv_num_heads"
	if i == 0 {
		attr = "q_num_heads"
	}
	switch t.Rank() {
	case -1:
		return unknownDims(4), nil
	case 4:
		return t.Shape, nil
	case 3:
		heads := n.Attrs.Int(attr, 0)
		if heads <= 0 {
			return nil, fmt.Errorf("%s is %s, which needs the attribute %s", name, t, attr)
		}
		if size, known := t.Shape[2].Num(); known && size%heads != 0 {
			return nil, fmt.Errorf("%s is %s, which does not divide into %d heads", name, t, heads)
		}
		return []ir.Dim{t.Shape[0], ir.N(heads), t.Shape[1], t.Shape[2].Div(ir.N(heads))}, nil
	}
	return nil, fmt.Errorf("%s is %s, want rank 3 or 4", name, t)
}

// pastLength is the number of positions in a cache [batch, heads, length, size].
func pastLength(past *ir.Value) ir.Dim {
	return dimOf(past, 2)
}

func attentionBody(b *ir.Builder, n *ir.Node) []*ir.Value {
	q, k, v := n.In[0], n.In[1], n.In[2]
	rank := q.Type.Rank()
	if rank < 3 || k.Type.Rank() != rank || v.Type.Rank() != rank {
		return []*ir.Value{b.Fail("Q, K and V are %s, %s and %s, want one rank, 3 or 4", q.Type, k.Type, v.Type), q, k, v}
	}
	flat := rank == 3
	if flat {
		q = toHeads(b, q, n.Attrs.Int("q_num_heads", 0))
		k = toHeads(b, k, n.Attrs.Int("kv_num_heads", 0))
		v = toHeads(b, v, n.Attrs.Int("kv_num_heads", 0))
	}
	if past := n.Input(4); past != nil {
		k, v = concat2(b, 2, past, k), concat2(b, 2, n.In[5], v)
	}
	a := &attending{
		b: b, scale: scaleOf(b, n, q), softcap: attr(n, "softcap", 0),
		precision: ir.DType(n.Attrs.Int("softmax_precision", 0)),
	}
	attentionMask(b, n, a, q, k)
	y := a.run(q, k, v)
	if flat {
		y = fromHeads(b, y)
	}
	outs := []*ir.Value{y, k, v}
	if len(n.Out) > 3 {
		outs = append(outs, a.exposed(n.Attrs.Int("qk_matmul_output_mode", 0)))
	}
	return outs[:max(1, len(n.Out))]
}

// attentionMask says which keys a query sees, and what is added to its scores:
// by the mask, the order of positions, a window and the number of valid keys.
// Query i stands at position i + offset, offset being the number of keys before
// the queries.
func attentionMask(b *ir.Builder, n *ir.Node, a *attending, q, k *ir.Value) {
	valid := n.Input(6)
	left, right := n.Attrs.Int("left_window_size", -1), n.Attrs.Int("right_window_size", -1)
	if n.Attrs.Int("is_causal", 0) != 0 {
		right = 0
	}
	keys := upTo(b, k, 2) // [T]
	if left >= 0 || right >= 0 {
		queries := b.Op("Unsqueeze", upTo(b, q, 2), b.Ints(1)) // [S, 1]
		switch past := n.Input(4); {
		case past != nil:
			queries = b.Add(queries, sizeAt(b, past, 2))
		case valid != nil: // [B, 1, S, 1]
			offset := b.Sub(valid, sizeAt(b, q, 2))
			queries = b.Add(queries, b.Op("Unsqueeze", offset, b.Ints(1, 2, 3)))
		}
		a.window(queries, keys, left, right)
	}
	if valid != nil {
		a.empty = true // a row may have no valid key
		a.allow(b.Op("Less", keys, b.Op("Unsqueeze", valid, b.Ints(1, 2, 3))))
	}
	if mask := n.Input(3); mask != nil {
		a.empty = true
		mask = padMask(b, mask, k)
		switch {
		case mask.Type.Elem == ir.Bool:
			a.allow(mask)
		case mask.Type.Elem.IsFloat():
			// A mask of -∞ becomes finite: -∞ everywhere would be NaN in softmax.
			a.add(b.Op("Max", castTo(b, mask, q), b.Scalar(lowest(q.Type.Elem), q)))
		default:
			b.Fail("attn_mask is %s, want bool or floating point", mask.Type)
		}
	}
}

// padMask pads a mask that has fewer columns than there are keys, k being
// [batch, heads, keys, size]: those that it lacks are not seen.
func padMask(b *ir.Builder, mask, k *ir.Value) *ir.Value {
	r := mask.Type.Rank()
	if r < 1 {
		return b.Fail("attn_mask is %s, want a known rank", mask.Type)
	}
	if dimOf(mask, r-1).Same(dimOf(k, 2)) {
		return mask
	}
	missing := b.Sub(lengthAt(b, k, 2), lengthAt(b, mask, int64(r-1)))
	ends := concat2(b, 0, b.Constant(ir.Of(make([]int64, 2*r-1), 2*r-1)), missing)
	if mask.Type.Elem == ir.Bool { // Pad of booleans is not in every runtime
		bytes := b.OpA("Cast", toType(ir.Int32), mask)
		return b.OpA("Cast", toType(ir.Bool), b.Op("Pad", bytes, ends, b.Constant(ir.Of([]int32{0}))))
	}
	return b.Op("Pad", mask, ends, b.Scalar(lowest(mask.Type.Elem), mask))
}

// scaleOf is the attribute scale, or 1/√size for queries [batch, heads, length,
// size].
func scaleOf(b *ir.Builder, n *ir.Node, q *ir.Value) float64 {
	if s := attr(n, "scale", 0); s != 0 {
		return s
	}
	if size, known := dimOf(q, 3).Num(); known && size > 0 {
		return 1 / math.Sqrt(float64(size))
	}
	b.Fail("no scale is given, and the size of a head is not known")
	return 1
}

// lowest is the least finite number of a floating point type.
func lowest(elem ir.DType) float64 {
	switch elem {
	case ir.Float16:
		return -65504
	case ir.BFloat16:
		return -float64(ir.FromBF16(0x7f7f))
	case ir.Double:
		return -math.MaxFloat64
	}
	return -math.MaxFloat32
}

// toHeads brings [batch, length, heads·size] to [batch, heads, length, size].
func toHeads(b *ir.Builder, x *ir.Value, heads int64) *ir.Value {
	return b.Transpose(b.Op("Reshape", x, b.Ints(0, 0, heads, -1)), 0, 2, 1, 3)
}

// fromHeads undoes toHeads.
func fromHeads(b *ir.Builder, x *ir.Value) *ir.Value {
	return b.Op("Reshape", b.Transpose(x, 0, 2, 1, 3), b.Ints(0, 0, -1))
}

func concat2(b *ir.Builder, axis int64, x, y *ir.Value) *ir.Value {
	return b.OpA("Concat", ir.Attrs{{Name: "axis", Value: axis}}, x, y)
}

// lengthAt is the size of an axis as a vector of one element.
func lengthAt(b *ir.Builder, x *ir.Value, axis int64) *ir.Value {
	return b.OpA("Shape", ir.Attrs{{Name: "start", Value: axis}, {Name: "end", Value: axis + 1}}, x)
}

// sizeAt is the size of an axis as a scalar.
func sizeAt(b *ir.Builder, x *ir.Value, axis int64) *ir.Value {
	return b.Op("Squeeze", lengthAt(b, x, axis), b.Ints(0))
}

// upTo numbers the positions along an axis: 0, 1, …
func upTo(b *ir.Builder, x *ir.Value, axis int64) *ir.Value {
	return b.Op("Range", b.Constant(ir.Of([]int64{0})), sizeAt(b, x, axis), b.Constant(ir.Of([]int64{1})))
}

func toType(elem ir.DType) ir.Attrs { return ir.Attrs{{Name: "to", Value: int64(elem)}} }
