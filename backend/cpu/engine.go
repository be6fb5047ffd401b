package cpu

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// Kind names a set of kernels.
type Kind string

// The kernel sets. Go runs anywhere; the others are amd64 assembly.
const (
	Go     Kind = "go"
	AVX2   Kind = "avx2"
	AVX512 Kind = "avx512"
)

// Kinds lists the kernel sets that this machine can run, the fastest first.
func Kinds() []Kind {
	var ks []Kind
	for _, k := range available() {
		ks = append(ks, k.kind)
	}
	return ks
}

// Options chooses the kernels and the number of threads. The zero value means
// the fastest kernels that the processor has, on every processor.
type Options struct {
	Kind    Kind // "" is the fastest that the processor has
	Threads int  // zero or less: one per processor that Go may use
}

// Engine runs kernels of one kind on one pool of workers. Several goroutines may
// use it at once; their operations then share the workers. Results do not depend on the number of threads, to the bit.
type Engine struct {
	*Pool
	k     *kernels
	bufs  sync.Pool // *[]float32, B panels
	large sync.Pool // *[]float32, copies of A
	parts sync.Pool // *partList, of Columns
}

// New returns an engine, or an error if the processor lacks the kind asked for.
func New(o Options) (*Engine, error) {
	ks := available()
	i := 0
	if o.Kind != "" {
		i = slices.IndexFunc(ks, func(k *kernels) bool { return k.kind == o.Kind })
	}
	if i < 0 {
		return nil, fmt.Errorf("cpu kernels %q: not available on this machine; choose from %s", o.Kind, joinKinds(Kinds()))
	}
	return &Engine{Pool: NewPool(o.Threads), k: ks[i]}, nil
}

// Best returns an engine of the fastest kind on every processor.
func Best() *Engine {
	return &Engine{Pool: NewPool(0), k: available()[0]}
}

// Kind says which kernels the engine runs.
func (e *Engine) Kind() Kind { return e.k.kind }

func joinKinds(ks []Kind) string {
	s := make([]string, len(ks))
	for i, k := range ks {
		s[i] = string(k)
	}
	return strings.Join(s, ", ")
}

// kernels is one kernel set. Strides of tile, packN, packT and the matrix-vector
// kernels are in elements. All pointers must have the elements behind them that
// n, k and the strides imply; nothing else is read or written.
type kernels struct {
	kind   Kind
	mr, nr int // the largest tile of C

	tile, tileT tileFunc
	// packN copies B[kc,cols] to dst[kc,nr]; packT the transpose of B[cols,kc].
	// Columns of dst from cols on are left undefined.
	packN, packT func(kc, cols int, b []float32, ldb int, dst []float32)
	// prefetch fetches one row or more of src, bytes > 0 of each, into the cache.
	prefetch func(rows, bytes int, src *float32, ld int)
	// dots computes y[i] = Σ_p b[i·ld+p]·x[p], i < n.
	dots func(n, k int, b *float32, ld int, x, y *float32)
	// axpys computes y[j] = Σ_p x[p]·b[p·ld+j], j < n.
	axpys func(n, k int, x, b *float32, ld int, y *float32)
	// transpose writes dst[p·ldd+i] = src[i·lds+p], i < rows ≤ lanes, p < k.
	transpose func(rows, k int, src *float32, lds int, dst *float32, ldd int)
	lanes     int

	// widenHalf and widenBrain make float32s of float16 and bfloat16.
	widenHalf, widenBrain func(n int, src *uint16, dst *float32)
	// scaleInts and scaleIntsEach compute (integer - zero)·scale, n a multiple of
	// lanes; nil where portable code does it.
	scaleInts     [numInts]scaleFunc
	scaleIntsEach [numInts]scaleEachFunc

	unary  [numUnary]func(n int, x, y *float32)
	binary [numBinary]binaryKernels
	// divEps: y = r/(z+eps). divSignEps: y = r/(z+eps·sign z), sign 0 = 1.
	divEps, divSignEps func(n int, r, z, y *float32, eps float32)
	mulAdd             func(n int, a, b, c, y *float32) // y = a·b+c
	axpy               func(n int, s float32, x, y *float32)
	// evens computes dst[i] = src[2i]; largest is KeepLargest of neighbouring elements.
	// n is a multiple of lanes.
	evens   func(n int, src, dst *float32)
	largest func(n int, x *float32, first, step int, best *float32, at *int32)
	// windows writes registers that are put together of parts: see Columns.
	windows windowsFunc
	// compare and choose write bytes and elements, n a multiple of lanes.
	compare [numCompare]compareKernels
	choose  chooseKernels
	// shifts computes dst[i] = b + Σ_t w[t]·src[at[t]+i], taps ≥ 1.
	shifts func(n int, b float32, taps int, w *float32, at *int, src, dst *float32)

	reduce    [numReduce]func(n int, x *float32) float32
	dot       func(n int, x, y *float32) float32
	sqDev     func(n int, x *float32, mean float32) float32                // Σ (x-mean)²
	expSum    func(n int, x *float32, top float32, y *float32) float32     // y = e^(x-top); returns Σ y
	softVJP   func(n int, y, g *float32, s float32, dx *float32)           // dx = y·(g-s)
	taylor    func(n int, x, p, r *float32, s float32, dx *float32)        // dx = x·(r-p·s)
	affine    func(n int, x *float32, mean, inv float32, w, b, y *float32) // y = (x-mean)·inv·w+b
	scaleWith func(n int, x *float32, inv float32, w, y *float32)          // y = x·inv·w
}

// tileFunc computes C[mr,cols] = A[mr,k]·B[k,nr], or adds it to C; tileT takes
// A[k,mr]. B has nr readable columns; cols ≤ nr of C are written.
type tileFunc = func(mr, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, accumulate bool, cols int)

// windowsFunc writes n > 0 registers to dst, dstStep apart: each of parts of src up to
// the next that is the last of a register. The list of parts is read from from on; at
// end it begins anew at parts, and src moves on by step.
type windowsFunc = func(n int, src *float32, step int, parts, from, end *windowPart, dst *float32, dstStep int)

type (
	scaleFunc     = func(n int, src *byte, zero, scale float32, dst *float32)
	scaleEachFunc = func(n int, src *byte, zero, scale, dst *float32)
)

// binaryKernels are the three operand forms of one operation: two vectors, a
// vector with a number, a number with a vector.
type binaryKernels struct {
	vv func(n int, x, y, dst *float32)
	vs func(n int, x *float32, y float32, dst *float32)
	sv func(n int, x float32, y, dst *float32)
}

// at is the address of element i; ok to call with i == len(s), which is then not read.
func at(s []float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), 4*i))
}

// view is the n elements at p.
func view[T any](p *T, n int) []T { return unsafe.Slice(p, n) }

// shift is the element i places after p.
func shift(p *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i)) }

// aligned returns n floats that start on a cache line.
func aligned(n int) []float32 {
	b := make([]float32, n+15)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b)))&63) / 4
	return b[off : off+n : off+n]
}

// borrow takes a buffer of at least n floats from the pool; give it back with Put.
func borrow(p *sync.Pool, n int) *[]float32 {
	if b, ok := p.Get().(*[]float32); ok && len(*b) >= n {
		return b
	}
	b := aligned(n)
	return &b
}
