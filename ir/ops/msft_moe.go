package ops

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// mixtureOfExperts and its quantized form give each token to the k experts that
// the router prefers, and add up what they return, weighted by its softmax. An
// expert is two dense layers with an activation between them.
//
// The body gives each expert the rows of its tokens, as exporters write it out.
// The weights of the experts are parts of one tensor, over the same bytes.
var (
	mixtureOfExperts = moe{
		name: "MoE", doc: "the weighted sum of the experts that a router prefers",
		in: ir.P("input", "router_probs", "fc1_experts_weights", "fc1_experts_bias?", "fc2_experts_weights", "fc2_experts_bias?",
			"fc3_experts_weights?", "fc3_experts_bias?"),
		fc: [3]dense{{w: 2, bias: 3}, {w: 4, bias: 5}, {w: 6, bias: 7}},
	}.op()
	quantizedMoE = moe{
		name: "QMoE", doc: "MoE with experts that are quantized to 2, 4 or 8 bits",
		in: ir.P("input", "router_probs", "fc1_experts_weights", "fc1_scales?", "fc1_experts_bias?",
			"fc2_experts_weights", "fc2_scales?", "fc2_experts_bias?", "fc3_experts_weights?", "fc3_scales?", "fc3_experts_bias?",
			"fc1_zero_points?", "fc2_zero_points?", "fc3_zero_points?", "router_weights?", "fc1_global_scale?", "fc2_global_scale?",
			"fc1_act_scale?", "fc2_act_scale?", "fc1_act_block_scale?", "fc2_act_block_scale?"),
		fc:    [3]dense{{w: 2, scale: 3, bias: 4, zero: 11}, {w: 5, scale: 6, bias: 7, zero: 12}, {w: 8, scale: 9, bias: 10, zero: 13}},
		mixes: 14, refused: []int{15, 16, 17, 18, 19, 20},
	}.op()
)

// A dense layer of the experts: the places of its inputs; scale is 0 if the weights
// are not quantized.
type dense struct{ w, scale, bias, zero int }

type moe struct {
	name, doc string
	in        []ir.Param
	fc        [3]dense // up, down and, where it is not a part of the first, the linear half
	mixes     int      // what experts are weighted by, if not by what they are chosen by; 0 for none
	refused   []int
}

func (m moe) op() *ir.Op {
	return &ir.Op{
		Name: msft(m.name), Since: 1, Fused: true, Doc: m.doc, In: m.in, Out: ir.P("output"),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if k := n.Attrs.Int("k", 1); k < 1 {
				return nil, fmt.Errorf("k = %d, want one expert or more", k)
			}
			return same(n)
		},
		Body: m.body,
	}
}

func (m moe) body(b *ir.Builder, n *ir.Node) []*ir.Value {
	refuseAttr(b, n, "use_sparse_mixer", 0)
	refuseAttr(b, n, "swiglu_limit_after_activation", 0)
	for _, i := range m.refused {
		refuseInput(b, n, i, m.in[i].Name)
	}
	if kind := n.Attrs.String("quant_type", "int"); kind != "int" {
		b.Fail("quant_type %q is not supported, want int", kind)
	}
	experts, ok := dimOf(n.In[m.fc[0].w], 0).Num()
	hidden, ok2 := lastDim(n.In[0]).Num()
	switch {
	case !ok || !ok2:
		b.Fail("input is %s and weights %s: the numbers of experts and features must be known", n.In[0].Type, n.In[m.fc[0].w].Type)
	case experts > maxUnrolled/40:
		b.Fail("%d experts are too many to write out", experts)
	}
	if b.Err() != nil {
		return []*ir.Value{n.In[0]}
	}
	x := b.Op("Reshape", n.In[0], b.Ints(-1, hidden))
	chosen, shares := m.route(b, n)
	y := zerosLike(b, x)
	for e := range experts {
		mine := b.Op("Equal", chosen, scalarInt(b, e)) // [T, k]
		weight := b.OpA("ReduceSum", ir.Attrs{{Name: "keepdims", Value: int64(1)}}, maskBy(b, mine, shares), b.Ints(1))
		taken := b.OpA("ReduceMax", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, b.OpA("Cast", toType(ir.Int32), mine), b.Ints(1))
		rows := b.Op("Reshape", b.Op("NonZero", taken), b.Ints(-1))
		out := m.expert(b, n, e, b.Op("Gather", x, rows))
		out = b.Mul(out, b.Op("Gather", weight, rows))
		y = b.OpA("ScatterND", combining("add"), y, b.Op("Unsqueeze", rows, b.Ints(1)), out)
	}
	return []*ir.Value{reshapeLike(b, y, n.In[0])}
}

