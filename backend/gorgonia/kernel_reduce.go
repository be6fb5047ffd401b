package gorgonia

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

var reductions = map[string]cpu.Reduce{
	"ReduceSum": cpu.Sum, "ReduceMean": cpu.Sum, "ReduceMax": cpu.MaxOf, "ReduceMin": cpu.MinOf,
	"ReduceSumSquare": cpu.SumSquares, "ReduceL1": cpu.SumAbs, "ReduceL2": cpu.SumSquares,
}

// reduce combines the elements along some axes.
func reduce(c *call) ([]*Value, error) {
	x := c.in[0]
	axes, err := c.reducedAxes(len(x.shape))
	if err != nil {
		return nil, err
	}
	if axes == nil { // noop_with_empty_axes
		switch c.n.Op.Name {
		case "ReduceSumSquare":
			return c.mapped(cpu.Square, x)
		case "ReduceL1", "ReduceL2":
			return c.mapped(cpu.Abs, x)
		}
		return identity(c)
	}
	keep := c.n.Attrs.Int("keepdims", 1) != 0
	shape, perm := []int{}, []int{}
	for i, d := range x.shape {
		switch {
		case !axes[i]:
			shape, perm = append(shape, d), append(perm, i)
		case keep:
			shape = append(shape, 1)
		}
	}
	for i := range x.shape {
		if axes[i] {
			perm = append(perm, i)
		}
	}
	if x.len() == 0 {
		return interpret(c)
	}
	n := x.len() / count(shape)
	op := reductions[c.n.Op.Name]
	out := c.sumOfLines(op, x, shape, axes)
	if out == nil {
		out = c.new(ir.Float, shape...)
		moved := permuted(x, perm)
		c.engine.ReduceRows(op, out.len(), n, flat[float32](out), c.floats(moved))
	}
	dst := as[float32](out)[:out.len()] // dense, in an order of its own
	switch c.n.Op.Name {
	case "ReduceMean":
		c.engine.ZipScalar(cpu.Div, dst, dst, float32(n))
	case "ReduceL2":
		c.engine.Map(cpu.Sqrt, dst, dst)
	}
	return one(out)
}

// reducedAxes returns the set of axes, nil if there is nothing to reduce.
func (c *call) reducedAxes(rank int) (map[int]bool, error) {
	var list []int64
	if len(c.in) > 1 && c.in[1] != nil {
		list = c.ints(c.in[1])
	}
	set := map[int]bool{}
	if len(list) == 0 {
		if c.n.Attrs.Int("noop_with_empty_axes", 0) != 0 {
			return nil, nil
		}
		for i := range rank {
			set[i] = true
		}
		return set, nil
	}
	for _, a := range list {
		i := axisOf(a, rank)
		if i < 0 || i >= rank {
			return nil, fmt.Errorf("axis %d of %d axes", a, rank)
		}
		set[i] = true
	}
	return set, nil
}

// sumOfLines adds lines of memory where the axes that are summed lie before or
// between the others, in the order of the strides: heads that share a key, say. The
// sum lies in that order too. It is nil if x does not lie like that.
func (c *call) sumOfLines(op cpu.Reduce, x *Value, shape []int, axes map[int]bool) *Value {
	if op != cpu.Sum || len(axes) == 1 && axes[len(x.shape)-1] { // a row is summed as one, in whichever block it is
		return nil
	}
	order, st := make([]int, 0, len(x.shape)), x.stride()
	for i, d := range x.shape {
		if d != 1 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return st[j] - st[i] })
	if !permuted(x, order).contiguous() {
		return nil
	}
	outer, n, inner := 1, 1, 1 // axes before, of and after the sum
	for _, i := range order {
		d := x.shape[i]
		switch {
		case axes[i] && inner > 1: // a second group of summed axes
			return nil
		case axes[i]:
			n *= d
		case n > 1:
			inner *= d
		default:
			outer *= d
		}
	}
	if inner == 1 {
		return nil
	}
	out := c.new(ir.Float, shape...)
	dst, src := flat[float32](out), as[float32](x)
	for i := range outer {
		c.engine.SumColumns(n, inner, dst[i*inner:][:inner], src[i*n*inner:][:n*inner])
	}
	strides, next := make([]int, len(x.shape)), 1
	for _, i := range slices.Backward(order) {
		if !axes[i] {
			strides[i] = next
			next *= x.shape[i]
		}
	}
	if len(shape) < len(strides) { // not keepdims
		kept := strides[:0]
		for i, s := range strides {
			if !axes[i] {
				kept = append(kept, s)
			}
		}
		strides = kept
	}
	y := out.view(shape, strides, 0)
	if y.contiguous() {
		y.strides = nil
	}
	return y
}

