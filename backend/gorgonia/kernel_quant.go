package gorgonia

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// dequantize is DequantizeLinear to float32: (x - zero)·scale, with one scale,
// one for each index of an axis, or one for each block along it.
func dequantize(c *call) ([]*Value, error) {
	x, scale := c.in[0], c.in[1]
	g, err := gridOf(c.n, x.shape, scale.shape)
	if err != nil {
		return nil, err
	}
	s := c.floats(scale)
	zero := make([]float32, len(s))
	if len(c.in) > 2 && c.in[2] != nil {
		if c.in[2].len() != len(s) {
			return nil, fmt.Errorf("zero points of shape %v for scales of shape %v", c.in[2].shape, scale.shape)
		}
		if err := c.widen(zero, c.in[2]); err != nil {
			return nil, err
		}
	}
	out := c.new(ir.Float, x.shape...)
	dst := flat[float32](out)
	if err := c.widen(dst, x); err != nil {
		return nil, err
	}
	c.engine.Run(g.outer*g.parts, func(part int) {
		first := (part/g.parts*g.axis + part%g.parts*g.block) * g.inner
		rows := min(g.block, g.axis-part%g.parts*g.block)
		d := dst[first : first+rows*g.inner]
		if g.vector { // inner scales for each row
			for ; len(d) > 0; d = d[g.inner:] {
				scaleEach(d[:g.inner], zero[part*g.inner:], s[part*g.inner:])
			}
			return
		}
		k := part % len(s)
		scaleAll(d, zero[k], s[k])
	})
	return one(out)
}

// dequantizes reports whether dequantize knows the types of a node.
func dequantizes(n *ir.Node) bool {
	switch n.In[0].Type.Elem {
	case ir.Int8, ir.Uint8, ir.Int16, ir.Uint16, ir.Int4, ir.Uint4:
		return n.In[1].Type.Elem == ir.Float && n.Out[0] != nil && n.Out[0].Type.Elem == ir.Float
	}
	return false
}

func scaleEach(d, zero, scale []float32) {
	zero, scale = zero[:len(d)], scale[:len(d)]
	for i := range d {
		d[i] = (d[i] - zero[i]) * scale[i]
	}
}

func scaleAll(d []float32, zero, scale float32) {
	for i := range d {
		d[i] = (d[i] - zero) * scale
	}
}

// grid is a tensor as outer times axis rows of inner elements, the axis cut into
// parts of block rows. A part has one scale, or one for each column.
type grid struct {
	outer, axis, inner int
	parts, block       int
	vector             bool
}

// gridOf returns the grid of a DequantizeLinear for the shapes of its operands.
func gridOf(n *ir.Node, x, scale []int) (grid, error) {
	if count(scale) == 1 {
		g := grid{outer: 1, axis: count(x), inner: 1, block: chunk}
		g.parts = (g.axis + g.block - 1) / g.block
		return g, nil
	}
	a := axisOf(n.Attrs.Int("axis", 1), len(x))
	if a < 0 || a >= len(x) {
		return grid{}, fmt.Errorf("axis %d of shape %v", a, x)
	}
	g := grid{outer: count(x[:a]), axis: x[a], inner: count(x[a+1:]), block: 1}
	want := []int{g.axis}
	if b := int(n.Attrs.Int("block_size", 0)); b > 0 {
		g.block = b
		want = slices.Clone(x)
		want[a] = (g.axis + b - 1) / b
		g.vector = g.inner > 1
	}
	if !slices.Equal(scale, want) {
		return grid{}, fmt.Errorf("scales of shape %v for axis %d of shape %v", scale, a, x)
	}
	g.parts = (g.axis + g.block - 1) / g.block
	return g, nil
}

// widen writes the elements of a value of small integers to dst.
func (c *call) widen(dst []float32, v *Value) error {
	switch v.elem {
	case ir.Int8:
		widened(c, dst, flat[int8](c.dense(v)))
	case ir.Uint8:
		widened(c, dst, flat[uint8](c.dense(v)))
	case ir.Int16:
		widened(c, dst, flat[int16](c.dense(v)))
	case ir.Uint16:
		widened(c, dst, flat[uint16](c.dense(v)))
	case ir.Int4:
		c.unpack(dst, v.buf.bytes, func(bits uint8) float32 { return float32(int8(bits<<4) >> 4) })
	case ir.Uint4:
		c.unpack(dst, v.buf.bytes, func(bits uint8) float32 { return float32(bits & 15) })
	default:
		return fmt.Errorf("dequantization of type %s", v.elem)
	}
	return nil
}

func widened[T number](c *call, dst []float32, src []T) {
	c.inChunks(len(dst), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			dst[i] = float32(src[i])
		}
	})
}

// unpack writes elements of four bits, the low ones first.
func (c *call) unpack(dst []float32, src []byte, value func(bits uint8) float32) {
	var pairs [256][2]float32
	for b := range pairs {
		pairs[b] = [2]float32{value(uint8(b)), value(uint8(b >> 4))}
	}
	c.inChunks(len(dst)/2, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			p := &pairs[src[i]]
			dst[2*i], dst[2*i+1] = p[0], p[1]
		}
	})
	if n := len(dst); n%2 != 0 {
		dst[n-1] = pairs[src[n/2]][0]
	}
}