// lastDim returns the last dimension of v, unknown if there is none.
func lastDim(v *ir.Value) ir.Dim {
	if s := v.Type.Shape; len(s) > 0 {
		return s[len(s)-1]
	}
	return ir.Unknown
}

// route returns the numbers of the experts of each token, and their shares, both
// [T, k]. The softmax over those chosen alone is that over all, normalized.
func (m moe) route(b *ir.Builder, n *ir.Node) (chosen, shares *ir.Value) {
	k := n.Attrs.Int("k", 1)
	softmax := func(v *ir.Value) *ir.Value { return b.OpA("Softmax", ir.Attrs{{Name: "axis", Value: int64(-1)}}, v) }
	normalized := n.Attrs.Int("normalize_routing_weights", 0) != 0
	scores := n.In[1]
	if mixes := n.Input(m.mixes); mixes != nil && m.mixes > 0 {
		chosen = b.Node(ir.OpName{Name: "TopK"}, ir.Attrs{{Name: "axis", Value: int64(-1)}}, scores, b.Ints(k)).Out[1]
		shares = b.OpA("GatherElements", ir.Attrs{{Name: "axis", Value: int64(-1)}}, mixes, chosen)
		if normalized {
			shares = b.Div(shares, b.Sum(shares, -1))
		}
		return chosen, shares
	}
	if !normalized {
		scores = softmax(scores)
	}
	top := b.Node(ir.OpName{Name: "TopK"}, ir.Attrs{{Name: "axis", Value: int64(-1)}}, scores, b.Ints(k)).Out
	if normalized {
		return top[1], softmax(top[0])
	}
	return top[1], top[0]
}

// expert is what expert e returns for x, [rows, hidden].
func (m moe) expert(b *ir.Builder, n *ir.Node, e int64, x *ir.Value) *ir.Value {
	h := m.layer(b, n, 0, e, x)
	var linear *ir.Value
	if n.Input(m.fc[2].w) != nil {
		linear = m.layer(b, n, 2, e, x)
	}
	u := glu{attr(n, "activation_alpha", 1), attr(n, "activation_beta", 0), attr(n, "swiglu_limit", 0)}
	switch act := n.Attrs.String("activation_type", "relu"); act {
	case "swiglu":
		if linear == nil {
			h, linear = m.halves(b, n, h)
		}
		return m.layer(b, n, 1, e, u.of(b, h, linear))
	case "relu":
		h = b.Op("Relu", h)
	case "silu":
		h = b.Op("Swish", h)
	case "gelu": // as its kernels compute it
		h = b.OpA("Gelu", ir.Attrs{{Name: "approximate", Value: "tanh"}}, h)
	case "identity":
	default:
		return b.Fail("activation_type %q is not supported", act)
	}
	if linear != nil {
		h = b.Mul(h, linear)
	}
	return m.layer(b, n, 1, e, h)
}

// halves are the gate and the linear half of what one layer returns: neighbours,
// or one after the other.
func (m moe) halves(b *ir.Builder, n *ir.Node, h *ir.Value) (gate, linear *ir.Value) {
	switch fusion := n.Attrs.Int("swiglu_fusion", 0); fusion {
	case 1:
		every := func(from int64) *ir.Value {
			return b.Op("Slice", h, b.Ints(from), b.Ints(math.MaxInt64), b.Ints(-1), b.Ints(2))
		}
		return every(0), every(1)
	case 2:
		parts := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "num_outputs", Value: int64(2)}}, h).Out
		return parts[0], parts[1]
	default:
		bad := b.Fail("swiglu_fusion = %d without fc3 is not supported, want 1 or 2", fusion)
		return bad, bad
	}
}