func permuted(v *Value, perm []int) *Value {
	st := v.stride()
	shape, strides := make([]int, len(perm)), make([]int, len(perm))
	for i, p := range perm {
		shape[i], strides[i] = v.shape[p], st[p]
	}
	return v.view(shape, strides, v.off)
}

// softmax over any axis; another than the last is moved there and back.
func softmax(c *call) ([]*Value, error) {
	x := c.in[0]
	r := len(x.shape)
	a := axisOf(c.n.Attrs.Int("axis", -1), r)
	if a == r-1 {
		y := c.reuse(0, ir.Float, x.shape)
		c.softmaxRows(y, x)
		if multiplied(c.n.Out[0]) {
			y.bands = c.bandsOf(y)
		}
		return one(y)
	}
	perm := make([]int, 0, r)
	for i := range r {
		if i != a {
			perm = append(perm, i)
		}
	}
	perm = append(perm, a)
	moved := permuted(x, perm)
	y := c.new(ir.Float, moved.shape...)
	c.softmaxRows(y, moved)
	back := make([]int, r)
	for i, p := range perm {
		back[p] = i
	}
	return one(permuted(y, back))
}

func (c *call) softmaxRows(y, x *Value) {
	n := x.shape[len(x.shape)-1]
	if x.len() > 0 {
		c.engine.Softmax(x.len()/n, n, flat[float32](y), c.floats(x))
	}
}

// rmsNorm is RMSNormalization: x / √(mean x² + ε) · w.
func rmsNorm(c *call) ([]*Value, error) {
	x := c.in[0]
	n, ok := normalized(c, x)
	if !ok {
		return interpret(c)
	}
	w, ok := c.perElement(c.in[1], n)
	if !ok {
		return interpret(c)
	}
	y := c.reuse(0, ir.Float, x.shape)
	c.engine.RMSNorm(x.len()/n, n, flat[float32](y), c.floats(x), w, c.n.Attrs.Float("epsilon", 1e-5))
	return one(y)
}

// layerNorm is LayerNormalization, with its mean and 1/σ if they are read.
func layerNorm(c *call) ([]*Value, error) {
	x := c.in[0]
	n, ok := normalized(c, x)
	if !ok {
		return interpret(c)
	}
	w, ok := c.perElement(c.in[1], n)
	if !ok {
		return interpret(c)
	}
	bias := make([]float32, n)
	if len(c.in) > 2 && c.in[2] != nil {
		if bias, ok = c.perElement(c.in[2], n); !ok {
			return interpret(c)
		}
	}
	eps := c.n.Attrs.Float("epsilon", 1e-5)
	rows := x.len() / n
	src := c.floats(x)
	outs := make([]*Value, max(len(c.n.Out), 1))
	if len(c.n.Out) > 1 {
		shape := slices.Clone(x.shape)
		for i := axisOf(c.n.Attrs.Int("axis", -1), len(shape)); i < len(shape); i++ {
			shape[i] = 1
		}
		mean, inv := c.new(ir.Float, shape...), c.new(ir.Float, shape...)
		outs[1] = mean
		c.engine.RowMoments(rows, n, flat[float32](mean), flat[float32](inv), src)
		c.engine.ZipScalar(cpu.Add, flat[float32](inv), flat[float32](inv), eps)
		c.engine.Map(cpu.Rsqrt, flat[float32](inv), flat[float32](inv))
		if len(outs) > 2 {
			outs[2] = inv
		}
	}
	outs[0] = c.new(ir.Float, x.shape...)
	c.engine.LayerNorm(rows, n, flat[float32](outs[0]), src, w, bias, eps)
	return outs, nil
}

// normalized returns the number of elements that are normalized together.
func normalized(c *call, x *Value) (int, bool) {
	a := axisOf(c.n.Attrs.Int("axis", -1), len(x.shape))
	if a < 0 || a >= len(x.shape) || x.len() == 0 {
		return 0, false
	}
	return count(x.shape[a:]), true
}

// perElement returns a weight of n elements; one element stands for n equal
// ones.
func (c *call) perElement(w *Value, n int) ([]float32, bool) {
	switch w.len() {
	case n:
		return c.floats(w), true
	case 1:
		return slices.Repeat([]float32{as[float32](w)[0]}, n), true
	}
	return nil, false
}
