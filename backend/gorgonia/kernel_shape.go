package gorgonia

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

func identity(c *call) ([]*Value, error) {
	v := c.in[0]
	return one(v.view(v.shape, v.strides, v.off))
}

func reshape(c *call) ([]*Value, error) {
	want := c.ints(c.in[1])
	from := c.in[0]
	shape, known, infer := make([]int, len(want)), 1, -1
	for i, d := range want {
		switch {
		case d == 0 && c.n.Attrs.Int("allowzero", 0) == 0:
			if i >= len(from.shape) {
				return nil, fmt.Errorf("shape %v takes axis %d of %v", want, i, from.shape)
			}
			shape[i] = from.shape[i]
		case d == -1 && infer < 0:
			infer = i
			continue
		case d < 0:
			return nil, fmt.Errorf("shape %v has a negative axis", want)
		default:
			shape[i] = int(d)
		}
		known *= shape[i]
	}
	if infer >= 0 {
		if known == 0 || from.len()%known != 0 {
			return nil, fmt.Errorf("%v has no shape %v", from.shape, want)
		}
		shape[infer] = from.len() / known
	}
	return c.shaped(from, shape)
}

// shaped returns v with another shape: a view if the strides allow it, else a
// copy.
func (c *call) shaped(v *Value, shape []int) ([]*Value, error) {
	if count(shape) != v.len() {
		return nil, fmt.Errorf("%v has no shape %v", v.shape, shape)
	}
	if v.strides == nil {
		return one(v.view(shape, nil, v.off))
	}
	if st, ok := reshapeStrides(v.shape, v.stride(), shape); ok {
		return one(v.view(shape, st, v.off))
	}
	if v.stored != nil {
		return one(c.unpacked(v).view(shape, nil, 0))
	}
	out := c.new(v.elem, shape...)
	c.copyTo(out.buf.bytes[:out.len()*size(v.elem)], v)
	return one(out)
}

// reshapeStrides finds strides for a new shape over the same elements: each
// group of old axes whose elements lie evenly is divided among new axes.
func reshapeStrides(old, strides, shape []int) ([]int, bool) {
	if count(shape) == 0 {
		return rowMajor(shape), true
	}
	var od, os []int
	for i, d := range old {
		if d != 1 {
			od, os = append(od, d), append(os, strides[i])
		}
	}
	out := make([]int, len(shape))
	i, j := 0, 0
	for i < len(od) || j < len(shape) {
		ni, nj := i, j
		a, b := 1, 1
		if ni < len(od) {
			a, ni = od[ni], ni+1
		}
		if nj < len(shape) {
			b, nj = shape[nj], nj+1
		}
		for a != b {
			if a < b {
				if ni >= len(od) {
					return nil, false
				}
				a, ni = a*od[ni], ni+1
			} else {
				if nj >= len(shape) {
					return nil, false
				}
				b, nj = b*shape[nj], nj+1
			}
		}
		for k := i; k+1 < ni; k++ {
			if os[k] != os[k+1]*od[k+1] {
				return nil, false
			}
		}
		next := 1
		if ni > i {
			next = os[ni-1]
		}
		for k := nj - 1; k >= j; k-- {
			out[k] = next
			next *= shape[k]
		}
		i, j = ni, nj
	}
	return out, true
}

// reshapeTo is for the operators whose result is a new shape over the same
// elements: Squeeze, Unsqueeze and Flatten.
func reshapeTo(c *call) ([]*Value, error) {
	v := c.in[0]
	var axes []int64
	if len(c.in) > 1 && c.in[1] != nil {
		axes = c.ints(c.in[1])
	}
	var shape []int
	switch c.n.Op.Name {
	case "Flatten":
		axis := int(c.n.Attrs.Int("axis", 1))
		if axis < 0 {
			axis += len(v.shape)
		}
		shape = []int{count(v.shape[:axis]), count(v.shape[axis:])}
	case "Unsqueeze":
		shape = unsqueezed(v.shape, axes)
	case "Squeeze":
		drop := map[int]bool{}
		for _, a := range axes {
			drop[axisOf(a, len(v.shape))] = true
		}
		for i, d := range v.shape {
			if d != 1 && drop[i] {
				return nil, fmt.Errorf("axis %d of %v is not 1", i, v.shape)
			}
			if !(drop[i] || axes == nil && d == 1) {
				shape = append(shape, d)
			}
		}
		if shape == nil {
			shape = []int{}
		}
	}
	return c.shaped(v, shape)
}

