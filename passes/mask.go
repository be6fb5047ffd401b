package passes

import (
	"math"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// PaddingMask returns the input that says which positions of an output
// [batch, sequence, feature] are padding: it has the output's batch and sequence,
// and is 0 or false there. In a model that takes past keys and values it is longer
// by those, and its end is the output's. It is called attention_mask, or
// decoder_attention_mask where a decoder has inputs of its own. Nil if there is
// none.
func PaddingMask(g *ir.Graph, output *ir.Value) *ir.Value {
	name := "attention_mask"
	if hasInput(g, "decoder_") {
		name = "decoder_attention_mask"
	}
	i := slices.IndexFunc(g.Inputs, func(v *ir.Value) bool { return v.Name == name })
	if i < 0 || output.Type.Rank() != 3 {
		return nil
	}
	mask, out := g.Inputs[i], output.Type.Shape
	t := mask.Type
	switch {
	case !t.Elem.IsInt() && t.Elem != ir.Bool: // added to scores, perhaps: 0 where there is a token
		return nil
	case t.Rank() != 2 || t.Shape[0].Differ(out[0]):
		return nil
	case t.Shape[1].Same(out[1]):
		return mask
	}
	if now := newTokens(g, mask); now != nil && now.Type.Shape[1].Same(out[1]) {
		return mask
	}
	return nil
}

func hasInput(g *ir.Graph, part string) bool {
	return slices.ContainsFunc(g.Inputs, func(v *ir.Value) bool { return strings.Contains(v.Name, part) })
}

// newTokens returns an input of [batch, sequence] or [batch, sequence, feature] that
// holds the tokens, if those that a mask is for begin with past ones; else nil.
func newTokens(g *ir.Graph, mask *ir.Value) *ir.Value {
	if !hasInput(g, "past") {
		return nil
	}
	for _, v := range g.Inputs {
		t := v.Type
		if !isSideInput(v.Name) && (t.Rank() == 2 || t.Rank() == 3) && !t.Shape[1].Same(mask.Type.Shape[1]) {
			return v
		}
	}
	return nil
}

// fromLast returns, for every batch row, the position that is -p-1 before that of
// the last token: int64[B, 1], from the named mask [B, S], which is 0 at padding.
// Where the row is shorter it is 0.
func fromLast(b *ir.Builder, g *ir.Graph, name string, p int64) *ir.Value {
	mask := ofTokens(b, g, name)
	to := func(t ir.DType, v *ir.Value) *ir.Value {
		return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(t)}}, v)
	}
	n := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(1)}, {Name: "end", Value: int64(2)}}, mask)
	one := b.Constant(ir.Of([]int64{1}))
	count := b.Op("Range", one, b.Add(b.Op("Squeeze", n, b.Ints(0)), one), one) // 1 … S
	seen := b.Mul(to(ir.Int64, to(ir.Bool, mask)), count)
	last := b.OpA("ReduceMax", ir.Attrs{{Name: "keepdims", Value: int64(1)}}, seen, b.Ints(1))
	return b.Op("Max", b.Add(last, b.Constant(ir.Of([]int64{p}))), b.Constant(ir.Of([]int64{0})))
}

// ofTokens returns the part of the named mask that is of the output's positions.
func ofTokens(b *ir.Builder, g *ir.Graph, name string) *ir.Value {
	mask := g.Find(name)
	if now := newTokens(g, mask); now != nil {
		length := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(1)}, {Name: "end", Value: int64(2)}}, now)
		mask = b.Op("Slice", mask, b.Neg(length), b.Ints(math.MaxInt64), b.Ints(1))
	}
	return mask
}
