package gorgonia

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// fitsStored reports elements outside of what is stored, of which the shape reaches
// from first to last; to the latter from each of the chosen items.
func (v *Value) fitsStored(first, last int) error {
	rows, cols := v.stored.Dims()
	if v.stored.items != nil {
		if len(v.shape) == 0 || len(v.stored.items) != v.shape[0] {
			return fmt.Errorf("%d items of shape %v", len(v.stored.items), v.shape)
		}
		first, last = first+slices.Min(v.stored.items), last+slices.Max(v.stored.items)
	}
	if first < 0 || last >= rows*cols {
		return fmt.Errorf("shape %v reaches beyond its elements", v.shape)
	}
	return nil
}

// storedFunction is an elementwise operator on a stored weight: a stored weight
// again, which goes through the operator as it is unpacked.
func storedFunction(c *call) ([]*Value, error) {
	var base *Value // what all operands but numbers and vectors are functions of
	terms := make([]*cpu.Expr, len(c.in))
	for i, v := range c.in {
		if isBeside(c.n.In[i], c.n.Out[0]) {
			continue
		}
		of, f, ok := functionOf(v)
		if !ok || base != nil && !sameElements(base, of) {
			return c.unpackedFunction()
		}
		base, terms[i] = of, f
	}
	for i, v := range c.in {
		if terms[i] == nil {
			terms[i] = c.beside(v, base)
		}
		if terms[i] == nil {
			return c.unpackedFunction()
		}
	}
	name := c.n.Op.Name
	var f *cpu.Expr
	if op, ok := unaries[name]; ok {
		f = op.Of(terms[0])
	} else {
		f = binaries[name].Of(terms[0], terms[1])
	}
	if f.Terms() > maxTerms {
		return c.unpackedFunction()
	}
	y := base.view(base.shape, base.strides, base.off)
	y.stored = &stored{Stored: &cpu.Mapped{Of: base.stored.Stored, F: f}, items: base.stored.items}
	return one(y)
}

// maxTerms bounds functions: the terms of one that reads another twice are twice as many.
const maxTerms = 64

// beside returns a number, or the numbers of the indices of an axis of base, as an
// operand of a function; nil if it is neither.
func (c *call) beside(v, base *Value) *cpu.Expr {
	if base == nil || v.stored != nil || len(v.shape) > len(base.shape) || v.len() == 0 {
		return nil
	}
	axis := -1
	for i, d := range v.shape {
		if d == 1 {
			continue
		}
		if axis >= 0 {
			return nil
		}
		axis = i + len(base.shape) - len(v.shape)
	}
	if axis < 0 {
		return cpu.Constant(as[float32](v)[0])
	}
	// In memory the elements of an index of the axis are as far apart as its stride,
	// and begin anew after the last.
	apart, item := base.stride()[axis], base
	if base.stored.items != nil {
		if axis == 0 {
			return nil
		}
		item = base.view(base.shape[1:], base.stride()[1:], 0)
		for _, first := range base.stored.items { // a slice's items begin in the middle
			if first%max(apart*v.len(), 1) != 0 {
				return nil
			}
		}
	}
	if _, whole := item.inMemory(); !whole || base.off != 0 || base.shape[axis] != v.len() {
		return nil
	}
	return cpu.Along(slices.Clone(c.floats(v)), apart)
}

// unpackedFunction computes an elementwise operator in memory.
func (c *call) unpackedFunction() ([]*Value, error) {
	for i, v := range c.in {
		c.in[i] = c.unpacked(v)
	}
	return fastKernel(c.n)(c)
}

// functionOf returns v as a function of a stored value, which plain elements are as
// they lie in memory.
func functionOf(v *Value) (of *Value, f *cpu.Expr, ok bool) {
	if v.stored == nil {
		of, ok = v.inPlace()
		return of, cpu.Variable(), ok
	}
	m, ok := v.stored.Stored.(*cpu.Mapped)
	if !ok {
		return v, cpu.Variable(), true
	}
	of = v.view(v.shape, v.strides, v.off)
	of.stored = &stored{Stored: m.Of, items: v.stored.items}
	return of, m.F, true
}

// inPlace returns float32s as a stored value over the same memory.
func (v *Value) inPlace() (*Value, bool) {
	dims, ok := v.inMemory()
	if !ok || v.len() == 0 || len(v.shape) == 0 {
		return nil, false
	}
	rows, cols := asRows(dims)
	y := v.view(v.shape, v.strides, 0)
	y.stored = &stored{Stored: &cpu.Floats{Rows: rows, Cols: cols, Data: as[float32](v)[:rows*cols]}}
	return y, true
}

