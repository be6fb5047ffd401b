package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// matrix is the last two axes of a value, as GEMM wants them: rows ld elements
// apart, or columns if trans.
type matrix struct {
	v          *Value
	rows, cols int
	ld         int
	trans      bool
}

// asMatrix looks at the last two axes of v. A view whose rows and columns are
// both strided is copied.
func (c *call) asMatrix(v *Value) matrix {
	m, ok := matrixOf(v)
	if !ok {
		m, _ = matrixOf(c.dense(v))
	}
	return m
}

func matrixOf(v *Value) (matrix, bool) {
	r := len(v.shape)
	m := matrix{v: v, rows: v.shape[r-2], cols: v.shape[r-1]}
	st := v.stride()
	down, right := st[r-2], st[r-1]
	switch {
	case (right == 1 || m.cols == 1) && (down >= m.cols || m.rows == 1):
		m.ld = max(down, m.cols, 1)
		if m.rows == 1 {
			m.ld = max(m.cols, 1)
		}
		return m, true
	case (down == 1 || m.rows == 1) && (right >= m.rows || m.cols == 1):
		m.trans, m.ld = true, max(right, m.rows, 1)
		return m, true
	}
	return m, false
}

// matMul is the product of matrices with leading axes broadcast. Vectors are
// matrices with one row or column.
func matMul(c *call) ([]*Value, error) {
	return c.product(c.in[0], c.in[1], nil)
}

// linear is x W + b.
func linear(c *call) ([]*Value, error) {
	var b *Value
	if len(c.in) > 2 {
		b = c.in[2]
	}
	return c.product(c.in[0], c.in[1], b)
}

func (c *call) product(x, w, bias *Value) ([]*Value, error) {
	a, b := x, w
	if len(a.shape) == 1 {
		a = a.view([]int{1, a.shape[0]}, []int{0, a.stride()[0]}, a.off)
	}
	if len(b.shape) == 1 {
		b = b.view([]int{b.shape[0], 1}, []int{b.stride()[0], 0}, b.off)
	}
	if len(a.shape) == 0 || len(b.shape) == 0 {
		return nil, fmt.Errorf("a product of %v and %v", x.shape, w.shape)
	}
	lead, err := broadcastShapes(a.shape[:len(a.shape)-2], b.shape[:len(b.shape)-2])
	if err != nil {
		return nil, err
	}
	m, k, n := a.shape[len(a.shape)-2], a.shape[len(a.shape)-1], b.shape[len(b.shape)-1]
	if b.shape[len(b.shape)-2] != k {
		return nil, fmt.Errorf("a product of %v and %v", x.shape, w.shape)
	}
	shape := append(append([]int{}, lead...), m, n)
	y := c.new(ir.Float, shape...)
	c.gemmInto(flat[float32](y), m, n, k, lead, a, b)
	if bias != nil && y.len() > 0 {
		if err := c.addBias(y, bias); err != nil {
			return nil, err
		}
	}
	if len(x.shape) == 1 {
		shape = append(shape[:len(shape)-2], n)
	}
	if len(w.shape) == 1 {
		shape = shape[:len(shape)-1]
	}
	y.shape = shape
	return one(y)
}

func (c *call) addBias(y, bias *Value) error {
	st, err := broadcastStrides(bias, y.shape)
	if err != nil {
		return err
	}
	d := flat[float32](y)
	shape, sy, sb := collapse(y.shape, rowMajor(y.shape), st)
	c.engine.Broadcast(cpu.Add, shape, d, cpu.Operand{Data: d, Strides: sy}, operandAt(bias, sb))
	return nil
}

