package npy

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Number is a Go type with a dtype of its own.
type Number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// New makes an array of the given shape from numbers in C order. A nil shape
// means one axis.
func New[T Number](shape []int, values []T) (Array, error) {
	if shape == nil {
		shape = []int{len(values)}
	}
	dtype := map[string]string{
		"float32": "f4", "float64": "f8", "bool": "b1",
		"int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8",
		"uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8",
	}[fmt.Sprintf("%T", *new(T))]
	data, err := binary.Append([]byte{}, binary.LittleEndian, values)
	if err != nil {
		return Array{}, fmt.Errorf("npy: %w", err)
	}
	a := Array{DType: dtype, Shape: shape, Data: data}
	return a, a.Check()
}

// NewStrings makes an array of strings with one axis (NumPy's dtype U). NumPy
// pads with zeros, so a string that ends in U+0000 would not come back whole;
// it is an error.
func NewStrings(values []string) (Array, error) {
	width := 1 // NumPy never makes U0
	for i, s := range values {
		if strings.HasSuffix(s, "\x00") {
			return Array{}, fmt.Errorf("npy: string %d ends in U+0000, which NumPy drops", i)
		}
		width = max(width, utf8.RuneCountInString(s))
	}
	data := make([]byte, 4*width*len(values))
	for i, s := range values {
		at := 4 * width * i
		for _, r := range s {
			binary.LittleEndian.PutUint32(data[at:], uint32(r))
			at += 4
		}
	}
	a := Array{DType: fmt.Sprintf("U%d", width), Shape: []int{len(values)}, Data: data}
	return a, a.Check()
}

// Float64s returns the elements as float64. Integers beyond 2^53 are rounded.
func (a Array) Float64s() ([]float64, error) {
	at, err := a.floatReader()
	if err != nil {
		return nil, err
	}
	out := make([]float64, a.Len())
	for i := range out {
		out[i] = at(i)
	}
	return out, nil
}

// Float32s returns the elements as float32, rounded where they need to be.
func (a Array) Float32s() ([]float32, error) {
	at, err := a.floatReader()
	if err != nil {
		return nil, err
	}
	out := make([]float32, a.Len())
	if a.DType == "f4" { // exact, and keeps the payload of a NaN
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.Data[4*i:]))
		}
		return out, nil
	}
	for i := range out {
		out[i] = float32(at(i))
	}
	return out, nil
}

// Int64s returns the elements of an integer or boolean array. An unsigned
// element above the largest int64 is an error, and so is a float array.
func (a Array) Int64s() ([]int64, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	if a.DType[0] == 'f' || a.DType[0] == 'U' {
		return nil, fmt.Errorf("npy: %s is not an integer dtype", a.DType)
	}
	width, _ := itemSize(a.DType)
	out := make([]int64, a.Len())
	for i := range out {
		u := elem(a.Data[width*i:], width)
		if a.DType[0] == 'i' {
			out[i] = signed(u, width)
			continue
		}
		if u > math.MaxInt64 {
			return nil, fmt.Errorf("npy: element %d is %d, which does not fit int64", i, u)
		}
		out[i] = int64(u)
	}
	return out, nil
}

// Strings returns the elements of a U array.
func (a Array) Strings() ([]string, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	if a.DType[0] != 'U' {
		return nil, fmt.Errorf("npy: %s is not a string dtype", a.DType)
	}
	width, _ := itemSize(a.DType)
	out := make([]string, a.Len())
	for i := range out {
		var s strings.Builder
		for cell := a.Data[width*i : width*(i+1)]; len(cell) > 0; cell = cell[4:] {
			s.WriteRune(rune(binary.LittleEndian.Uint32(cell)))
		}
		out[i] = strings.TrimRight(s.String(), "\x00")
	}
	return out, nil
}

// floatReader returns a function that reads element i as a float64.
func (a Array) floatReader() (func(i int) float64, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	width, _ := itemSize(a.DType)
	raw := func(i int) uint64 { return elem(a.Data[width*i:], width) }
	switch {
	case a.DType == "f2":
		return func(i int) float64 { return halfToFloat64(uint16(raw(i))) }, nil
	case a.DType == "f4":
		return func(i int) float64 { return float64(math.Float32frombits(uint32(raw(i)))) }, nil
	case a.DType == "f8":
		return func(i int) float64 { return math.Float64frombits(raw(i)) }, nil
	case a.DType[0] == 'i':
		return func(i int) float64 { return float64(signed(raw(i), width)) }, nil
	case a.DType[0] == 'u', a.DType == "b1":
		return func(i int) float64 { return float64(raw(i)) }, nil
	}
	return nil, fmt.Errorf("npy: %s is not a number", a.DType)
}

// signed extends the sign of a two's complement integer of the given width.
func signed(u uint64, width int) int64 {
	shift := 64 - 8*width
	return int64(u<<shift) >> shift
}

// halfToFloat64 widens an IEEE 754 binary16 number exactly.
func halfToFloat64(h uint16) float64 {
	sign, exp, frac := 1.0, int(h>>10)&31, float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}
