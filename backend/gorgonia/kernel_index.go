package gorgonia

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// sized returns the one of four kernels that is for elements of v's size: to
// copy elements their size is all one needs to know.
func sized(v *Value, of1, of2, of4, of8 kernel) kernel {
	switch size(v.elem) {
	case 1:
		return of1
	case 2:
		return of2
	case 4:
		return of4
	case 8:
		return of8
	}
	return interpret
}

// indexOf returns an index as one into an axis of n elements.
func indexOf(i int64, n int) (int, error) {
	if i < -int64(n) || i >= int64(n) {
		return 0, fmt.Errorf("index %d of an axis of %d", i, n)
	}
	if i < 0 {
		i += int64(n)
	}
	return int(i), nil
}

// gather copies the slices at indices of one axis.
func gather(c *call) ([]*Value, error) {
	v := c.in[0]
	a := axisOf(c.n.Attrs.Int("axis", 0), len(v.shape))
	idx := c.ints(c.in[1])
	shape := append(append(append([]int{}, v.shape[:a]...), c.in[1].shape...), v.shape[a+1:]...)
	out := c.new(v.elem, shape...)
	n := v.shape[a]
	row := count(v.shape[a+1:]) * size(v.elem)
	for i, k := range idx {
		if k < 0 {
			idx[i] += int64(n)
		}
		if idx[i] < 0 || idx[i] >= int64(n) {
			return nil, fmt.Errorf("index %d of an axis of %d", k, n)
		}
	}
	if row == 0 || len(idx) == 0 {
		return one(out)
	}
	src, dst := c.bytes(v), out.buf.bytes
	at := 0
	for o := range count(v.shape[:a]) {
		for _, k := range idx {
			from := (o*n + int(k)) * row
			copy(dst[at:at+row], src[from:from+row])
			at += row
		}
	}
	return one(out)
}

// places returns, for every element of indices, which element of data
// GatherElements and ScatterElements mean by it.
func (c *call) places(data, indices *Value) ([]int, error) {
	a := axisOf(c.n.Attrs.Int("axis", 0), len(data.shape))
	if len(indices.shape) != len(data.shape) || a < 0 || a >= len(data.shape) {
		return nil, fmt.Errorf("indices of shape %v for axis %d of shape %v", indices.shape, a, data.shape)
	}
	for k, d := range indices.shape {
		if k != a && d > data.shape[k] {
			return nil, fmt.Errorf("indices of shape %v exceed data of shape %v", indices.shape, data.shape)
		}
	}
	idx := c.ints(indices)
	out := make([]int, len(idx))
	steps := rowMajor(data.shape)
	next := 0
	var bad error
	eachIndex(indices.shape, func(at []int) {
		i, err := indexOf(idx[next], data.shape[a])
		if err != nil {
			bad = err
		}
		j := (i - at[a]) * steps[a]
		for k, p := range at {
			j += p * steps[k]
		}
		out[next] = j
		next++
	})
	return out, bad
}

func gatherElements(c *call) ([]*Value, error) {
	return sized(c.in[0], elementsAt[uint8], elementsAt[uint16], elementsAt[uint32], elementsAt[uint64])(c)
}

func elementsAt[T any](c *call) ([]*Value, error) {
	places, err := c.places(c.in[0], c.in[1])
	if err != nil {
		return nil, err
	}
	src := flat[T](c.dense(c.in[0]))
	out := c.new(c.in[0].elem, c.in[1].shape...)
	for i, j := range places {
		flat[T](out)[i] = src[j]
	}
	return one(out)
}

// scatterElements writes or adds elements at indices.
func scatterElements(c *call) ([]*Value, error) {
	switch c.n.Attrs.String("reduction", "none") {
	case "none":
		return sized(c.in[0], scattered(assign[uint8]), scattered(assign[uint16]), scattered(assign[uint32]), scattered(assign[uint64]))(c)
	case "add":
		switch c.in[0].elem {
		case ir.Float:
			return scattered(sum[float32])(c)
		case ir.Int64:
			return scattered(sum[int64])(c)
		}
	}
	return interpret(c)
}

