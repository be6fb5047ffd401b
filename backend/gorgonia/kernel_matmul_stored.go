package gorgonia

import (
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
)

// storedInto is gemmInto where one of the matrices at least is stored.
func (c *call) storedInto(y []float32, m, n, k int, lead []int, a, b *Value) {
	switch {
	case a.stored != nil && b.stored != nil:
		c.timesStored(y, m, n, k, lead, c.unpacked(a), b)
	case a.stored == nil:
		c.timesStored(y, m, n, k, lead, a, b)
	case n == 1: // C = A·b is Cᵀ = bᵀ·Aᵀ
		c.timesStored(y, n, m, k, lead, swapLast(b), swapLast(a))
	default:
		t := c.temporary(append(slices.Clone(lead), n, m))
		c.timesStored(flat[float32](t), n, m, k, lead, swapLast(b), swapLast(a))
		turned := swapLast(t)
		cpu.CopyStrided(c.engine, y, turned.shape, flat[float32](t), 0, turned.stride())
	}
}

// timesStored computes the products of all pairs of matrices, of which the second
// are stored. If that is one, the rows of all of a's are one long matrix.
func (c *call) timesStored(y []float32, m, n, k int, lead []int, a, b *Value) {
	trans, ok := b.storedMatrix()
	if !ok {
		c.gemmInto(y, m, n, k, lead, a, c.unpacked(b))
		return
	}
	offB := b.storedOffsets(lead)
	if count(b.shape[:len(b.shape)-2]) == 1 && len(offB) > 1 {
		a = c.denseRows(a)
		a = a.view([]int{m * len(offB), k}, []int{a.stride()[len(a.shape)-2], 1}, a.off)
		m, lead, offB = m*len(offB), nil, offB[:1]
	}
	if k > 0 && repeats(offB) {
		c.byMatrix(y, m, n, k, lead, a, b, trans, offB)
		return
	}
	am := c.asMatrix(a)
	whole := as[float32](&Value{buf: am.v.buf})
	c.engine.GemmStoredBatch(m, n, k, whole, am.ld, am.trans, offsets(am.v, lead), b.stored, trans, offB, y, n, cpu.Steps(len(offB), m*n), false)
}

// byMatrix is timesStored for matrices that several of a's are multiplied with, as
// experts are with the tokens that chose them: each is unpacked once, for the rows
// of all.
func (c *call) byMatrix(y []float32, m, n, k int, lead []int, a, b *Value, trans bool, offB []int) {
	rows := flat[float32](c.dense(c.spread(a, append(slices.Clone(lead), m, k))))
	items := map[int][]int{}
	var order []int
	most := 0
	for i, off := range offB {
		if items[off] == nil {
			order = append(order, off)
		}
		items[off] = append(items[off], i)
		most = max(most, len(items[off]))
	}
	from, to := flat[float32](c.temporary([]int{most * m * k})), flat[float32](c.temporary([]int{most * m * n}))
	for _, off := range order {
		for j, i := range items[off] {
			copy(from[j*m*k:(j+1)*m*k], rows[i*m*k:])
		}
		all := m * len(items[off])
		c.engine.GemmStoredBatch(all, n, k, from, k, false, []int{0}, b.stored, trans, []int{off}, to, n, []int{0}, false)
		for j, i := range items[off] {
			copy(y[i*m*n:(i+1)*m*n], to[j*m*n:])
		}
	}
}

// repeats reports whether a number occurs twice.
func repeats(xs []int) bool {
	seen := make(map[int]bool, len(xs))
	for _, x := range xs {
		if seen[x] {
			return true
		}
		seen[x] = true
	}
	return false
}

// storedMatrix reports whether the last two axes of v are rows and columns of what
// is stored, or columns and rows.
func (v *Value) storedMatrix() (trans, ok bool) {
	_, cols := v.stored.Dims()
	r, st := len(v.shape), v.stride()
	down, right := v.shape[r-2], v.shape[r-1]
	straight := (right == 1 || st[r-1] == 1) && (down == 1 || st[r-2] == cols)
	turned := (down == 1 || st[r-2] == 1) && (right == 1 || st[r-1] == cols)
	for _, off := range v.storedOffsets(v.shape[:r-2]) { // a row must not run into the next
		straight = straight && off%cols+right <= cols
		turned = turned && off%cols+down <= cols
	}
	return !straight, straight || turned
}

// storedOffsets is offsets of a stored value.
func (v *Value) storedOffsets(lead []int) []int {
	own := v.shape[:len(v.shape)-2]
	out := make([]int, 0, count(lead))
	eachIndex(lead, func(idx []int) {
		at := slices.Clone(idx[len(idx)-len(own):])
		for i, d := range own {
			if d == 1 {
				at[i] = 0
			}
		}
		out = append(out, v.place(at))
	})
	return out
}
