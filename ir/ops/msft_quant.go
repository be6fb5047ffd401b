package ops

import (
	"bytes"
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// matMulNBits multiplies by a weight [N, K] of which each row is quantized in
// blocks along K.
var matMulNBits = &ir.Op{
	Name: msft("MatMulNBits"), Since: 1, Fused: true, Doc: "A Bᵀ + bias, B quantized to 2, 4 or 8 bits in blocks",
	In: ir.P("A", "B", "scales", "zero_points?", "g_idx?", "bias?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		q := blocksOf(n)
		if q.n <= 0 || q.k <= 0 || q.block <= 0 {
			return nil, fmt.Errorf("attribute N is %d, K %d and block_size %d, want positive numbers", q.n, q.k, q.block)
		}
		return inferDense(n, q.k, q.n)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		refuseAttr(b, n, "weight_prepacked", 0)
		q := blocksOf(n)
		if q.bits != 2 && q.bits != 4 && q.bits != 8 {
			b.Fail("bits = %d is not supported, want 2, 4 or 8", q.bits)
		}
		if b.Err() != nil {
			return []*ir.Value{n.In[0]}
		}
		y := b.MatMul(n.In[0], b.Transpose(q.weight(b, n), 1, 0))
		if bias := n.Input(5); bias != nil {
			y = b.Add(y, bias)
		}
		return []*ir.Value{y}
	},
}

// inferDense is Infer of a product of A with a weight that takes k features to
// n.
func inferDense(n *ir.Node, k, features int64) ([]ir.Type, error) {
	t := n.In[0].Type
	r := t.Rank()
	if r < 0 {
		return one(t)
	}
	if r == 0 || t.Shape[r-1].Differ(ir.N(k)) {
		return nil, fmt.Errorf("operand A is %s, want %d features", t, k)
	}
	return one(withDims(t, append(append([]ir.Dim{}, t.Shape[:r-1]...), ir.N(features))))
}

// blockwise is the layout of a weight in MatMulNBits: n rows of k elements of so
// many bits, the last block of a row filled up.
type blockwise struct{ n, k, block, bits int64 }

func blocksOf(n *ir.Node) blockwise {
	return blockwise{n.Attrs.Int("N", 0), n.Attrs.Int("K", 0), n.Attrs.Int("block_size", 0), n.Attrs.Int("bits", 4)}
}

func (q blockwise) perRow() int64 { return (q.k + q.block - 1) / q.block }

// weight is B unpacked, [N, K]. A constant B stays packed: its bytes are those
// of a tensor of 4-bit or 8-bit integers, or become those.
func (q blockwise) weight(b *ir.Builder, n *ir.Node) *ir.Value {
	data, zero := constTensor(n.In[1]), n.Input(3)
	zeros := constTensor(zero)
	if data == nil || zero != nil && (zeros == nil || zeros.Elem != ir.Uint8) || n.Input(4) != nil {
		return q.unpacked(b, n)
	}
	packed, err := repack(data, q.bits, q.n, q.perRow()*q.block, q.k)
	if err != nil {
		return b.Fail("B: %w", err)
	}
	points := q.points(b, zeros)
	scales := q.matrix(b, n.In[2])
	return b.OpA("DequantizeLinear", ir.Attrs{{Name: "axis", Value: int64(1)}, {Name: "block_size", Value: q.block}},
		b.Constant(packed), scales, points)
}

// matrix is what there is one of for each block, [N, blocks]. A constant is one
// again, over the same bytes.
func (q blockwise) matrix(b *ir.Builder, v *ir.Value) *ir.Value {
	if t := constTensor(v); t != nil && int64(t.Len()) == q.n*q.perRow() {
		return b.Constant(&ir.Tensor{Elem: t.Elem, Shape: []int{int(q.n), int(q.perRow())}, Raw: t.Raw, From: t.From})
	}
	return b.Op("Reshape", v, b.Ints(q.n, q.perRow()))
}

// points are the zero points of the blocks, [N, blocks]; without any, half of
// the range.
func (q blockwise) points(b *ir.Builder, zeros *ir.Tensor) *ir.Value {
	if zeros != nil {
		t, err := repack(zeros, q.bits, q.n, q.zeroBytes()*8/q.bits, q.perRow())
		if err != nil {
			return b.Fail("zero_points: %w", err)
		}
		return b.Constant(t)
	}
	elem, fill := ir.Uint4, byte(0x88)
	switch q.bits {
	case 2: // which repack makes four
		fill = 0x22
	case 8:
		elem, fill = ir.Uint8, 0x80
	}
	return b.Repeated(fill, elem, int(q.n), int(q.perRow()))
}

// zeroBytes is the number of bytes that the zero points of a row take.
func (q blockwise) zeroBytes() int64 { return (q.perRow()*q.bits + 7) / 8 }

// halves are packed zero points of half the range.
func halves(bits int64, shape ...int) *ir.Tensor {
	size := 1
	for _, d := range shape {
		size *= d
	}
	fill := map[int64]byte{2: 0xAA, 4: 0x88, 8: 0x80}[bits]
	return ir.Of(bytes.Repeat([]byte{fill}, size), shape...)
}

// repack returns the first keep of every per elements of t, as a matrix of rows.
// T holds its elements as bytes, low bits first. If all are kept the bytes are
// shared. Elements of two bits get four, which more runtimes know.
func repack(t *ir.Tensor, bits, rows, per, keep int64) (*ir.Tensor, error) {
	if want := rows * per * bits / 8; int64(len(t.Raw)) != want {
		return nil, fmt.Errorf("%d bytes for %s, want %d for %d rows of %d elements", len(t.Raw), t.TypeOf(), want, rows, per)
	}
	elem := ir.Uint8
	if bits < 8 {
		elem = ir.Uint4
	}
	out := &ir.Tensor{Elem: elem, Shape: []int{int(rows), int(keep)}, Raw: t.Raw, From: t.From}
	if per == keep && bits != 2 {
		return out, nil
	}
	size, err := ir.ByteSize(elem, out.Shape)
	if err != nil {
		return nil, err
	}
	out.Raw, out.From = make([]byte, size), nil
	if elem == ir.Uint8 {
		for r := range rows {
			copy(out.Raw[r*keep:(r+1)*keep], t.Raw[r*per:])
		}
		return out, nil
	}
	each := 8 / bits // elements of a byte
	for r := range rows {
		for c := range keep {
			from, to := r*per+c, r*keep+c
			code := t.Raw[from/each] >> (bits * (from % each)) & (1<<bits - 1)
			out.Raw[to/2] |= code << (4 * (to % 2))
		}
	}
	return out, nil
}

// unpacked is weight for a B that is computed, for zero points that are no
// integers, and for features that are not in the order of their blocks.
func (q blockwise) unpacked(b *ir.Builder, n *ir.Node) *ir.Value {
	like, blocks := n.In[2], q.perRow()
	elements := func(packed *ir.Value, per, keep int64) *ir.Value { // [N, keep] of like's type
		v := b.Op("Reshape", castTo(b, fields(b, packed, q.bits), like), b.Ints(q.n, per))
		if per == keep {
			return v
		}
		return b.Op("Slice", v, b.Ints(0), b.Ints(keep), b.Ints(1))
	}
	order := n.Input(4)
	if order != nil {
		order = b.Op("Slice", order, b.Ints(0), b.Ints(q.k), b.Ints(0))
	}
	each := func(perBlock *ir.Value) *ir.Value { // one for each feature, [N, K]
		perBlock = b.Op("Reshape", perBlock, b.Ints(q.n, blocks))
		if order != nil {
			return b.OpA("Gather", ir.Attrs{{Name: "axis", Value: int64(1)}}, perBlock, order)
		}
		wide := b.Op("Expand", b.Op("Unsqueeze", perBlock, b.Ints(2)), b.Ints(q.n, blocks, q.block))
		wide = b.Op("Reshape", wide, b.Ints(q.n, blocks*q.block))
		return b.Op("Slice", wide, b.Ints(0), b.Ints(q.k), b.Ints(1))
	}
	w := elements(n.In[1], blocks*q.block, q.k)
	switch zero := n.Input(3); {
	case zero == nil:
		w = b.Sub(w, b.Scalar(float64(int64(1)<<(q.bits-1)), w))
	case zero.Type.Elem == ir.Uint8:
		w = b.Sub(w, each(elements(zero, q.zeroBytes()*8/q.bits, blocks)))
	default:
		w = b.Sub(w, each(castTo(b, zero, w)))
	}
	return b.Mul(w, each(n.In[2]))
}

// fields splits bytes into numbers of so many bits, low ones first, along a new
// last axis; whole bytes stay as they are.
func fields(b *ir.Builder, packed *ir.Value, bits int64) *ir.Value {
	if bits == 8 {
		return packed
	}
	var parts []*ir.Value
	mask := b.Constant(ir.Of([]uint8{1<<bits - 1}))
	for at := int64(0); at < 8; at += bits {
		part := packed
		if at > 0 {
			part = b.OpA("BitShift", ir.Attrs{{Name: "direction", Value: "RIGHT"}}, packed, b.Constant(ir.Of([]uint8{uint8(at)})))
		}
		if at+bits < 8 {
			part = b.Op("BitwiseAnd", part, mask)
		}
		parts = append(parts, b.Op("Unsqueeze", part, b.Ints(-1)))
	}
	return b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(-1)}}, parts...)
}

