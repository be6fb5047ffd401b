package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// sparseAttention is that of Phi-3-small: causal, with groups of queries that share
// keys and values, and blocks of keys that blocks of queries do not see. Which,
// the layouts say, each in compressed rows; heads take them in turn.
//
// The caches are buffers of one length, into which the new keys and values of each
// row are written behind those that it has.
var sparseAttention = &ir.Op{
	Name: msft("SparseAttention"), Since: 1, Fused: true, Doc: "GroupQueryAttention that leaves out blocks of keys",
	In: ir.P("query", "key?", "value?", "past_key", "past_value", "block_row_indices", "block_col_indices",
		"total_sequence_length", "key_total_sequence_lengths", "cos_cache?", "sin_cache?"),
	Out: ir.P("output", "present_key?", "present_value?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, heads, groups := n.In[0].Type, n.Attrs.Int("num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
		switch {
		case t.Rank() != 3 && t.Rank() >= 0:
			return nil, fmt.Errorf("query is %s, want rank 3", t)
		case heads <= 0 || groups <= 0 || heads%groups != 0:
			return nil, fmt.Errorf("%d heads of queries do not divide into %d groups", heads, groups)
		case (n.Input(1) == nil) != (n.Input(2) == nil):
			return nil, fmt.Errorf("key and value go together")
		}
		size := dimOf(n.In[0], 2).Div(ir.N(heads))
		if n.Input(1) == nil {
			size = dimOf(n.In[0], 2).Div(ir.N(heads + 2*groups))
		}
		y := withDims(t, []ir.Dim{dimOf(n.In[0], 0), dimOf(n.In[0], 1), size.Mul(ir.N(heads))})
		return optionalOutputs(n, y, n.In[3].Type, n.In[4].Type)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		seen, err := sparseLayouts(n)
		if err != nil {
			return []*ir.Value{b.Fail("%w", err), nil, nil}[:max(1, len(n.Out))]
		}
		q, k, v := groupHeads(b, n)
		ends := b.OpA("Cast", toType(ir.Int64), n.In[8])
		begins := b.Op("Max", b.Sub(ends, sizeAt(b, q, 2)), scalarInt(b, 0)) // [B], where the new positions begin
		at := b.Add(b.Op("Unsqueeze", begins, b.Ints(1)), upTo(b, q, 2))     // [B, S]
		if n.Attrs.Int("do_rotary", 0) != 0 {
			if n.Input(9) == nil || n.Input(10) == nil {
				return []*ir.Value{b.Fail("do_rotary needs cos_cache and sin_cache"), nil, nil}[:max(1, len(n.Out))]
			}
			r := rotation{b: b, interleaved: n.Attrs.Int("rotary_interleaved", 0) != 0}
			r.cos = b.Op("Unsqueeze", b.Op("Gather", n.In[9], at), b.Ints(1))
			r.sin = b.Op("Unsqueeze", b.Op("Gather", n.In[10], at), b.Ints(1))
			q, k = r.of(q), r.of(k)
		}
		write := func(past, fresh *ir.Value) *ir.Value { return b.Op("TensorScatter", past, fresh, begins) }
		presentK, presentV := write(n.In[3], k), write(n.In[4], v)
		total := b.Op("Reshape", b.OpA("Cast", toType(ir.Int64), n.In[7]), b.Ints(1))
		used := func(x *ir.Value) *ir.Value { return b.Op("Slice", x, b.Ints(0), total, b.Ints(2)) }
		k, v = used(presentK), used(presentV)

		a := &attending{b: b, scale: scaleOf(b, n, q)}
		keys := upTo(b, k, 2) // [T]
		a.allow(b.Op("LessOrEqual", keys, b.Op("Unsqueeze", at, b.Ints(1, 3))))
		a.allow(sparseBlocks(b, seen, n.Attrs.Int("num_heads", 0), n.Attrs.Int("sparse_block_size", 1), at, keys))
		return []*ir.Value{fromHeads(b, a.run(q, k, v)), presentK, presentV}[:max(1, len(n.Out))]
	},
}

// sparseLayouts returns which blocks of keys the blocks of queries see, [layouts,
// blocks, blocks], from compressed rows: those of layout l are the columns from
// rows[l][i] up to rows[l][i+1].
func sparseLayouts(n *ir.Node) (*ir.Tensor, error) {
	rows, cols := constTensor(n.In[5]), constTensor(n.In[6])
	if rows == nil || cols == nil || len(rows.Shape) != 2 || len(cols.Shape) != 2 || rows.Shape[0] != cols.Shape[0] || rows.Shape[1] < 1 {
		return nil, fmt.Errorf("the layouts of blocks, inputs 5 and 6, are %s and %s: want two constant matrices", n.In[5].Type, n.In[6].Type)
	}
	ends, err := rows.Int64s()
	if err != nil {
		return nil, err
	}
	places, err := cols.Int64s()
	if err != nil {
		return nil, err
	}
	layouts, blocks, width := rows.Shape[0], rows.Shape[1]-1, cols.Shape[1]
	if blocks > maxUnrolled {
		return nil, fmt.Errorf("%d blocks are too many", blocks)
	}
	seen := make([]bool, layouts*blocks*blocks)
	for l := range layouts {
		for i := range blocks {
			from, to := ends[l*(blocks+1)+i], ends[l*(blocks+1)+i+1]
			if from < 0 || to > int64(width) {
				return nil, fmt.Errorf("row %d of layout %d has the columns from %d to %d, of %d", i, l, from, to, width)
			}
			for k := from; k < to; k++ {
				j := places[int64(l*width)+k]
				if j < 0 || j >= int64(blocks) {
					return nil, fmt.Errorf("block %d of %d in row %d of layout %d", j, blocks, i, l)
				}
				seen[(l*blocks+i)*blocks+int(j)] = true
			}
		}
	}
	return ir.Of(seen, layouts, blocks, blocks), nil
}

// sparseBlocks says which keys [T] a query at a place [B, S] sees, [B, H, S, T].
func sparseBlocks(b *ir.Builder, seen *ir.Tensor, heads, block int64, queries, keys *ir.Value) *ir.Value {
	layouts := int64(seen.Shape[0])
	turn := make([]int64, heads)
	for h := range turn {
		turn[h] = int64(h) % layouts
	}
	size := scalarInt(b, max(1, block))
	all := b.OpA("Gather", axis(2), b.Constant(seen), b.Div(keys, size)) // [layouts, blocks, T]
	byHead := b.OpA("Gather", axis(0), all, b.Ints(turn...))             // [H, blocks, T]
	byQuery := b.OpA("Gather", axis(1), byHead, b.Div(queries, size))    // [H, B, S, T]
	return b.Transpose(byQuery, 1, 0, 2, 3)
}
