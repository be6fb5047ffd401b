//go:build linux || darwin || freebsd

package cpu

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// fence is memory between two pages that cannot be touched, as the ends of a
// mapped file are: a kernel that reads one element too far dies here.
type fence struct {
	mem  []byte
	page int
}

func newFence(t *testing.T, floats int) *fence {
	t.Helper()
	page := os.Getpagesize()
	size := (4*floats+page-1)/page*page + 2*page
	mem, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skipf("mapping %d bytes: %v", size, err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(mem) })
	for _, edge := range [][]byte{mem[:page], mem[size-page:]} {
		if err := syscall.Mprotect(edge, syscall.PROT_NONE); err != nil {
			t.Skipf("protecting a page: %v", err)
		}
	}
	return &fence{mem, page}
}

// low and high are n floats that touch the lower or the upper fence.
func (f *fence) low(n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(&f.mem[f.page])), n)
}

func (f *fence) high(n int) []float32 {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&f.mem[len(f.mem)-f.page-4*n])), n)
}

func TestNothingOutsideTheOperandsIsRead(t *testing.T) {
	const most = 40000
	fa, fb, fc := newFence(t, most), newFence(t, most), newFence(t, most)
	engines(t, func(t *testing.T, e *Engine) {
		for _, at := range []func(f *fence, n int) []float32{(*fence).low, (*fence).high} {
			for _, m := range []int{1, 2, 5, 6, 13, 14, 15, 29, 75} {
				for _, n := range []int{1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 70, 129} {
					for _, k := range []int{1, 2, 3, 4, 7, 8, 15, 16, 17, 64, 100, 256} {
						everyFlag(func(ta, tb, acc bool) {
							lda, ldb := k, n
							if ta {
								lda = m
							}
							if tb {
								ldb = k
							}
							e.Gemm(m, n, k, at(fa, m*k), lda, ta, at(fb, k*n), ldb, tb, at(fc, m*n), n, acc)
						})
					}
				}
			}
			for n := range 100 {
				x, y, d := at(fa, n), at(fb, n), at(fc, n)
				rowsInFences(e, n, x, y, d)
			}
			for rows := 1; rows < 40; rows += 3 {
				for cols := 1; cols < 70; cols += 2 {
					data := at(fa, (rows*cols+1)/2)
					bytes := unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), 4*len(data))
					storedInFences(e, rows, cols, bytes[len(bytes)-2*rows*cols:], at(fb, max(cols, rows*ceil(cols, 16))), at(fc, 200), make([]float32, 200))
				}
			}
			for _, s := range [][2]int{{3, 5}, {17, 33}, {70, 130}, {64, 64}} {
				CopyStrided(e, at(fc, s[0]*s[1]), []int{s[0], s[1]}, at(fa, s[0]*s[1]), 0, []int{1, s[0]})
			}
		}
	})
}

// rowsInFences runs every kernel over one row.
func rowsInFences(e *Engine, n int, x, y, d []float32) {
	for op := range numUnary {
		e.Map(op, d, x)
	}
	for op := range numBinary {
		e.Zip(op, d, x, y)
		e.ZipScalar(op, d, x, 2)
		e.ScalarZip(op, d, 2, x)
	}
	e.MulAdd(d, x, y, x)
	e.Axpy(d, 2, x)
	e.DivEps(d, x, y, 1)
	e.DivSignEps(d, x, y, 1)
	e.Softmax(1, n, d, x)
	e.SoftmaxVJP(1, n, d, x, y)
	e.SoftmaxTaylor(1, n, d, x, y, x)
	e.RMSNorm(1, n, d, x, y, 1)
	e.LayerNorm(1, n, d, x, y, x, 1)
	one := make([]float32, 1)
	for op := range numReduce {
		e.ReduceRows(op, 1, n, one, x)
	}
	e.RowDot(1, n, one, x, y)
	e.RowMoments(1, n, one, one, x)
	e.SumColumns(1, n, d, x)
	e.SumOfShifts(d[:n/2], 1, y[:min(n, 2)], x, []int{0, n - n/2}[:min(n, 2)])
}

// storedInFences multiplies with matrices of smaller types.
func storedInFences(e *Engine, rows, cols int, data []byte, scale, a, c []float32) {
	halves := unsafe.Slice((*uint16)(unsafe.Pointer(&data[0])), rows*cols)
	stored := []Stored{&Half{Rows: rows, Cols: cols, Data: halves}, &Half{Rows: rows, Cols: cols, Data: halves, Brain: true}}
	for t := range numInts {
		end := data[len(data)-t.bytes(rows*cols):]
		stored = append(stored,
			&Quantized{Rows: rows, Cols: cols, Ints: t, Data: end, BlockRows: 1, BlockCols: 16, Scale: scale},
			&Quantized{Rows: rows, Cols: cols, Ints: t, Data: end, BlockRows: rows, BlockCols: 1, Scale: scale[len(scale)-cols:], Zero: end})
	}
	for _, s := range stored {
		e.GemmStored(2, cols, rows, a[:2*rows], rows, false, s, false, c[:2*cols], cols, false)
		e.GemmStored(2, rows, cols, a[:2*cols], cols, false, s, true, c[:2*rows], rows, false)
	}
}

// A weight that lies in a mapped file at any byte offset is used where it lies.
func TestUnalignedMappedWeights(t *testing.T) {
	const m, n, k = 20, 40, 50
	f := newFence(t, n*k+1)
	for shift := range 4 {
		bytes := f.mem[f.page+shift:][: 4*n*k : 4*n*k]
		b := unsafe.Slice((*float32)(unsafe.Pointer(&bytes[0])), n*k)
		a := random(1, m*k)
		engines(t, func(t *testing.T, e *Engine) {
			if e.Kind() == Go && shift > 0 {
				t.Skip("Go needs float32s at multiples of 4 on some machines")
			}
			copy(bytes, unsafe.Slice((*byte)(unsafe.Pointer(&random(2, n*k)[0])), 4*n*k))
			for _, tb := range []bool{false, true} {
				got, want := make([]float32, m*n), make([]float32, m*n)
				ldb := n
				if tb {
					ldb = k
				}
				e.Gemm(m, n, k, a, k, false, b, ldb, tb, got, n, false)
				e.Gemm(m, n, k, a, k, false, random(2, n*k), ldb, tb, want, n, false)
				if i := firstDifference(want, got); i >= 0 {
					t.Fatalf("shifted by %d bytes, transB=%t: element %d is %g, want %g", shift, tb, i, got[i], want[i])
				}
			}
		})
	}
}