// The values that 4 bits stand for in bitsandbytes: quantiles of the normal
// distribution, and a sign with a floating point number of three bits.
var (
	nf4 = []float32{
		-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
		-0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
		0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
	}
	fp4 = []float32{
		0, 0.005208333333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25,
		0, -0.005208333333, -0.66666667, -1, -0.33333333, -0.5, -0.16666667, -0.25,
	}
)

// matMulBnb4 multiplies by a weight [N, K] that is quantized in blocks of its
// rows laid end to end.
var matMulBnb4 = &ir.Op{
	Name: msft("MatMulBnb4"), Since: 1, Fused: true, Doc: "A Bᵀ, B quantized to 4 bits as bitsandbytes does",
	In: ir.P("A", "B", "absmax"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		rows, cols := n.Attrs.Int("N", 0), n.Attrs.Int("K", 0)
		if rows <= 0 || cols <= 0 || n.Attrs.Int("block_size", 0) <= 0 {
			return nil, fmt.Errorf("attributes N, K and block_size must be positive")
		}
		if n.Attrs.Int("transB", 1) == 0 {
			rows, cols = cols, rows
		}
		return inferDense(n, cols, rows)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		w := b.Node(dequantizeBnb4.Name, n.Attrs.Without("transB"), n.In[1], n.In[2]).Out[0]
		if n.Attrs.Int("transB", 1) != 0 {
			w = b.Transpose(w, 1, 0)
		}
		return []*ir.Value{b.MatMul(n.In[0], w)}
	},
}