// gemmInto computes the products of all pairs of matrices. If b is one matrix,
// the rows of all of a's are one long matrix.
func (c *call) gemmInto(y []float32, m, n, k int, lead []int, a, b *Value) {
	if len(y) == 0 {
		return
	}
	if a.stored != nil || b.stored != nil {
		c.storedInto(y, m, n, k, lead, a, b)
		return
	}
	if count(b.shape[:len(b.shape)-2]) == 1 && count(lead) > 1 {
		a = c.denseRows(a)
		m, lead = m*count(lead), nil
		a = a.view([]int{m, k}, []int{a.stride()[len(a.shape)-2], 1}, a.off)
		b = b.view(b.shape[len(b.shape)-2:], b.stride()[len(b.shape)-2:], b.off)
	}
	if c.banded(y, m, n, k, lead, a, b) {
		return
	}
	am, bm := c.asMatrix(a), c.asMatrix(b)
	offA, offB := offsets(am.v, lead), offsets(bm.v, lead)
	if len(offA) == 1 {
		c.engine.Gemm(m, n, k, as[float32](am.v), am.ld, am.trans, as[float32](bm.v), bm.ld, bm.trans, y, n, false)
		return
	}
	whole := func(v *Value) []float32 { return as[float32](&Value{buf: v.buf}) }
	c.engine.GemmBatch(m, n, k, whole(am.v), am.ld, am.trans, offA, whole(bm.v), bm.ld, bm.trans, offB, y, n, cpu.Steps(len(offA), m*n), false)
}

// denseRows returns v such that all of its rows are one long matrix.
func (c *call) denseRows(v *Value) *Value {
	st := v.stride()
	r := len(v.shape)
	if st[r-1] != 1 {
		return c.dense(v)
	}
	step := st[r-2]
	if step < v.shape[r-1] {
		return c.dense(v)
	}
	for i, rows := r-3, v.shape[r-2]; i >= 0; i-- {
		if v.shape[i] != 1 && st[i] != step*rows {
			return c.dense(v)
		}
		rows *= v.shape[i]
	}
	return v
}

// offsets lists where the matrices of v begin, in elements of its buffer, for
// every index of the broadcast leading axes.
func offsets(v *Value, lead []int) []int {
	st, err := broadcastStrides(v.view(v.shape[:len(v.shape)-2], v.stride()[:len(v.shape)-2], v.off), lead)
	if err != nil {
		panic(err) // lead was made by broadcasting v
	}
	out := make([]int, 0, count(lead))
	eachIndex(lead, func(idx []int) {
		o := v.off
		for i, k := range idx {
			o += k * st[i]
		}
		out = append(out, o)
	})
	return out
}

// gemm is Gemm: α op(A) op(B) + β C.
func gemm(c *call) ([]*Value, error) {
	a, b := c.in[0], c.in[1]
	if c.n.Attrs.Int("transA", 0) != 0 {
		a = swapLast(a)
	}
	if c.n.Attrs.Int("transB", 0) != 0 {
		b = swapLast(b)
	}
	var bias *Value
	beta := c.n.Attrs.Float("beta", 1)
	if len(c.in) > 2 && c.in[2] != nil && beta != 0 {
		bias = c.in[2]
	}
	alpha := c.n.Attrs.Float("alpha", 1)
	if alpha == 1 && beta == 1 {
		return c.product(a, b, bias)
	}
	outs, err := c.product(a, b, nil)
	if err != nil {
		return nil, err
	}
	y := outs[0]
	c.engine.ZipScalar(cpu.Mul, flat[float32](y), flat[float32](y), alpha)
	if bias != nil {
		scaled := c.new(ir.Float, bias.shape...)
		c.engine.ZipScalar(cpu.Mul, flat[float32](scaled), c.floats(bias), beta)
		err = c.addBias(y, scaled)
	}
	return outs, err
}

func swapLast(v *Value) *Value {
	r := len(v.shape)
	shape, st := append([]int{}, v.shape...), append([]int{}, v.stride()...)
	shape[r-1], shape[r-2] = shape[r-2], shape[r-1]
	st[r-1], st[r-2] = st[r-2], st[r-1]
	return v.view(shape, st, v.off)
}
