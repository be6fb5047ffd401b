package ir

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Tensor is a constant: an element type, a shape and the elements in row-major
// order as little-endian bytes, elements narrower than a byte packed low bits
// first, as ONNX lays them out. The bytes may be part of a mapped file and must
// not be written.
type Tensor struct {
	Elem  DType
	Shape []int
	Raw   []byte
	Strs  []string // elements of a String tensor

	// From says where the bytes lie in a file, so that an exporter can refer
	// to them instead of copying; nil for bytes in memory.
	From *Source

	// Exact are the elements before they were rounded to Elem: those of a number
	// that a formula or an attribute gave, such as 1/√2 or 0.1. It is nil where the
	// bytes are all that is known, as of everything that a file stores. Only a run in
	// double precision looks at it: Equal does not, and neither text nor ONNX has it.
	Exact []float64
}

// Source is a range of bytes in a file.
type Source struct {
	Path           string
	Offset, Length int64
}

// NewTensor returns a tensor over the given bytes. It checks that there are as
// many as type and shape need.
func NewTensor(elem DType, shape []int, raw []byte) (*Tensor, error) {
	t := &Tensor{Elem: elem, Shape: shape, Raw: raw}
	n, err := ByteSize(elem, shape)
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) != n {
		return nil, fmt.Errorf("%d bytes for %s, want %d", len(raw), t.TypeOf(), n)
	}
	return t, nil
}

// ByteSize returns the number of bytes that a tensor takes.
func ByteSize(elem DType, shape []int) (int64, error) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("negative dimension %d", d)
		}
		if d > 0 && n > math.MaxInt64/int64(d)/128 {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n *= int64(d)
	}
	if elem.Bits() == 0 {
		return 0, fmt.Errorf("elements of type %s have no fixed size", elem)
	}
	return (n*int64(elem.Bits()) + 7) / 8, nil
}

// Of returns a tensor of the given Go values.
func Of[T float32 | float64 | int64 | int32 | uint8 | int8 | bool](data []T, shape ...int) *Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(data) {
		panic(fmt.Sprintf("ir.Of: %d elements for shape %v", len(data), shape))
	}
	var z T
	raw := make([]byte, len(data)*int(unsafe.Sizeof(z)))
	copy(raw, asBytes(data))
	if shape == nil {
		shape = []int{}
	}
	return &Tensor{Elem: dtypeOf[T](), Shape: shape, Raw: raw}
}

// Scalar returns a rank-0 tensor of a floating point or integer type, which
// remembers a number that it rounds: see Tensor.Exact.
func Scalar(elem DType, x float64) (*Tensor, error) {
	raw := make([]byte, elem.Bits()/8)
	switch elem {
	case Float:
		binary.LittleEndian.PutUint32(raw, math.Float32bits(float32(x)))
	case Double:
		binary.LittleEndian.PutUint64(raw, math.Float64bits(x))
	case Float16:
		binary.LittleEndian.PutUint16(raw, F16(float32(x)))
	case BFloat16:
		binary.LittleEndian.PutUint16(raw, BF16(float32(x)))
	case Int64:
		binary.LittleEndian.PutUint64(raw, uint64(int64(x)))
	case Int32:
		binary.LittleEndian.PutUint32(raw, uint32(int32(x)))
	default:
		return nil, fmt.Errorf("no scalar of type %s", elem)
	}
	t := &Tensor{Elem: elem, Shape: []int{}, Raw: raw}
	if elem.IsFloat() {
		if rounded, _ := t.Item(); rounded != x {
			t.Exact = []float64{x}
		}
	}
	return t, nil
}

// Len returns the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// TypeOf returns the type of t.
func (t *Tensor) TypeOf() Type {
	return Type{Elem: t.Elem, Shape: Dims(t.Shape)}
}

// Dims returns the dimensions of a shape.
func Dims(shape []int) []Dim {
	dims := make([]Dim, len(shape))
	for i, d := range shape {
		dims[i] = N(int64(d))
	}
	return dims
}

// Float64s returns the elements of a numeric or boolean tensor as float64.
// Integers beyond 2⁵³ lose digits.
func (t *Tensor) Float64s() ([]float64, error) {
	out := make([]float64, t.Len())
	le := binary.LittleEndian
	switch t.Elem {
	case Float:
		for i := range out {
			out[i] = float64(math.Float32frombits(le.Uint32(t.Raw[4*i:])))
		}
	case Double:
		for i := range out {
			out[i] = math.Float64frombits(le.Uint64(t.Raw[8*i:]))
		}
	case Float16:
		for i := range out {
			out[i] = float64(FromF16(le.Uint16(t.Raw[2*i:])))
		}
	case BFloat16:
		for i := range out {
			out[i] = float64(FromBF16(le.Uint16(t.Raw[2*i:])))
		}
	case Float8E4M3, Float8E4B, Float8E5M2, Float8E5B, Float8E8M0:
		for i := range out {
			out[i] = FromSmall(t.Elem, t.Raw[i])
		}
	case Float4:
		for i := range out {
			out[i] = FromSmall(t.Elem, t.Raw[i/2]>>(4*(i%2))&15)
		}
	case Uint64:
		for i := range out {
			out[i] = float64(le.Uint64(t.Raw[8*i:]))
		}
	default:
		ints, err := t.Int64s()
		if err != nil {
			return nil, err
		}
		for i, v := range ints {
			out[i] = float64(v)
		}
	}
	return out, nil
}