// dequantizeBnb4 is the weight of MatMulBnb4.
var dequantizeBnb4 = &ir.Op{
	Name: ir.OpName{Domain: Domain, Name: "DequantizeBnb4"}, Since: 1, Doc: "B [N, K], quantized to 4 bits as bitsandbytes does, unpacked",
	In: ir.P("B", "absmax"), Out: ir.P("W"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		rows, cols := n.Attrs.Int("N", 0), n.Attrs.Int("K", 0)
		if rows <= 0 || cols <= 0 || n.Attrs.Int("block_size", 0) <= 0 {
			return nil, fmt.Errorf("attributes N, K and block_size must be positive")
		}
		return one(ir.TypeOf(n.In[1].Type.Elem, rows, cols))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value { return []*ir.Value{bnbWeight(b, n)} },
}

// Bnb4Codes returns the numbers that the codes of a quant_type of MatMulBnb4 stand
// for, nil if it is unknown: 0 is FP4, 1 is NF4.
func Bnb4Codes(kind int64) *[16]float32 {
	switch kind {
	case 0:
		return (*[16]float32)(fp4)
	case 1:
		return (*[16]float32)(nf4)
	}
	return nil
}

// highFirst splits bytes into two 4-bit numbers each, the high one first.
func highFirst(b *ir.Builder, packed *ir.Value) *ir.Value {
	low := b.Op("BitwiseAnd", packed, b.Constant(ir.Of([]uint8{15})))
	high := b.OpA("BitShift", ir.Attrs{{Name: "direction", Value: "RIGHT"}}, packed, b.Constant(ir.Of([]uint8{4})))
	return concat2(b, -1, b.Op("Unsqueeze", high, b.Ints(-1)), b.Op("Unsqueeze", low, b.Ints(-1)))
}

// bnbWeight is what dequantizeBnb4 computes.
func bnbWeight(b *ir.Builder, n *ir.Node) *ir.Value {
	rows, cols, block := n.Attrs.Int("N", 0), n.Attrs.Int("K", 0), n.Attrs.Int("block_size", 1)
	table := Bnb4Codes(n.Attrs.Int("quant_type", 0))
	if table == nil {
		return b.Fail("quant_type = %d, want 0 (FP4) or 1 (NF4)", n.Attrs.Int("quant_type", 0))
	}
	scales := n.In[1]
	codes := castTo(b, b.Constant(ir.Of(table[:], len(table))), scales)
	index := b.OpA("Cast", toType(ir.Int32), b.Op("Reshape", highFirst(b, n.In[0]), b.Ints(-1)))
	values := b.Op("Gather", codes, index)
	full := (rows*cols + block - 1) / block * block
	if odd := rows * cols % 2; full != rows*cols+odd { // fill up the last block
		values = b.Op("Pad", values, b.Ints(0, full-rows*cols-odd))
	}
	w := b.Mul(b.Op("Reshape", values, b.Ints(-1, block)), b.Op("Reshape", scales, b.Ints(-1, 1)))
	if full != rows*cols {
		w = b.Op("Slice", b.Op("Reshape", w, b.Ints(-1)), b.Ints(0), b.Ints(rows*cols), b.Ints(0))
	}
	return b.Op("Reshape", w, b.Ints(rows, cols))
}

// gatherBlockQuantized looks up rows of a table that is quantized in blocks.
var gatherBlockQuantized = &ir.Op{
	Name: msft("GatherBlockQuantized"), Since: 1, Fused: true, Doc: "rows of a table that is quantized in blocks",
	In: ir.P("data", "indices", "scales", "zero_points?"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, ids := n.In[0].Type, n.In[1].Type
		out := ir.Type{Elem: n.In[2].Type.Elem}
		if t.Shape == nil || ids.Shape == nil {
			return one(out)
		}
		axis, err := normAxis(n.Attrs.Int("gather_axis", 0), t.Rank())
		if err != nil {
			return nil, err
		}
		dims := append([]ir.Dim{}, t.Shape...)
		if t.Elem == ir.Uint8 { // packed along the last axis
			last := len(dims) - 1
			dims[last] = dims[last].Mul(ir.N(8)).Div(ir.N(n.Attrs.Int("bits", 4)))
		}
		out.Shape = append(append(append([]ir.Dim{}, dims[:axis]...), ids.Shape...), dims[axis+1:]...)
		return one(out)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		table, zero := quantTable(b, n)
		if b.Err() != nil {
			return []*ir.Value{n.In[2]}
		}
		gather, quantize := n.Attrs.Int("gather_axis", 0), n.Attrs.Int("quantize_axis", 1)
		block := ir.Attr{Name: "block_size", Value: n.Attrs.Int("block_size", 128)}
		pick := func(v *ir.Value) *ir.Value {
			if v == nil {
				return nil
			}
			return b.OpA("Gather", ir.Attrs{{Name: "axis", Value: gather}}, v, n.In[1])
		}
		if last := int64(n.In[0].Type.Rank()) - 1; gather == 0 && last > 0 && (quantize == last || quantize == -1) {
			// Rows first: the table is large, and few of it are wanted.
			return []*ir.Value{b.OpA("DequantizeLinear", ir.Attrs{{Name: "axis", Value: int64(-1)}, block},
				pick(table), pick(n.In[2]), pick(zero))}
		}
		return []*ir.Value{pick(b.OpA("DequantizeLinear", ir.Attrs{{Name: "axis", Value: quantize}, block}, table, n.In[2], zero))}
	},
}

// quantTable returns the table and its zero points, or nil, as tensors of
// integers. Those of a constant table stay packed.
func quantTable(b *ir.Builder, n *ir.Node) (table, zero *ir.Value) {
	table, zero = n.In[0], n.Input(3)
	scales, static := n.In[2].Type.Static()
	bits := n.Attrs.Int("bits", 4)
	switch elem := table.Type.Elem; {
	case elem == ir.Int4 || elem == ir.Uint4:
		return table, zero
	case elem != ir.Uint8:
		return b.Fail("data is %s, want 4-bit integers or bytes", table.Type), nil
	case !static || len(scales) != 2 || table.Type.Rank() != 2 || bits != 2 && bits != 4 && bits != 8:
		return b.Fail("data %s of %d bits with scales %s is not supported, want matrices and 2, 4 or 8 bits", table.Type, bits, n.In[2].Type), nil
	}
	rows, perRow := int64(scales[0]), int64(scales[1])
	bytes := (perRow*bits + 7) / 8
	if zero == nil {
		if rows > maxExtent/max(1, bytes) {
			return b.Fail("scales %s are too many", n.In[2].Type), nil
		}
		zero = b.Constant(halves(bits, int(rows), int(bytes)))
	}
	unpack := func(v *ir.Value, per, keep int64) *ir.Value {
		t := constTensor(v)
		switch {
		case bits == 8:
			return v
		case t == nil:
			v = b.Op("Reshape", fields(b, v, bits), b.Ints(rows, -1))
			return b.Op("Slice", v, b.Ints(0), b.Ints(keep), b.Ints(1))
		}
		packed, err := repack(t, bits, rows, per, keep)
		if err != nil {
			return b.Fail("%w", err)
		}
		return b.Constant(packed)
	}
	size, known := dimOf(table, 1).Num()
	if !known {
		return b.Fail("the number of columns of %s is not known", table.Type), nil
	}
	each := 8 / bits // elements of a byte
	table, zero = unpack(table, size*each, size*each), unpack(zero, bytes*each, perRow)
	if table.Type.Elem != zero.Type.Elem { // one of them is no constant
		zero = castTo(b, zero, table)
	}
	return table, zero
}
