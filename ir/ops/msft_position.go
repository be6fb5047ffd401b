package ops

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// msftPositionOps say where tokens are: biases of scores by distance, and the
// rotation of models whose tokens have a place in time and in a picture.
func msftPositionOps() []*ir.Op {
	return []*ir.Op{relativePositionBias, gatedPositionBias, multimodalRotary}
}

// relativePositionBias gives each distance between a query and a key a bucket, as
// T5 does: one for each small distance, and wider ones up to max_distance. The
// bytes of its table are those of the transposed one, [heads, buckets].
var relativePositionBias = &ir.Op{
	Name: msft("RelativePositionBias"), Since: 1, Fused: true, Doc: "the biases of T5's attention, by the distance of query and key",
	In: ir.P("bias_table", "query_length", "key_length"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		dims := []ir.Dim{ir.N(1), dimOf(n.In[0], 1), ir.Unknown, ir.Unknown}
		for i, v := range n.In[1:] {
			if ks := knownElems(v); len(ks) == 1 {
				dims[2+i] = ks[0]
			}
		}
		return one(withDims(n.In[0].Type, dims))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		buckets, ok := dimOf(n.In[0], 0).Num()
		heads, ok2 := dimOf(n.In[0], 1).Num()
		both := n.Attrs.Int("is_bidirectional", 0) != 0
		reach := buckets
		if both {
			reach /= 2
		}
		exact, far := reach/2, n.Attrs.Int("max_distance", 0)
		if !ok || !ok2 || exact < 1 || far <= exact {
			return []*ir.Value{b.Fail("bias_table is %s and max_distance %d: want a known shape, and a distance beyond the exact ones", n.In[0].Type, far)}
		}
		count := func(v *ir.Value) *ir.Value {
			return b.Op("Range", scalarInt(b, 0), b.OpA("Cast", toType(ir.Int64), scalar(b, v)), scalarInt(b, 1))
		}
		ahead := b.Sub(count(n.In[2]), b.Op("Unsqueeze", count(n.In[1]), b.Ints(1))) // [queries, keys]
		zero := scalarInt(b, 0)
		distance := b.Op("Neg", b.Op("Min", ahead, zero))
		if both {
			distance = b.Op("Abs", ahead)
		}
		like := b.Constant(ir.Of([]float32{0}))
		step := b.Op("Log", b.Div(castTo(b, b.Op("Max", distance, scalarInt(b, exact)), like), b.Scalar(float64(exact), like)))
		step = b.Scale(b.Div(step, b.Scalar(math.Log(float64(far)/float64(exact)), like)), float64(reach-exact))
		large := b.Op("Min", b.Add(b.OpA("Cast", toType(ir.Int64), step), scalarInt(b, exact)), scalarInt(b, reach-1))
		bucket := b.Op("Where", b.Op("Less", distance, scalarInt(b, exact)), distance, large)
		if both {
			later := b.OpA("Cast", toType(ir.Int64), b.Op("Greater", ahead, zero))
			bucket = b.Add(bucket, b.Mul(later, scalarInt(b, reach)))
		}
		table := b.Op("Reshape", n.In[0], b.Ints(heads, buckets))
		return []*ir.Value{b.Op("Unsqueeze", b.OpA("Gather", axis(1), table, bucket), b.Ints(0))}
	},
}

// gatedPositionBias is WavLM's: the queries say how much of the bias counts.
var gatedPositionBias = &ir.Op{
	Name: msft("GatedRelativePositionBias"), Since: 1, Fused: true, Doc: "biases of scores times a gate that the queries make",
	In:  ir.P("query_layer", "query_bias", "rel_pos", "weight", "bias", "eco_a", "token_offset?"),
	Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		heads := n.Attrs.Int("num_heads", 0)
		if heads <= 0 {
			return nil, fmt.Errorf("attribute num_heads is missing")
		}
		batch := dimOf(n.In[0], 0)
		if at := n.Input(6); at != nil {
			batch = dimOf(at, 0)
		}
		return one(withDims(n.In[0].Type, []ir.Dim{batch, ir.N(heads), dimOf(n.In[2], 2), dimOf(n.In[2], 3)}))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := n.In[0]
		if at := n.Input(6); at != nil { // packed tokens
			x = b.Node(restorePadding.Name, nil, x, at).Out[0]
		}
		q := toHeads(b, b.Add(x, n.In[1]), n.Attrs.Int("num_heads", 0))
		both := b.Add(b.MatMul(q, n.In[3]), n.In[4]) // [B, H, S, D]
		both = b.Op("Reshape", both, b.Ints(0, 0, 0, 2, -1))
		sums := b.OpA("ReduceSum", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, both, b.Ints(-1))
		gates := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "num_outputs", Value: int64(2)}},
			b.Op("Sigmoid", sums)).Out
		gate := b.Mul(gates[0], b.Sub(b.Mul(gates[1], n.In[5]), b.Scalar(1, x)))
		return []*ir.Value{b.Mul(b.Add(gate, b.Scalar(2, x)), n.In[2])}
	},
}

// multimodalRotary turns by three positions, in time, height and width, each of
// which has its features: sections one after the other, or every third one.
var multimodalRotary = &ir.Op{
	Name: msft("MRotaryEmbedding"), Since: 1, Fused: true, Doc: "RotaryEmbedding by positions in time, height and width",
	In: ir.P("input", "position_ids", "cos_cache", "sin_cache"), Out: ir.P("output"), Infer: inferRotary,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseAttr(b, n, "is_packed_batching", 0)
		if s := attr(n, "scale", 1); s != 1 && s != 0 {
			b.Fail("scale = %g is not supported", s)
		}
		x := n.In[0]
		half, known := dimOf(n.In[2], 1).Num()
		sections := n.Attrs.Ints("mrope_section")
		if !known || len(sections) != 3 || sections[0]+sections[1]+sections[2] != half {
			return []*ir.Value{b.Fail("mrope_section is %d for the angles %s, want three that add up", sections, n.In[2].Type)}
		}
		from := make([]int64, half) // where the angle of each feature is among those of the three positions
		for i := range from {
			from[i] = streamOf(int64(i), sections, n.Attrs.Int("mrope_layout", 0) == 1)*half + int64(i)
		}
		angles := func(table *ir.Value) *ir.Value { // [B, S, half]
			all := b.Transpose(b.Op("Gather", table, n.In[1]), 1, 2, 0, 3)
			return b.OpA("Gather", axis(2), b.Op("Reshape", all, b.Ints(0, 0, 3*half)), b.Ints(from...))
		}
		heads := b.Ints(0, 0, -1, 2*half)
		if h := n.Attrs.Int("num_heads", 0); h > 0 {
			heads = b.Ints(0, 0, h, -1)
		}
		return []*ir.Value{rotateHeads(b, n, x, angles(n.In[2]), angles(n.In[3]), heads)}
	},
}

// streamOf says which of the positions turns feature i.
func streamOf(i int64, sections []int64, interleaved bool) int64 {
	if interleaved {
		if at := i % 3; at > 0 && i < 3*sections[at] {
			return at
		}
		return 0
	}
	switch {
	case i < sections[0]:
		return 0
	case i < sections[0]+sections[1]:
		return 1
	}
	return 2
}