// Float32s returns the elements of a floating point, integer or boolean tensor
// as float32, without a copy if that is what they are and they are aligned.
func (t *Tensor) Float32s() ([]float32, error) {
	if t.Elem == Float && (len(t.Raw) == 0 || uintptr(unsafe.Pointer(&t.Raw[0]))%4 == 0) {
		return viewAs[float32](t.Raw), nil
	}
	f, err := t.Float64s()
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(f))
	for i, x := range f {
		out[i] = float32(x)
	}
	return out, nil
}

// Int64s returns the elements of an integer or boolean tensor: 0 and 1 for a
// boolean, and for a uint64 its bits.
func (t *Tensor) Int64s() ([]int64, error) {
	out := make([]int64, t.Len())
	le := binary.LittleEndian
	switch t.Elem {
	case Int64, Uint64:
		for i := range out {
			out[i] = int64(le.Uint64(t.Raw[8*i:]))
		}
	case Int32:
		for i := range out {
			out[i] = int64(int32(le.Uint32(t.Raw[4*i:])))
		}
	case Uint32:
		for i := range out {
			out[i] = int64(le.Uint32(t.Raw[4*i:]))
		}
	case Int16:
		for i := range out {
			out[i] = int64(int16(le.Uint16(t.Raw[2*i:])))
		}
	case Uint16:
		for i := range out {
			out[i] = int64(le.Uint16(t.Raw[2*i:]))
		}
	case Int8:
		for i := range out {
			out[i] = int64(int8(t.Raw[i]))
		}
	case Uint8:
		for i := range out {
			out[i] = int64(t.Raw[i])
		}
	case Bool:
		for i := range out {
			if t.Raw[i] != 0 {
				out[i] = 1
			}
		}
	case Uint4:
		for i := range out {
			out[i] = int64(t.Raw[i/2] >> (4 * (i % 2)) & 15)
		}
	case Int4:
		for i := range out {
			out[i] = int64(int8(t.Raw[i/2]>>(4*(i%2))<<4) >> 4)
		}
	case Uint2:
		for i := range out {
			out[i] = int64(t.Raw[i/4] >> (2 * (i % 4)) & 3)
		}
	case Int2:
		for i := range out {
			out[i] = int64(int8(t.Raw[i/4]>>(2*(i%4))<<6) >> 6)
		}
	default:
		return nil, fmt.Errorf("elements of type %s are not integers", t.Elem)
	}
	return out, nil
}

// Item returns the only element of a one-element numeric tensor, of any rank.
func (t *Tensor) Item() (float64, bool) {
	if t == nil || t.Len() != 1 {
		return 0, false
	}
	f, err := t.Float64s()
	if err != nil {
		return 0, false
	}
	return f[0], true
}

// maxKnown bounds the integer tensors whose elements are followed during
// inference: shapes, axes, pads, never data.
const maxKnown = 64

// Known returns the elements of a small vector or scalar of integers as
// dimensions; nil if it is none, or holds a negative number.
func (t *Tensor) Known() []Dim {
	if t.Elem != Int64 && t.Elem != Int32 || len(t.Shape) > 1 || t.Len() > maxKnown {
		return nil
	}
	ints, err := t.Int64s()
	if err != nil {
		return nil
	}
	ds := make([]Dim, len(ints))
	for i, n := range ints {
		if n < 0 { // a negative number is no dimension; readers look at Data
			return nil
		}
		ds[i] = N(n)
	}
	return ds
}

// F16 rounds x to the nearest half float, ties to even, and returns its bits.
func F16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	exp := int(b>>23&0xff) - 127 + 15
	man := b & 0x7fffff
	switch {
	case b&0x7fffffff > 0x7f800000: // NaN, kept quiet
		return sign | 0x7e00
	case exp >= 31:
		return sign | 0x7c00
	case exp <= 0:
		if exp < -10 {
			return sign
		}
		man |= 0x800000
		shift := uint(14 - exp)
		half := man >> shift
		rest, mid := man&(1<<shift-1), uint32(1)<<(shift-1)
		if rest > mid || rest == mid && half&1 == 1 {
			half++
		}
		return sign | uint16(half)
	}
	half := uint32(exp)<<10 | man>>13
	rest := man & 0x1fff
	if rest > 0x1000 || rest == 0x1000 && half&1 == 1 {
		half++ // may carry into the exponent, which is right
	}
	return sign | uint16(half)
}

// FromF16 returns the value of a half float.
func FromF16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp, man := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	case exp == 0:
		v := float32(man) * (1.0 / (1 << 24))
		if sign != 0 {
			return -v
		}
		return v
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}

// BF16 rounds x to the nearest bfloat16, ties to even, and returns its bits.
func BF16(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// FromBF16 returns the value of a bfloat16.
func FromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

func dtypeOf[T any]() DType {
	var z T
	switch any(z).(type) {
	case float32:
		return Float
	case float64:
		return Double
	case int64:
		return Int64
	case int32:
		return Int32
	case uint8:
		return Uint8
	case int8:
		return Int8
	case bool:
		return Bool
	}
	panic("ir: no element type")
}

func asBytes[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	var z T
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(z)))
}

func viewAs[T any](raw []byte) []T {
	if len(raw) == 0 {
		return nil
	}
	var z T
	return unsafe.Slice((*T)(unsafe.Pointer(&raw[0])), len(raw)/int(unsafe.Sizeof(z)))
}