func assign[T any](x *T, y T) { *x = y }
func sum[T number](x *T, y T) { *x += y }

func scattered[T any](f func(x *T, y T)) kernel {
	return func(c *call) ([]*Value, error) {
		data, updates := c.in[0], c.in[2]
		places, err := c.places(data, c.in[1])
		if err != nil {
			return nil, err
		}
		if len(places) != updates.len() {
			return nil, fmt.Errorf("updates of shape %v for indices of shape %v", updates.shape, c.in[1].shape)
		}
		from := flat[T](c.dense(updates))
		out := c.copyOf(0)
		to := flat[T](out)
		for i, j := range places {
			f(&to[j], from[i])
		}
		return one(out)
	}
}

// copyOf returns a value with the elements of input i, to be written to: the
// input itself if the call may overwrite it.
func (c *call) copyOf(i int) *Value {
	v := c.in[i]
	out := c.reuse(i, v.elem, v.shape)
	if out.buf != v.buf {
		c.copyTo(out.buf.bytes[:out.len()*size(v.elem)], v)
	}
	return out
}

// gatherND copies the slices that index tuples mean.
func gatherND(c *call) ([]*Value, error) {
	data, is := c.in[0], c.in[1].shape
	batch := int(c.n.Attrs.Int("batch_dims", 0))
	q := len(is)
	if q < 1 || batch < 0 || batch >= q || batch+is[q-1] > len(data.shape) || !slices.Equal(is[:batch], data.shape[:batch]) {
		return nil, fmt.Errorf("indices of shape %v with %d batch axes for data of shape %v", is, batch, data.shape)
	}
	k := is[q-1]
	out := c.new(data.elem, slices.Concat(is[:q-1], data.shape[batch+k:])...)
	steps := rowMajor(data.shape)
	row := count(data.shape[batch+k:]) * size(data.elem)
	tuples := count(is[batch : q-1]) // of one batch
	if out.len() == 0 {
		tuples = 0
	}
	idx, src, dst := c.ints(c.in[1]), c.bytes(data), out.buf.bytes
	for i := range count(is[:batch]) * tuples {
		from := i / tuples * count(data.shape[batch:])
		for j, v := range idx[i*k : (i+1)*k] {
			p, err := indexOf(v, data.shape[batch+j])
			if err != nil {
				return nil, err
			}
			from += p * steps[batch+j]
		}
		copy(dst[i*row:(i+1)*row], src[from*size(data.elem):])
	}
	return one(out)
}

// scatterND writes or adds rows of updates at indices.
func scatterND(c *call) ([]*Value, error) {
	mode := c.n.Attrs.String("reduction", "none")
	if mode != "none" && mode != "add" {
		return interpret(c)
	}
	data, idx := c.in[0], c.ints(c.in[1])
	is := c.in[1].shape
	if len(is) == 0 || is[len(is)-1] > len(data.shape) {
		return nil, fmt.Errorf("indices of shape %v for data of shape %v", is, data.shape)
	}
	k := is[len(is)-1]
	row := count(data.shape[k:])
	if c.in[2].len() != count(is[:len(is)-1])*row {
		return nil, fmt.Errorf("updates of shape %v for indices of shape %v and data of shape %v", c.in[2].shape, is, data.shape)
	}
	st := rowMajor(data.shape)
	out := c.reuse(0, ir.Float, data.shape)
	dst := flat[float32](out)
	if out.buf != data.buf {
		c.copyTo(out.buf.bytes[:out.len()*4], data)
	}
	updates := c.floats(c.in[2])
	for i := range count(is[:len(is)-1]) {
		at := 0
		for j := range k {
			x := idx[i*k+j]
			if x < 0 {
				x += int64(data.shape[j])
			}
			if x < 0 || x >= int64(data.shape[j]) {
				return nil, fmt.Errorf("index %d of an axis of %d", idx[i*k+j], data.shape[j])
			}
			at += int(x) * st[j]
		}
		to, from := dst[at:at+row], updates[i*row:(i+1)*row]
		if mode == "none" {
			copy(to, from)
			continue
		}
		for j, x := range from {
			to[j] += x
		}
	}
	return one(out)
}

