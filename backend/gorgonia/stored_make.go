package gorgonia

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// The kernels of nodes that would unpack a weight. If what they are given does not
// fit, they do unpack it.

// storedHalf is Cast of halves to float32.
func storedHalf(c *call) ([]*Value, error) {
	x := c.in[0]
	brain := x.elem == ir.BFloat16
	return c.overMemory(x, func(rows, cols int, x *Value) cpu.Stored {
		return &cpu.Half{Rows: rows, Cols: cols, Data: as[uint16](x)[:rows*cols], Brain: brain}
	})
}

// overMemory returns a stored value over the elements of x where they lie.
func (c *call) overMemory(x *Value, made func(rows, cols int, x *Value) cpu.Stored) ([]*Value, error) {
	if x.len() == 0 {
		return kernelFor(c.n)(c)
	}
	dims, ok := x.inMemory()
	if !ok {
		x = c.dense(x)
		dims = x.shape
	}
	rows, cols := asRows(dims)
	y := x.view(x.shape, x.strides, 0)
	y.stored = &stored{Stored: made(rows, cols, x)}
	return one(y)
}

// inMemory returns the axes of v in the order in which its elements lie, the one
// whose neighbours are neighbours last. It is not ok if there are gaps.
func (v *Value) inMemory() (dims []int, ok bool) {
	st := v.stride()
	order := make([]int, 0, len(v.shape))
	for i, d := range v.shape {
		if d != 1 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return st[b] - st[a] })
	next := 1
	for i := len(order) - 1; i >= 0; i-- {
		if st[order[i]] != next {
			return nil, false
		}
		next *= v.shape[order[i]]
	}
	for _, i := range order {
		dims = append(dims, v.shape[i])
	}
	return dims, true
}

// asRows returns a tensor as a matrix. Its rows are those of the last axis, or all
// that follows the first axis if those are short, as of convolutions.
func asRows(dims []int) (rows, cols int) {
	if len(dims) == 0 {
		return 1, 1
	}
	cols = dims[len(dims)-1]
	if len(dims) > 2 && cols < 16 {
		cols = count(dims[1:])
	}
	return count(dims) / cols, cols
}

// smallInts are the element types that products read.
var smallInts = map[ir.DType]cpu.Ints{ir.Int8: cpu.Int8, ir.Uint8: cpu.Uint8, ir.Int4: cpu.Int4, ir.Uint4: cpu.Uint4}

// storedQuantized is DequantizeLinear.
func storedQuantized(c *call) ([]*Value, error) {
	x, scale, zero := c.in[0], c.in[1], (*Value)(nil)
	if len(c.in) > 2 {
		zero = c.in[2]
	}
	if _, turned := x.inMemory(); scale.len() != 1 || !turned {
		x = c.dense(x)
	}
	q := c.blocksOf(x, scale.shape)
	if q == nil || zero != nil && (zero.elem != x.elem || zero.len() != scale.len() || !zero.contiguous()) {
		c.in[1] = c.unpacked(scale)
		return dequantize(c)
	}
	q.Data = x.buf.bytes[x.off:]
	parts := []*Value{x}
	if h, ok := scale.halves(); ok {
		q.HalfScale = h
	} else {
		scale = c.dense(c.unpacked(scale))
		q.Scale = flat[float32](scale)
	}
	parts = append(parts, scale)
	if zero != nil {
		q.Zero = zero.buf.bytes[zero.off:]
		parts = append(parts, zero)
	}
	return one(&Value{elem: x.elem, shape: x.shape, strides: x.strides, buf: c.together(parts), stored: &stored{Stored: q}})
}

// halves returns a stored value as the halves that it is, in order.
func (v *Value) halves() (*cpu.Half, bool) {
	if v.stored == nil || v.stored.items != nil || !v.contiguous() {
		return nil, false
	}
	h, ok := v.stored.Stored.(*cpu.Half)
	if !ok {
		return nil, false
	}
	return &cpu.Half{Rows: 1, Cols: v.len(), Data: h.Data[v.off : v.off+v.len()], Brain: h.Brain}, true
}