// layer is x Wᵀ + bias with the weights [N, K] of layer i of expert e.
func (m moe) layer(b *ir.Builder, n *ir.Node, i int, e int64, x *ir.Value) *ir.Value {
	fc := m.fc[i]
	if fc.scale > 0 {
		return m.quantized(b, n, i, e, x)
	}
	y := b.MatMul(x, b.Transpose(expertPart(b, n.In[fc.w], e), 1, 0))
	if bias := n.Input(fc.bias); bias != nil {
		y = b.Add(y, expertPart(b, bias, e))
	}
	return y
}

// quantized is layer by MatMulNBits. Without a block size a row is one block, and
// the zero points of the rows stand side by side.
func (m moe) quantized(b *ir.Builder, n *ir.Node, i int, e int64, x *ir.Value) *ir.Value {
	fc := m.fc[i]
	w := n.In[fc.w]
	bits := n.Attrs.Int([]string{"fc1_expert_weight_bits", "fc2_expert_weight_bits", "fc3_expert_weight_bits"}[i],
		n.Attrs.Int("expert_weight_bits", 4))
	features, ok := dimOf(w, 1).Num()
	packed, ok2 := dimOf(w, 2).Num()
	switch {
	case !ok || !ok2 || w.Type.Rank() != 3:
		return b.Fail("%s is %s, want a known shape of rank 3", m.in[fc.w].Name, w.Type)
	case bits != 2 && bits != 4 && bits != 8:
		return b.Fail("%d bits are not supported, want 2, 4 or 8", bits)
	case n.Input(fc.scale) == nil:
		return b.Fail("%s is missing", m.in[fc.scale].Name)
	}
	k := packed * 8 / bits
	block := n.Attrs.Int("block_size", 0)
	byRow := block <= 0
	if byRow {
		block = k
	}
	zero := n.Input(fc.zero)
	if zero != nil {
		if zero = expertPart(b, zero, e); byRow && bits < 8 {
			zero = oneToAByte(b, zero, bits, features)
		}
	}
	var bias *ir.Value
	if v := n.Input(fc.bias); v != nil {
		bias = expertPart(b, v, e)
	}
	attrs := ir.Attrs{{Name: "N", Value: features}, {Name: "K", Value: k}, {Name: "bits", Value: bits}, {Name: "block_size", Value: block}}
	scales := castTo(b, expertPart(b, n.In[fc.scale], e), x)
	return b.Node(matMulNBits.Name, attrs, x, expertPart(b, w, e), scales, zero, nil, bias).Out[0]
}

// oneToAByte spreads packed numbers, the low bits of a byte first, to bytes of
// their own, [count, 1].
func oneToAByte(b *ir.Builder, packed *ir.Value, bits, count int64) *ir.Value {
	if t := constTensor(packed); t != nil && int64(len(t.Raw))*8/bits >= count {
		out := make([]uint8, count)
		for i := range out {
			at := int64(i) * bits
			out[i] = t.Raw[at/8] >> (at % 8) & (1<<bits - 1)
		}
		return b.Constant(ir.Of(out, int(count), 1))
	}
	flat := b.Op("Reshape", fields(b, packed, bits), b.Ints(-1))
	return b.Op("Unsqueeze", b.Op("Slice", flat, b.Ints(0), b.Ints(count), b.Ints(0)), b.Ints(1))
}

// expertPart is element e of the first axis. That of a constant is one over the
// same bytes.
func expertPart(b *ir.Builder, v *ir.Value, e int64) *ir.Value {
	t := constTensor(v)
	if t == nil || len(t.Shape) == 0 || t.Elem.Bits() < 8 {
		return b.Op("Gather", v, scalarInt(b, e))
	}
	if e >= int64(t.Shape[0]) {
		return b.Fail("%s is %s, which has no part for expert %d", v, v.Type, e)
	}
	size := int64(len(t.Raw)) / int64(t.Shape[0])
	part := &ir.Tensor{Elem: t.Elem, Shape: t.Shape[1:], Raw: t.Raw[e*size : (e+1)*size]}
	if t.From != nil {
		part.From = &ir.Source{Path: t.From.Path, Offset: t.From.Offset + e*size, Length: size}
	}
	return b.Constant(part)
}