func unsqueezed(shape []int, axes []int64) []int {
	rank := len(shape) + len(axes)
	added := map[int]bool{}
	for _, a := range axes {
		added[axisOf(a, rank)] = true
	}
	out := make([]int, 0, rank)
	k := 0
	for i := range rank {
		if added[i] {
			out = append(out, 1)
			continue
		}
		out = append(out, shape[k])
		k++
	}
	return out
}

// axisOf counts a negative axis from the end.
func axisOf(a int64, rank int) int {
	if a < 0 {
		a += int64(rank)
	}
	return int(a)
}

func transpose(c *call) ([]*Value, error) {
	v := c.in[0]
	perm := c.n.Attrs.Ints("perm")
	r := len(v.shape)
	if perm == nil {
		for i := r - 1; i >= 0; i-- {
			perm = append(perm, int64(i))
		}
	}
	if len(perm) != r {
		return nil, fmt.Errorf("perm %v for shape %v", perm, v.shape)
	}
	st := v.stride()
	shape, strides := make([]int, r), make([]int, r)
	for i, p := range perm {
		shape[i], strides[i] = v.shape[p], st[p]
	}
	y := v.view(shape, strides, v.off)
	if v.bands != nil && r >= 2 && int(perm[r-2]) == r-1 && slices.IsSorted(perm[:r-2]) {
		y.bands = &bands{v.bands.of, !v.bands.trans}
	}
	return one(y)
}

func expand(c *call) ([]*Value, error) {
	want := c.ints(c.in[1])
	shape := make([]int, len(want))
	for i, d := range want {
		if d < 0 {
			return nil, fmt.Errorf("shape %v has a negative axis", want)
		}
		shape[i] = int(d)
	}
	shape, err := broadcastShapes(c.in[0].shape, shape)
	if err != nil {
		return nil, err
	}
	return one(c.spread(c.in[0], shape))
}

// slice is a view; an index that is out of range is moved to the border.
func slice(c *call) ([]*Value, error) {
	v := c.in[0]
	starts, ends := c.ints(c.in[1]), c.ints(c.in[2])
	axes, steps := make([]int64, len(starts)), make([]int64, len(starts))
	for i := range axes {
		axes[i], steps[i] = int64(i), 1
	}
	if len(c.in) > 3 && c.in[3] != nil {
		axes = c.ints(c.in[3])
	}
	if len(c.in) > 4 && c.in[4] != nil {
		steps = c.ints(c.in[4])
	}
	shape, st, off := append([]int{}, v.shape...), append([]int{}, v.stride()...), v.off
	for i := range starts {
		a := axisOf(axes[i], len(shape))
		if steps[i] == 0 {
			return nil, fmt.Errorf("step 0 of axis %d", a)
		}
		most := int64(max(v.shape[a], 1)) // a longer step leads out as well, and could overflow
		step := int(min(max(steps[i], -most), most))
		lo, n := sliceRange(starts[i], ends[i], step, v.shape[a])
		off += lo * st[a]
		shape[a] = n
		st[a] *= step
	}
	if count(shape) == 0 { // the first element need not exist
		off = v.off
	}
	return one(v.view(shape, st, off))
}

// sliceRange returns the first index and the number of indices of
// start:end:step over an axis of n elements.
func sliceRange(start, end int64, step, n int) (lo, length int) {
	clamp := func(x int64, least, most int64) int64 {
		if x < 0 {
			x += int64(n)
		}
		return min(max(x, least), most)
	}
	if step > 0 {
		s, e := clamp(start, 0, int64(n)), clamp(end, 0, int64(n))
		return int(s), max(0, (int(e-s)+step-1)/step)
	}
	s, e := clamp(start, 0, int64(n)-1), clamp(end, -1, int64(n)-1) // unlike numpy, where a start may be before the front
	return int(max(s, 0)), max(0, (int(s-e)-step-1)/-step)
}

