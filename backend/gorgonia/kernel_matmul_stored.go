package gorgonia

import (
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// keepStored replaces the kernels that would unpack a weight for nobody but
// products, which read it as it is stored and unpack a panel at a time. Its value
// then has the bytes and element type of the constant, and says in stored what they
// stand for. A Transpose of it is a view, as of other values. A Cast for its scales
// passes them on.
func keepStored(steps []step) []step {
	for i, st := range steps {
		if s := keptBy(st.n); s != nil && st.nodes == 1 {
			steps[i].run = func(c *call) ([]*Value, error) {
				x := c.in[0]
				return one(&Value{elem: x.elem, shape: x.shape, buf: x.buf, stored: s})
			}
		} else if st.nodes == 1 && onlyScales(st.n) {
			steps[i].run = identity
		}
	}
	return steps
}

// keptBy returns the matrix that a node would unpack only for products, nil if it
// is another node.
func keptBy(n *ir.Node) cpu.Stored {
	op := n.Op.String()
	w := constantOf(n.Input(0))
	if op != "Cast" && op != "DequantizeLinear" || w == nil || len(w.Shape) != 2 || w.Len() == 0 {
		return nil
	}
	if n.Out[0] == nil || n.Out[0].Type.Elem != ir.Float || !onlyMultiplied(n.Out[0]) {
		return nil
	}
	if op == "DequantizeLinear" {
		return quantized(n, w)
	}
	return half(w)
}

// constantOf returns the tensor of a constant, nil if v is none, or has not the
// bytes that its shape needs.
func constantOf(v *ir.Value) *ir.Tensor {
	if v == nil || !v.IsConst() {
		return nil
	}
	size, err := ir.ByteSize(v.Data.Elem, v.Data.Shape)
	if err != nil || int64(len(v.Data.Raw)) != size {
		return nil
	}
	return v.Data
}

// half returns a tensor of halves as a matrix, nil if it has other elements.
func half(t *ir.Tensor) cpu.Stored {
	if t.Elem != ir.Float16 && t.Elem != ir.BFloat16 {
		return nil
	}
	rows, cols := 1, t.Len()
	if len(t.Shape) == 2 {
		rows, cols = t.Shape[0], t.Shape[1]
	}
	return &cpu.Half{Rows: rows, Cols: cols, Data: flat[uint16](borrow(t)), Brain: t.Elem == ir.BFloat16}
}

// smallInts are the element types that products read.
var smallInts = map[ir.DType]cpu.Ints{ir.Int8: cpu.Int8, ir.Uint8: cpu.Uint8, ir.Int4: cpu.Int4, ir.Uint4: cpu.Uint4}

// quantized returns the weight of a DequantizeLinear, nil if its parts are not
// constant or do not fit: the kernel will say why.
func quantized(n *ir.Node, w *ir.Tensor) cpu.Stored {
	kind, ok := smallInts[w.Elem]
	scale := constantOf(scaleOf(n))
	if !ok || !dequantizes(n) || scale == nil {
		return nil
	}
	if _, err := gridOf(n, w.Shape, scale.Shape); err != nil {
		return nil
	}
	q := &cpu.Quantized{Rows: w.Shape[0], Cols: w.Shape[1], Ints: kind, Data: w.Raw}
	q.BlockRows, q.BlockCols = blocksOf(n, w.Shape, scale.Shape)
	if h, ok := half(scale).(*cpu.Half); ok {
		q.HalfScale = h
	} else {
		q.Scale = flat[float32](borrow(scale))
	}
	if n.Input(2) != nil {
		zero := constantOf(n.Input(2))
		if zero == nil || zero.Elem != w.Elem || zero.Len() != scale.Len() {
			return nil
		}
		q.Zero = zero.Raw
	}
	return q
}

// scaleOf returns the scales of a DequantizeLinear; what they are cast from, if
// they are halves.
func scaleOf(n *ir.Node) *ir.Value {
	v := n.In[1]
	if d := v.Def; d != nil && d.Op.String() == "Cast" && d.Input(0) != nil && (d.In[0].Type.Elem == ir.Float16 || d.In[0].Type.Elem == ir.BFloat16) {
		return d.In[0]
	}
	return v
}

// onlyScales reports whether n casts halves that nobody reads but weights that are
// kept as they are stored, for their scales.
func onlyScales(n *ir.Node) bool {
	if n.Op.String() != "Cast" || n.Out[0] == nil || n.Out[0].NumUses() == 0 || n.Graph().IsOutput(n.Out[0]) {
		return false
	}
	other := func(u ir.Use) bool {
		return u.Index != 1 || u.Node.Graph() != n.Graph() || u.Node.Op.String() != "DequantizeLinear" || scaleOf(u.Node) != n.In[0] || keptBy(u.Node) == nil
	}
	return !slices.ContainsFunc(n.Out[0].Uses(), other)
}

// blocksOf returns the size of the blocks of a matrix that have a scale each.
func blocksOf(n *ir.Node, x, scale []int) (rows, cols int) {
	size := int(n.Attrs.Int("block_size", 0))
	down := axisOf(n.Attrs.Int("axis", 1), 2) == 0
	switch blocked := len(scale) > 1 && size > 0; {
	case count(scale) == 1:
		return x[0], x[1]
	case blocked && down:
		return size, 1
	case blocked:
		return 1, size
	case down:
		return 1, x[1]
	}
	return x[0], 1
}

// onlyMultiplied reports whether all readers of v are products that have it, or its
// transpose, for their second operand.
func onlyMultiplied(v *ir.Value) bool {
	g := v.Def.Graph()
	other := func(u ir.Use) bool {
		n := u.Node
		if n.Graph() != g || fastKernel(n) == nil {
			return true
		}
		switch n.Op.String() {
		case "MatMul", "lxt.Linear", "Gemm":
			return u.Index != 1
		case "Transpose":
			perm := n.Attrs.Ints("perm")
			return perm != nil && !slices.Equal(perm, []int64{1, 0}) || !onlyMultiplied(n.Out[0])
		}
		return true
	}
	return v.NumUses() > 0 && !g.IsOutput(v) && !slices.ContainsFunc(v.Uses(), other)
}

// turned reports whether v is the transpose of the matrix that is stored.
func (v *Value) turned() bool {
	rows, cols := v.stored.Dims()
	if rows != cols {
		return v.shape[0] != rows
	}
	return v.stride()[0] == 1
}
