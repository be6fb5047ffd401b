package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// checkCopy compares a copy of every element size with the definition.
func checkCopy(t *testing.T, e *Engine, shape []int, offset, elements int, strides []int) {
	t.Helper()
	name := fmt.Sprintf("shape %v strides %v offset %d", shape, strides, offset)
	checkCopyOf[uint8](t, e, name, shape, offset, elements, strides)
	checkCopyOf[uint16](t, e, name, shape, offset, elements, strides)
	checkCopyOf[float32](t, e, name, shape, offset, elements, strides)
	checkCopyOf[int64](t, e, name, shape, offset, elements, strides)
}

func checkCopyOf[T uint8 | uint16 | float32 | int64](t *testing.T, e *Engine, name string, shape []int, offset, elements int, strides []int) {
	t.Helper()
	n := 1
	for _, d := range shape {
		n *= d
	}
	src := make([]T, elements)
	for i := range src {
		src[i] = T(i*7 + 1)
	}
	const pad = 40
	all := make([]T, n+2*pad)
	for i := range all {
		all[i] = 99
	}
	dst := all[pad : pad+n : pad+n]
	CopyStrided(e, dst, shape, src, offset, strides)
	for i := range dst {
		if want := src[offset+locate(i, shape, strides)]; dst[i] != want {
			t.Fatalf("%T, %s: element %d is %v, want %v", dst, name, i, dst[i], want)
		}
	}
	for i := range pad {
		if all[i] != 99 || all[len(all)-1-i] != 99 {
			t.Fatalf("%T, %s: wrote outside", dst, name)
		}
	}
}

func TestCopyStrided(t *testing.T) {
	tests := map[string]struct {
		shape   []int
		offset  int
		strides []int
	}{
		"contiguous":               {[]int{7, 9}, 0, []int{9, 1}},
		"transposed":               {[]int{37, 53}, 0, []int{1, 37}},
		"transposed, blocks":       {[]int{200, 130}, 3, []int{1, 200}},
		"heads to the front":       {[]int{3, 70, 20}, 0, []int{20, 60, 1}},
		"heads, transposed":        {[]int{3, 20, 70}, 0, []int{20, 1, 60}},
		"last two swapped, batch":  {[]int{4, 33, 17}, 0, []int{33 * 17, 1, 33}},
		"first to the end":         {[]int{19, 23, 5}, 0, []int{5, 95, 1}},
		"dimensions reversed":      {[]int{9, 21, 33}, 0, []int{1, 9, 189}},
		"expanded rows":            {[]int{50, 40}, 0, []int{0, 1}},
		"expanded columns":         {[]int{50, 40}, 0, []int{1, 0}},
		"every other column":       {[]int{30, 20}, 1, []int{40, 2}},
		"walking back":             {[]int{30}, 29, []int{-1}},
		"rows back":                {[]int{5, 8}, 32, []int{-8, 1}},
		"transposed, walking back": {[]int{40, 40}, 39 * 40, []int{1, -40}},
		"one number":               {[]int{}, 4, []int{}},
		"nothing":                  {[]int{0, 3}, 0, []int{3, 1}},
		"long row":                 {[]int{50000}, 2, []int{1}},
		"long strided row":         {[]int{50000}, 2, []int{2}},
		"thin transpose":           {[]int{5000, 3}, 0, []int{1, 5000}},
		"flat transpose":           {[]int{3, 5000}, 0, []int{1, 3}},
	}
	engines(t, func(t *testing.T, e *Engine) {
		for name, c := range tests {
			t.Run(name, func(t *testing.T) {
				n := c.offset + 1
				for i, d := range c.shape {
					n += max(0, (d-1)*c.strides[i])
				}
				checkCopy(t, e, c.shape, c.offset, n, c.strides)
			})
		}
	})
}

func TestCopyOfRandomPermutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	engines(t, func(t *testing.T, e *Engine) {
		for range 300 {
			dims := make([]int, 1+r.IntN(5))
			n := 1
			for i := range dims {
				dims[i] = 1 + r.IntN(13)
				n *= dims[i]
			}
			shape, strides := make([]int, len(dims)), make([]int, len(dims))
			step := 1
			for _, d := range r.Perm(len(dims)) {
				shape[d], strides[d] = dims[d], step
				step *= dims[d]
			}
			checkCopy(t, e, shape, 0, n, strides)
		}
	})
}

func TestCopyPanicsOutsideTheSource(t *testing.T) {
	e := Best()
	defer e.Close()
	for name, c := range map[string]struct{ offset, stride int }{"beyond the end": {1, 1}, "before the start": {8, -1}} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			CopyStrided(e, make([]byte, 10), []int{10}, make([]byte, 10), c.offset, []int{c.stride})
		})
	}
}