func oneHot(c *call) ([]*Value, error) {
	if !c.in[0].elem.IsInt() || !c.in[1].elem.IsInt() {
		return interpret(c)
	}
	return sized(c.in[2], hot[uint8], hot[uint16], hot[uint32], hot[uint64])(c)
}

func hot[T any](c *call) ([]*Value, error) {
	idx, depths := c.ints(c.in[0]), c.ints(c.in[1])
	values := flat[T](c.dense(c.in[2]))
	old := c.in[0].shape
	a := axisOf(c.n.Attrs.Int("axis", -1), len(old)+1)
	if a < 0 || a > len(old) || len(values) != 2 || len(depths) != 1 || depths[0] < 1 {
		return nil, fmt.Errorf("depth %v and %d values along axis %d of shape %v", depths, len(values), a, old)
	}
	depth := int(depths[0])
	out := c.new(c.in[2].elem, slices.Insert(slices.Clone(old), a, depth)...)
	dst := flat[T](out)
	repeat(dst, values[0])
	inner := count(old[a:])
	for i, k := range idx {
		if k < 0 {
			k += int64(depth)
		}
		if k >= 0 && k < int64(depth) { // another is off everywhere
			dst[(i/inner*depth+int(k))*inner+i%inner] = values[1]
		}
	}
	return one(out)
}

// nonZero lists the indices of the elements that are not 0.
func nonZero(c *call) ([]*Value, error) {
	return sized(c.in[0], found[uint8], found[uint16], found[uint32], found[uint64])(c)
}

// found looks at the bits of the elements, of which T says how many there are;
// those of a floating point 0 may hold a sign.
func found[T uint8 | uint16 | uint32 | uint64](c *call) ([]*Value, error) {
	x := c.in[0]
	mask := ^T(0)
	if x.elem.IsFloat() {
		mask >>= 1
	}
	shape := x.shape
	if len(shape) == 0 { // a scalar counts as a vector of one
		shape = []int{1}
	}
	var at []int64
	for i, v := range flat[T](c.dense(x)) {
		if v&mask != 0 {
			at = append(at, int64(i))
		}
	}
	out := c.new(ir.Int64, len(shape), len(at))
	dst := flat[int64](out)
	for j, i := range at {
		for k := len(shape) - 1; k >= 0; k-- {
			dst[k*len(at)+j] = i % int64(shape[k])
			i /= int64(shape[k])
		}
	}
	return one(out)
}

// packed reports whether n moves elements of four bits along the first axis.
func packed(n *ir.Node) bool {
	elem := n.In[0].Type.Elem
	return (elem == ir.Int4 || elem == ir.Uint4) && n.In[0].Type.Rank() > 0 && choosesItems(n) && n.Out[0] != nil
}

// gatherPacked is Gather along the first axis of elements of four bits: rows of a
// table that is quantized.
func gatherPacked(c *call) ([]*Value, error) {
	v := c.in[0]
	out := &ir.Tensor{Elem: v.elem, Shape: slices.Concat(c.in[1].shape, v.shape[1:])}
	row := count(v.shape[1:])
	out.Raw = make([]byte, (count(out.Shape)+1)/2)
	for i, k := range c.ints(c.in[1]) {
		from, err := indexOf(k, v.shape[0])
		if err != nil {
			return nil, err
		}
		copyNibbles(out.Raw, i*row, v.buf.bytes, from*row, row)
	}
	return one(borrow(out))
}

// copyNibbles copies n elements of four bits to dst, which has zeros there.
func copyNibbles(dst []byte, to int, src []byte, from, n int) {
	if to%2 == 0 && from%2 == 0 {
		copy(dst[to/2:to/2+n/2], src[from/2:])
		to, from, n = to+n&^1, from+n&^1, n&1
	}
	for i := range n {
		bits := src[(from+i)/2] >> ((from + i) % 2 * 4) & 15
		dst[(to+i)/2] |= bits << ((to + i) % 2 * 4)
	}
}
