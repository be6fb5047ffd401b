package cpu

import "fmt"

// walk visits strided views of one shape: dimensions of size 1 are dropped, and
// neighbours that are adjacent in memory in every view are merged, so that the
// inner loop is as long as can be.
type walk struct {
	size         int     // elements in all
	outer, inner int     // rows, and their length
	dims         []int   // outer dimensions
	strides      [][]int // by view, of the outer dimensions
	step         []int   // by view, of the inner dimension
}

// newWalk panics if a view has not one stride a dimension.
func newWalk(shape []int, strides ...[]int) walk {
	w := walk{size: 1, strides: make([][]int, len(strides)), step: make([]int, len(strides))}
	for v, s := range strides {
		if len(s) != len(shape) {
			panic(fmt.Sprintf("cpu: view %d has %d strides for shape %v; it needs one a dimension", v, len(s), shape))
		}
	}
	for _, d := range shape {
		if d < 0 {
			panic(fmt.Sprintf("cpu: negative dimension in shape %v", shape))
		}
		w.size *= d
	}
	var dims []int
	for i, d := range shape {
		if d == 1 {
			continue
		}
		if last := len(dims) - 1; last >= 0 && w.adjacent(strides, i, d) {
			dims[last] *= d
			w.replace(strides, i)
			continue
		}
		dims = append(dims, d)
		for v := range strides {
			w.strides[v] = append(w.strides[v], strides[v][i])
		}
	}
	w.outer, w.inner = 1, 1
	if n := len(dims); n > 0 {
		w.inner = dims[n-1]
		dims = dims[:n-1]
		for v, s := range w.strides {
			w.step[v] = s[n-1]
			w.strides[v] = s[:n-1]
		}
	}
	for _, d := range dims {
		w.outer *= d
	}
	if len(dims) > maxDims {
		panic(fmt.Sprintf("cpu: shape %v has more than %d dimensions that cannot be merged", shape, maxDims+1))
	}
	w.dims = dims
	return w
}

// adjacent says that dimension i continues the last kept one in every view.
func (w *walk) adjacent(strides [][]int, i, d int) bool {
	for v, s := range w.strides {
		if s[len(s)-1] != strides[v][i]*d {
			return false
		}
	}
	return true
}

func (w *walk) replace(strides [][]int, i int) {
	for v, s := range w.strides {
		s[len(s)-1] = strides[v][i]
	}
}

// maxDims is how many outer dimensions a cursor counts, after merging.
const maxDims = 16

// cursor is a row of a walk: where it starts in each view.
type cursor struct {
	w      *walk
	index  [maxDims]int
	offset [2]int
}

// cursor returns the cursor at a row.
func (w *walk) cursor(row int) *cursor {
	c := &cursor{w: w}
	for d := len(w.dims) - 1; d >= 0; d-- {
		c.index[d] = row % w.dims[d]
		row /= w.dims[d]
		for v := range w.strides {
			c.offset[v] += c.index[d] * w.strides[v][d]
		}
	}
	return c
}

// next moves on to the next row; after the last comes the first.
func (c *cursor) next() {
	for d := len(c.w.dims) - 1; d >= 0; d-- {
		c.index[d]++
		wrap := c.index[d] == c.w.dims[d]
		for v, s := range c.w.strides {
			c.offset[v] += s[d]
			if wrap {
				c.offset[v] -= s[d] * c.w.dims[d]
			}
		}
		if !wrap {
			return
		}
		c.index[d] = 0
	}
}

// span is where a view starts, and how many elements there are.
type span struct{ offset, n int }

// check panics unless dst has the elements of the shape and every view stays within its data.
func (w *walk) check(name string, dst int, spans ...span) {
	if dst != w.size {
		panic(fmt.Sprintf("cpu.%s: destination of %d elements for a shape of %d", name, dst, w.size))
	}
	if w.size == 0 {
		return
	}
	for v, s := range spans {
		lo, hi := s.offset, s.offset
		add := func(n, stride int) {
			if stride < 0 {
				lo += (n - 1) * stride
				return
			}
			hi += (n - 1) * stride
		}
		for d, n := range w.dims {
			add(n, w.strides[v][d])
		}
		add(w.inner, w.step[v])
		if lo < 0 || hi >= s.n {
			panic(fmt.Sprintf("cpu.%s: view %d reaches from element %d to %d of %d", name, v, lo, hi, s.n))
		}
	}
}