// split cuts an axis into views.
func split(c *call) ([]*Value, error) {
	v := c.in[0]
	a := axisOf(c.n.Attrs.Int("axis", 0), len(v.shape))
	k := len(c.n.Out)
	sizes := make([]int, k)
	if len(c.in) > 1 && c.in[1] != nil {
		given := c.ints(c.in[1])
		if len(given) != k || slices.Min(given) < 0 {
			return nil, fmt.Errorf("parts of %v for %d outputs", given, k)
		}
		for i, d := range given {
			sizes[i] = int(d)
		}
	} else {
		part := (v.shape[a] + k - 1) / k
		for i, rest := 0, v.shape[a]; i < k; i++ {
			sizes[i] = min(part, rest)
			rest -= sizes[i]
		}
	}
	out := make([]*Value, k)
	at := 0
	for i, d := range sizes {
		shape := append([]int{}, v.shape...)
		shape[a] = d
		out[i] = v.view(shape, v.stride(), v.off+at*v.stride()[a])
		if at += d; at > v.shape[a] {
			break
		}
	}
	if at != v.shape[a] {
		return nil, fmt.Errorf("parts of %v for an axis of %d", sizes, v.shape[a])
	}
	return out, nil
}

func concat(c *call) ([]*Value, error) {
	first := c.in[0]
	a := axisOf(c.n.Attrs.Int("axis", 0), len(first.shape))
	shape := append([]int{}, first.shape...)
	shape[a] = 0
	for _, v := range c.in {
		if len(v.shape) != len(shape) {
			return nil, fmt.Errorf("joining %v and %v", first.shape, v.shape)
		}
		for i, d := range v.shape {
			if i != a && d != shape[i] {
				return nil, fmt.Errorf("joining %v and %v along axis %d", first.shape, v.shape, a)
			}
		}
		shape[a] += v.shape[a]
	}
	out := c.new(first.elem, shape...)
	width := size(first.elem)
	row := count(shape[a:]) * width
	outer := count(shape[:a])
	at := 0
	for _, v := range c.in {
		part := count(v.shape[a:]) * width
		if part > 0 {
			src := c.bytes(v)
			for i := range outer {
				copy(out.buf.bytes[i*row+at:], src[i*part:(i+1)*part])
			}
		}
		at += part
	}
	return one(out)
}

// bytes returns the elements of v, row-major.
func (c *call) bytes(v *Value) []byte {
	d := c.dense(v)
	w := size(d.elem)
	return d.buf.bytes[d.off*w : (d.off+d.len())*w]
}

func shapeOf(c *call) ([]*Value, error) {
	v := c.in[0]
	r := int64(len(v.shape))
	bound := func(x int64) int64 {
		if x < 0 {
			x += r
		}
		return min(max(x, 0), r)
	}
	start, end := bound(c.n.Attrs.Int("start", 0)), bound(c.n.Attrs.Int("end", r))
	n := int(max(end-start, 0))
	out := c.new(ir.Int64, n)
	for i := range n {
		flat[int64](out)[i] = int64(v.shape[int(start)+i])
	}
	return one(out)
}

func constant(c *call) ([]*Value, error) {
	t := c.n.Attrs.Tensor("value")
	if t == nil {
		return interpret(c)
	}
	return one(borrow(t))
}

func constantOfShape(c *call) ([]*Value, error) {
	dims := c.ints(c.in[0])
	shape := make([]int, len(dims))
	for i, d := range dims {
		if d < 0 {
			return nil, fmt.Errorf("shape %v has a negative axis", dims)
		}
		shape[i] = int(d)
	}
	elem, item := ir.Float, []byte{0, 0, 0, 0}
	if t := c.n.Attrs.Tensor("value"); t != nil {
		elem, item = t.Elem, t.Raw
	}
	out := c.new(elem, shape...)
	raw := out.buf.bytes[:out.len()*size(elem)]
	for i := range raw[:min(len(item), len(raw))] {
		raw[i] = item[i]
	}
	for n := len(item); n < len(raw); n *= 2 {
		copy(raw[n:], raw[:n])
	}
	return one(out)
}
