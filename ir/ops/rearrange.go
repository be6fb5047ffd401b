package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

var depthToSpace = &ir.Op{
	Name: ir.OpName{Name: "DepthToSpace"}, Since: 11, Doc: "channels rearranged into blocks of space",
	In: ir.P("input"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if m := n.Attrs.String("mode", "DCR"); m != "DCR" && m != "CRD" {
			return nil, fmt.Errorf("unknown mode %q", m)
		}
		return blocks(n, func(s []ir.Dim, b ir.Dim) []ir.Dim {
			return []ir.Dim{s[0], s[1].Div(b.Mul(b)), s[2].Mul(b), s[3].Mul(b)}
		})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			x, size := n.In[0], n.Attrs.Int("blocksize", 1)
			y := b.OpA("SpaceToDepth", ir.Attrs{{Name: "blocksize", Value: size}}, dy[0])
			if n.Attrs.String("mode", "DCR") == "DCR" {
				return withShape(b, y, x.Type.Shape)
			}
			// In x's channels the place in the block runs faster than the depth,
			// and SpaceToDepth made it run slower.
			target := joinInts(b, []*ir.Value{b.Ints(0, size*size), dimAt(b, dy[0], 1), b.Ints(-1)})
			y = b.Transpose(b.Op("Reshape", y, target), 0, 2, 1, 3)
			return reshapeLike(b, y, x)
		})
	},
}

var spaceToDepth = &ir.Op{
	Name: ir.OpName{Name: "SpaceToDepth"}, Since: 1, Doc: "blocks of space rearranged into channels",
	In: ir.P("input"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if m := n.Attrs.String("mode", "DCR"); m != "DCR" && m != "CRD" {
			return nil, fmt.Errorf("unknown mode %q", m)
		}
		return blocks(n, func(s []ir.Dim, b ir.Dim) []ir.Dim {
			return []ir.Dim{s[0], s[1].Mul(b.Mul(b)), s[2].Div(b), s[3].Div(b)}
		})
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			return withShape(b, b.OpA("DepthToSpace", n.Attrs, dy[0]), n.In[0].Type.Shape)
		})
	},
}

// blocks is Infer of operators on blocks of the last two of four dimensions.
func blocks(n *ir.Node, shape func(s []ir.Dim, b ir.Dim) []ir.Dim) ([]ir.Type, error) {
	t, size := n.In[0].Type, n.Attrs.Int("blocksize", 0)
	if size < 1 || size > maxExtent {
		return nil, fmt.Errorf("blocksize %d", size)
	}
	if t.Shape == nil {
		return one(ir.Type{Elem: t.Elem, Shape: unknownDims(4)})
	}
	if len(t.Shape) != 4 {
		return nil, fmt.Errorf("%s, want four dimensions", t)
	}
	return one(ir.Type{Elem: t.Elem, Shape: shape(t.Shape, ir.N(size))})
}

var trilu = &ir.Op{
	Name: ir.OpName{Name: "Trilu"}, Since: 14, Doc: "matrices with zeros below diagonal k, or above it if upper = 0",
	In: ir.P("input", "k?"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if r := n.In[0].Type.Rank(); r == 0 || r == 1 {
			return nil, fmt.Errorf("%s, want two dimensions or more", n.In[0].Type)
		}
		return same(n)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value { return b.OpA("Trilu", n.Attrs, dy[0], n.Input(1)) })
	},
}

var reverseSequence = &ir.Op{
	Name: ir.OpName{Name: "ReverseSequence"}, Since: 10, Doc: "the first elements of each sequence in reverse",
	In: ir.P("input", "sequence_lens"), Out: ir.P("Y"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		batch, time := n.Attrs.Int("batch_axis", 1), n.Attrs.Int("time_axis", 0)
		if batch < 0 || time < 0 || batch > 1 || time > 1 || batch == time {
			return nil, fmt.Errorf("batch_axis %d and time_axis %d, want 0 and 1", batch, time)
		}
		if r := n.In[0].Type.Rank(); r == 0 || r == 1 {
			return nil, fmt.Errorf("%s, want two dimensions or more", n.In[0].Type)
		}
		return same(n)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		// Reversing is its own inverse.
		return lazily(want, func() *ir.Value { return b.OpA("ReverseSequence", n.Attrs, dy[0], n.In[1]) })
	},
}
