package ops

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// rotaryEmbedding turns pairs of features by an angle that grows with the
// position.
var rotaryEmbedding = &ir.Op{
	Name: ir.OpName{Name: "RotaryEmbedding"}, Since: 23, Fused: true,
	Doc: "x · cos + rotate(x) · sin, for each head",
	In:  ir.P("X", "cos_cache", "sin_cache", "position_ids?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if r := n.In[0].Type.Rank(); r == 3 && n.Attrs.Int("num_heads", 0) <= 0 {
			return nil, fmt.Errorf("input X is %s, which needs the attribute num_heads", n.In[0].Type)
		}
		return inferRotary(n)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x, cos, sin := n.In[0], n.In[1], n.In[2]
		if ids := n.Input(3); ids != nil {
			cos, sin = b.Op("Gather", cos, ids), b.Op("Gather", sin, ids)
		}
		return []*ir.Value{rotateHeads(b, n, x, cos, sin, b.Ints(0, 0, n.Attrs.Int("num_heads", 0), -1))}
	},
}

func inferRotary(n *ir.Node) ([]ir.Type, error) {
	if r := n.In[0].Type.Rank(); r != 3 && r != 4 && r >= 0 {
		return nil, fmt.Errorf("input is %s, want rank 3 or 4", n.In[0].Type)
	}
	return same(n)
}

// rotateHeads turns x, which is [B, H, S, D] or [B, S, H·D], by cosines and
// sines [B, S, R/2]. Heads is the shape [B, S, H, D] that the latter takes.
func rotateHeads(b *ir.Builder, n *ir.Node, x, cos, sin, heads *ir.Value) *ir.Value {
	r := rotation{b: b, interleaved: n.Attrs.Int("interleaved", 0) != 0, dim: n.Attrs.Int("rotary_embedding_dim", 0)}
	switch x.Type.Rank() {
	case -1:
		return b.Fail("the rank of %s is not known", x)
	case 4:
		r.cos, r.sin = b.Op("Unsqueeze", cos, b.Ints(-3)), b.Op("Unsqueeze", sin, b.Ints(-3))
		return r.of(x)
	}
	r.cos, r.sin = b.Op("Unsqueeze", cos, b.Ints(-2)), b.Op("Unsqueeze", sin, b.Ints(-2))
	return b.Op("Reshape", r.of(b.Op("Reshape", x, heads)), b.Ints(0, 0, -1))
}

// A rotation turns the first dim features of each head, all if dim is 0. Cos and
// sin hold an angle for each pair, along the last axis. The pairs are neighbours
// if interleaved, else a feature of the first half and one of the second.
type rotation struct {
	b           *ir.Builder
	cos, sin    *ir.Value
	interleaved bool
	dim         int64
}

func (r *rotation) of(x *ir.Value) *ir.Value {
	b := r.b
	if size := x.Type.Shape; r.dim <= 0 || len(size) > 0 && size[len(size)-1].Is(r.dim) {
		return r.all(x)
	}
	first := b.Op("Slice", x, b.Ints(0), b.Ints(r.dim), b.Ints(-1))
	rest := b.Op("Slice", x, b.Ints(r.dim), b.Ints(math.MaxInt64), b.Ints(-1))
	return concat2(b, -1, r.all(first), rest)
}

// all is x · cos + rotate(x) · sin, rotate(a, b) being (-b, a).
func (r *rotation) all(x *ir.Value) *ir.Value {
	b, shape := r.b, (*ir.Value)(nil)
	cos, sin := r.cos, r.sin
	if r.interleaved {
		shape = like(b, x)
		pairs := concat2(b, 0, b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(-1)}}, x), b.Ints(-1, 2))
		x = b.Op("Reshape", x, pairs)
		cos, sin = b.Op("Unsqueeze", cos, b.Ints(-1)), b.Op("Unsqueeze", sin, b.Ints(-1))
	} else {
		cos, sin = concat2(b, -1, cos, cos), concat2(b, -1, sin, sin)
	}
	halves := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "num_outputs", Value: int64(2)}}, x)
	turned := role(concat2(b, -1, b.Neg(halves.Out[1]), halves.Out[0]), "rotary")
	y := role(b.Add(role(b.Mul(x, cos), "rotary"), role(b.Mul(turned, sin), "rotary")), "rotary")
	if r.interleaved {
		y = b.Op("Reshape", y, shape)
	}
	return y
}
