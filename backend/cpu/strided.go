package cpu

import "fmt"

// Evens computes dst[i] = src[2i]. It stays on its caller.
func (e *Engine) Evens(dst, src []float32) {
	if len(dst) == 0 {
		return
	}
	if len(src) < 2*len(dst)-1 {
		panic(fmt.Sprintf("cpu.Evens: %d elements of %d", len(dst), len(src)))
	}
	whole := min(len(dst), len(src)/2) &^ (e.k.lanes - 1)
	if whole > 0 {
		e.k.evens(whole, &src[0], &dst[0])
	}
	for i := whole; i < len(dst); i++ {
		dst[i] = src[2*i]
	}
}

// KeepLargest looks at elements v = x[i·stride] and, where v > best[i] or at[i] is
// negative, sets best[i] = v and at[i] = first + i·stride: a window's largest
// element and its place, the first of equals. It stays on its caller.
func (e *Engine) KeepLargest(best []float32, at []int32, x []float32, stride, first int) {
	n := len(best)
	if n == 0 {
		return
	}
	if len(at) != n || stride < 1 || len(x) <= (n-1)*stride {
		panic(fmt.Sprintf("cpu.KeepLargest: %d and %d elements, %d of %d apart", n, len(at), stride, len(x)))
	}
	if stride == 2 && n >= e.k.lanes {
		buf := borrow(&e.bufs, n)
		defer e.bufs.Put(buf)
		e.Evens((*buf)[:n], x)
		e.keepLargest(best, at, (*buf)[:n], 1, first, stride)
		return
	}
	e.keepLargest(best, at, x, stride, first, stride)
}

// keepLargest reads elements of x that are apart by apart, and counts by step.
func (e *Engine) keepLargest(best []float32, at []int32, x []float32, apart, first, step int) {
	whole := 0
	if apart == 1 {
		if whole = len(best) &^ (e.k.lanes - 1); whole > 0 {
			e.k.largest(whole, &x[0], first, step, &best[0], &at[0])
		}
	}
	for i := whole; i < len(best); i++ {
		if v := x[i*apart]; v > best[i] || at[i] < 0 {
			best[i], at[i] = v, int32(first+i*step)
		}
	}
}

func evensGo(n int, src, dst *float32) {
	d, s := view(dst, n), view(src, 2*n)
	for i := range d {
		d[i] = s[2*i]
	}
}

func largestGo(n int, x *float32, first, step int, best *float32, at *int32) {
	b, found := view(best, n), view(at, n)
	for i, v := range view(x, n) {
		if v > b[i] || found[i] < 0 {
			b[i], found[i] = v, int32(first+i*step)
		}
	}
}