// sameElements reports whether two stored values have the same elements in the same
// places.
func sameElements(a, b *Value) bool {
	if a.off != b.off || !slices.Equal(a.shape, b.shape) || !slices.Equal(a.stride(), b.stride()) || !slices.Equal(a.stored.items, b.stored.items) {
		return false
	}
	x, ok := a.stored.Stored.(*cpu.Floats)
	y, also := b.stored.Stored.(*cpu.Floats)
	if ok && also {
		return x.Rows == y.Rows && x.Cols == y.Cols && &x.Data[0] == &y.Data[0]
	}
	return a.stored.Stored == b.stored.Stored
}

// storedItems is Gather along the first axis of a weight, or a GatherND of the same.
// The result is stored, too, if it is kept: experts that are chosen. Else it is
// rows, such as those of an embedding.
func storedItems(keep bool) kernel {
	return func(c *call) ([]*Value, error) {
		v, indices := c.in[0], c.in[1].shape
		ok := true
		if v.stored == nil {
			v, ok = v.inPlace()
		}
		if !ok || v.stored.items != nil || len(v.shape) == 0 {
			c.in[0] = c.unpacked(c.in[0])
			return fastKernel(c.n)(c)
		}
		if c.n.Op.Name == "GatherND" {
			indices = indices[:len(indices)-1]
		}
		first := make([]int, 0, count(indices))
		for _, k := range c.ints(c.in[1]) {
			i, err := indexOf(k, v.shape[0])
			if err != nil {
				return nil, err
			}
			first = append(first, v.off+i*v.stride()[0])
		}
		return c.chosen(v, first, indices, keep)
	}
}

// chosen returns the items of v that begin at these places, in the shape of the
// indices that chose them.
func (c *call) chosen(v *Value, first, indices []int, keep bool) ([]*Value, error) {
	item := v.view(v.shape[1:], v.stride()[1:], 0)
	y := v.view(slices.Concat(indices, item.shape), nil, 0)
	switch {
	case keep && len(indices) == 0:
		y.strides, y.off = item.strides, first[0]
	case keep && len(indices) == 1 && len(first) > 0:
		y.strides = append([]int{0}, item.strides...)
		y.stored = &stored{Stored: v.stored.Stored, items: first}
	case item.contiguous():
		y = c.temporary(y.shape)
		c.engine.Unpack(v.stored, flat[float32](y), first, item.len())
	default:
		c.in[0] = c.unpacked(c.in[0])
		return fastKernel(c.n)(c)
	}
	return one(y)
}

// viewOfStored is an operator whose result is a view of its input, which is stored.
func viewOfStored(run kernel) kernel {
	return func(c *call) ([]*Value, error) {
		v := c.in[0]
		if v.stored != nil && v.stored.items != nil && !leavesFirst(c.n) {
			c.in[0] = c.unpacked(v)
		}
		return run(c)
	}
}

// leavesFirst reports whether a view leaves the first axis alone.
func leavesFirst(n *ir.Node) bool {
	if n.Op.Name == "Transpose" {
		perm := n.Attrs.Ints("perm")
		return len(perm) > 0 && perm[0] == 0
	}
	return n.Op.Name == "Identity"
}

// unpacked returns v as float32s in memory.
func (c *call) unpacked(v *Value) *Value {
	if v.stored == nil {
		return v
	}
	st, r := v.stride(), len(v.shape)
	if r >= 2 && v.shape[r-1] != 1 && st[r-1] != 1 && st[r-2] == 1 && (r > 2 || v.stored.items == nil) {
		return c.dense(swapLast(c.unpacked(swapLast(v))))
	}
	tail, run := r, 1 // of the last axes, whose elements lie one after the other
	for tail > 0 && (v.shape[tail-1] == 1 || st[tail-1] == run) && (tail > 1 || v.stored.items == nil) {
		tail--
		run *= v.shape[tail]
	}
	first := make([]int, 0, count(v.shape[:tail]))
	eachIndex(v.shape[:tail], func(idx []int) { first = append(first, v.place(idx)) })
	out := c.temporary(v.shape)
	if out.len() > 0 {
		c.engine.Unpack(v.stored, flat[float32](out), first, run)
	}
	return out
}

// place returns where the element at an index begins, in elements; axes that the
// index lacks are at 0.
func (v *Value) place(idx []int) int {
	at, st := v.off, v.stride()
	for i, k := range idx {
		if i == 0 && v.stored != nil && v.stored.items != nil {
			at += v.stored.items[k]
			continue
		}
		at += k * st[i]
	}
	return at
}

// temporary returns new memory of float32s, wherever the call's result should go.
func (c *call) temporary(shape []int) *Value {
	b := c.memory.alloc(count(shape) * size(ir.Float))
	c.made = append(c.made, b)
	return &Value{elem: ir.Float, shape: shape, buf: b}
}
