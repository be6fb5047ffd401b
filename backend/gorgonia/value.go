package gorgonia

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"unsafe"

	"github.com/chewxy/hm"
	"github.com/lxtc/lxtc/ir"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A Value is a tensor, or a strided view of one. It is what flows through
// Gorgonia's machine.
type Value struct {
	elem    ir.DType
	shape   []int
	strides []int // in elements; nil is contiguous, row-major
	off     int   // first element
	buf     *buffer
	strs    []string // elements of a String tensor, which has no bytes
	stored  *stored  // what is read instead of elements in buf, which then is the memory behind it
	bands   *bands   // where it has nothing but zeros, if that is known
	typ     hm.Type  // what the graph's node declares
}

// A buffer is memory that values share. Borrowed ones, which hold weights and
// inputs, are never freed.
type buffer struct {
	bytes    []byte
	refs     int
	borrowed bool
	holds    []*buffer // memory of its own it then has none, and these live as long as it does
}

// borrow returns a value over the bytes of t, without a copy.
func borrow(t *ir.Tensor) *Value {
	return &Value{elem: t.Elem, shape: t.Shape, strs: t.Strs, buf: &buffer{bytes: t.Raw, borrowed: true}}
}

// Shape, Size, Data, Uintptr, MemSize, Dtype and Format make a gorgonia.Value.
func (v *Value) Shape() tensor.Shape        { return v.shape }
func (v *Value) Size() int                  { return v.len() }
func (v *Value) Data() any                  { return v.buf }
func (v *Value) MemSize() uintptr           { return uintptr(v.len()) * uintptr(size(v.elem)) }
func (v *Value) Dtype() tensor.Dtype        { return dtype(v.elem) }
func (v *Value) Type() hm.Type              { return v.typ }
func (v *Value) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%s%v", v.elem, v.shape) }

// Uintptr returns the address of the first element.
func (v *Value) Uintptr() uintptr {
	if v.buf == nil || len(v.buf.bytes) == 0 {
		return 0
	}
	return uintptr(unsafe.Pointer(&v.buf.bytes[0])) + uintptr(v.off*size(v.elem))
}

func (v *Value) len() int { return count(v.shape) }

// contiguous reports whether the elements lie one after the other.
func (v *Value) contiguous() bool {
	if v.strides == nil {
		return true
	}
	next := 1
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 && v.strides[i] != next {
			return v.len() == 0
		}
		next *= v.shape[i]
	}
	return true
}

// fits reports a shape that cannot be, or elements outside the buffer: what a
// kernel may have made of a malformed model. Everything else relies on it.
func (v *Value) fits() error {
	for _, d := range v.shape {
		if d < 0 {
			return fmt.Errorf("shape %v has a negative axis", v.shape)
		}
	}
	if v.len() == 0 || v.elem.Bits() < 8 && v.stored == nil {
		return nil
	}
	first, last := v.off, v.off
	for i, s := range v.stride() {
		first += min(0, s*(v.shape[i]-1))
		last += max(0, s*(v.shape[i]-1))
	}
	if v.stored != nil {
		return v.fitsStored(first, last)
	}
	if first < 0 || last >= len(v.buf.bytes)/size(v.elem) {
		return fmt.Errorf("shape %v reaches beyond its elements", v.shape)
	}
	return nil
}

// stride returns the strides, computed if v is contiguous.
func (v *Value) stride() []int {
	if v.strides != nil {
		return v.strides
	}
	return rowMajor(v.shape)
}

// view returns v's memory under another shape and strides.
func (v *Value) view(shape, strides []int, off int) *Value {
	return &Value{elem: v.elem, shape: shape, strides: strides, off: off, buf: v.buf, stored: v.stored}
}

// as returns the elements from v's first to the end of its buffer.
func as[T any](v *Value) []T {
	var z T
	n := len(v.buf.bytes)/int(unsafe.Sizeof(z)) - v.off
	if n <= 0 {
		return nil
	}
	first := unsafe.Pointer(&v.buf.bytes[v.off*int(unsafe.Sizeof(z))])
	return unsafe.Slice((*T)(first), n)
}

// flat returns the elements of a contiguous value.
func flat[T any](v *Value) []T { return as[T](v)[:v.len()] }

// tuple is the result of a node with several outputs.
type tuple struct {
	*Value
	outs []*Value
}

// count returns the number of elements of a shape. It panics over a shape that
// cannot be: a malformed model's.
func count(shape []int) int {
	n := uint64(1)
	for _, d := range shape {
		hi, lo := bits.Mul64(n, uint64(d)) // a negative number is a huge one
		if hi != 0 || lo > maxElements {
			panic(fmt.Sprintf("shape %v is negative or too large", shape))
		}
		n = lo
	}
	return int(n)
}

// maxElements bounds a single tensor: 2³⁴ elements are 64 GiB of float32.
const maxElements = 1 << 34

func rowMajor(shape []int) []int {
	s := make([]int, len(shape))
	next := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = next
		next *= shape[i]
	}
	return s
}

// size returns the bytes of an element of 8 bits or more.
func size(d ir.DType) int { return max(d.Bits()/8, 1) }

// Element types that Go has no name for, as Gorgonia wants a distinct type for
// each.
type (
	float16  uint16
	bfloat16 uint16
	packed4  uint8
)

func dtype(d ir.DType) tensor.Dtype {
	switch d {
	case ir.Float:
		return tensor.Float32
	case ir.Double:
		return tensor.Float64
	case ir.Int64:
		return tensor.Int64
	case ir.Int32:
		return tensor.Int32
	case ir.Int16:
		return tensor.Int16
	case ir.Int8:
		return tensor.Int8
	case ir.Uint64:
		return tensor.Uint64
	case ir.Uint32:
		return tensor.Uint32
	case ir.Uint16:
		return tensor.Uint16
	case ir.Uint8:
		return tensor.Uint8
	case ir.Bool:
		return tensor.Bool
	case ir.Float16:
		return tensor.Dtype{Type: reflect.TypeFor[float16]()}
	case ir.BFloat16:
		return tensor.Dtype{Type: reflect.TypeFor[bfloat16]()}
	}
	return tensor.Dtype{Type: reflect.TypeFor[packed4]()}
}

// nodeType is the Gorgonia type of a value of the IR. An unknown rank counts
// as 0: only equality matters, and binding sets the type that a node declares.
func nodeType(t ir.Type) hm.Type {
	return G.TensorType{Dims: max(t.Rank(), 0), Of: dtype(t.Elem)}
}

// tensorOf returns a copy of v as a tensor of the IR.
func (s *session) tensorOf(v *Value) *ir.Tensor {
	if v.stored != nil { // for somebody who watches
		c := &call{session: s}
		defer c.settle()
		v = c.unpacked(v)
	}
	t := &ir.Tensor{Elem: v.elem, Shape: slices.Clone(v.shape), Strs: v.strs}
	if v.elem.Bits() < 8 { // packed, or strings: never a view
		t.Raw = slices.Clone(v.buf.bytes)
		return t
	}
	t.Raw = make([]byte, v.len()*size(v.elem))
	s.copyTo(t.Raw, v)
	return t
}