// blocksOf returns how scales lie over a weight, nil if that is not in blocks of
// the rows and columns of a matrix.
func (c *call) blocksOf(x *Value, scale []int) *cpu.Quantized {
	if x.len() == 0 || len(x.shape) == 0 {
		return nil
	}
	if _, err := gridOf(c.n, x.shape, scale); err != nil {
		return nil
	}
	dims := x.shape
	if count(scale) == 1 { // however the elements lie
		dims, _ = x.inMemory()
	}
	rows, cols := asRows(dims)
	q := &cpu.Quantized{Rows: rows, Cols: cols, Ints: smallInts[x.elem], BlockRows: rows, BlockCols: cols}
	if count(scale) == 1 {
		return q
	}
	axis, last := axisOf(c.n.Attrs.Int("axis", 1), len(x.shape)), len(x.shape)-1
	block := int(c.n.Attrs.Int("block_size", 0))
	across := axis == last && cols == x.shape[last]
	inner := 1 // rows of an index of the axis
	if !across {
		inner = count(x.shape[axis+1:]) / cols
		if inner*cols != count(x.shape[axis+1:]) || inner == 0 {
			return nil // within a row
		}
		q.Period = x.shape[axis] * inner
	}
	switch {
	case across && block > 0:
		q.BlockRows, q.BlockCols = 1, block
	case across:
		q.BlockCols = 1
	case block > 0 && inner > 1:
		return nil // blocks of several rows that do not lie together
	case block > 0:
		q.BlockRows, q.BlockCols = block, 1
	default:
		q.BlockRows, q.Repeat = inner, true
	}
	return q
}

// coded is the operator that unpacks codes of four bits.
const coded = "lxt.DequantizeBnb4"

// storedCoded is lxt.DequantizeBnb4.
func storedCoded(c *call) ([]*Value, error) {
	x, scale := c.dense(c.in[0]), c.in[1]
	a := c.n.Attrs
	rows, cols := int(a.Int("N", 0)), int(a.Int("K", 0))
	table := ops.Bnb4Codes(a.Int("quant_type", 0))
	if table == nil || count([]int{rows, cols}) == 0 {
		return nil, fmt.Errorf("codes of type %d for %d×%d numbers", a.Int("quant_type", 0), rows, cols)
	}
	m := &cpu.Coded{Rows: rows, Cols: cols, Table: table, Data: x.buf.bytes[x.off:], Block: int(a.Int("block_size", 0))}
	if h, ok := scale.halves(); ok {
		m.HalfScale = h
	} else {
		scale = c.dense(c.unpacked(scale))
		m.Scale = flat[float32](scale)
	}
	return one(&Value{elem: x.elem, shape: []int{rows, cols}, buf: c.together([]*Value{x, scale}), stored: &stored{Stored: m}})
}

// unpackCoded is lxt.DequantizeBnb4 for readers that are no products.
func unpackCoded(c *call) ([]*Value, error) {
	outs, err := storedCoded(c)
	if err != nil {
		return nil, err
	}
	return one(c.unpacked(outs[0]))
}

// dequantizesCodes reports whether storedCoded knows the types of a node.
func dequantizesCodes(n *ir.Node) bool {
	return len(n.In) == 2 && n.In[0].Type.Elem == ir.Uint8 && n.In[1].Type.Elem == ir.Float && n.Out[0] != nil
}

// storedNumber is Expand of a number.
func storedNumber(c *call) ([]*Value, error) {
	outs, err := expand(c)
	if err != nil {
		return nil, err
	}
	y := outs[0]
	if y.len() == 0 || len(y.shape) == 0 {
		return outs, nil
	}
	rows, cols := asRows(y.shape)
	v := y.view(y.shape, nil, 0)
	v.stored = &stored{Stored: &cpu.Filled{Rows: rows, Cols: cols, Value: as[float32](c.in[0])[0]}}
	return one(v)
}

// together returns memory that lives as long as a value made of several.
func (c *call) together(parts []*Value) *buffer {
	var held []*buffer
	for _, v := range parts {
		if !v.buf.borrowed && !slices.Contains(held, v.buf) {
			held = append(held, v.buf)
		}
	}
	if held == nil {
		return parts[0].buf
	}
	for _, b := range held {
		b.refs++
	}
	b := &buffer{bytes: parts[0].buf.bytes, holds: held}
	c.made = append(c.made, b)
	return b
}
