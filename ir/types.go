package ir

import (
	"slices"
	"strings"
)

// DType is an element type, numbered as ONNX numbers it.
type DType uint8

// The element types of ONNX.
const (
	Undefined  DType = 0
	Float      DType = 1
	Uint8      DType = 2
	Int8       DType = 3
	Uint16     DType = 4
	Int16      DType = 5
	Int32      DType = 6
	Int64      DType = 7
	String     DType = 8
	Bool       DType = 9
	Float16    DType = 10
	Double     DType = 11
	Uint32     DType = 12
	Uint64     DType = 13
	Complex64  DType = 14
	Complex128 DType = 15
	BFloat16   DType = 16
	Float8E4M3 DType = 17
	Float8E4B  DType = 18
	Float8E5M2 DType = 19
	Float8E5B  DType = 20
	Uint4      DType = 21
	Int4       DType = 22
	Float4     DType = 23
	Float8E8M0 DType = 24
	Uint2      DType = 25
	Int2       DType = 26
)

var dtypes = [...]struct {
	name string
	bits int
}{
	{"undefined", 0},
	{"float", 32},
	{"uint8", 8},
	{"int8", 8},
	{"uint16", 16},
	{"int16", 16},
	{"int32", 32},
	{"int64", 64},
	{"string", 0},
	{"bool", 8},
	{"float16", 16},
	{"double", 64},
	{"uint32", 32},
	{"uint64", 64},
	{"complex64", 64},
	{"complex128", 128},
	{"bfloat16", 16},
	{"float8e4m3fn", 8},
	{"float8e4m3fnuz", 8},
	{"float8e5m2", 8},
	{"float8e5m2fnuz", 8},
	{"uint4", 4},
	{"int4", 4},
	{"float4e2m1", 4},
	{"float8e8m0", 8},
	{"uint2", 2},
	{"int2", 2},
}

// String returns the ONNX text name: "float", "int64", "bfloat16".
func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return "undefined"
}

// ParseDType returns the element type of the given ONNX text name.
func ParseDType(name string) (DType, bool) {
	for i, d := range dtypes {
		if d.name == name && i > 0 {
			return DType(i), true
		}
	}
	return Undefined, false
}

// Bits returns the size of an element, 0 if it has no fixed size.
func (d DType) Bits() int {
	if int(d) < len(dtypes) {
		return dtypes[d].bits
	}
	return 0
}

// IsFloat reports whether d is a floating point type: one that relevance can
// flow through.
func (d DType) IsFloat() bool {
	switch d {
	case Float, Double, Float16, BFloat16:
		return true
	}
	return false
}

// IsInt reports whether d is an integer type.
func (d DType) IsInt() bool {
	switch d {
	case Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Int4, Uint4, Int2, Uint2:
		return true
	}
	return false
}

// Type is an element type and a shape. A nil Shape is an unknown rank; an
// empty one is a scalar.
type Type struct {
	Elem  DType
	Shape []Dim
}

// TypeOf returns a type with the given dimensions; negative ones are unknown.
func TypeOf(elem DType, dims ...int64) Type {
	t := Type{Elem: elem, Shape: make([]Dim, len(dims))}
	for i, d := range dims {
		t.Shape[i] = N(d)
	}
	return t
}

// Rank returns the number of dimensions, -1 if unknown.
func (t Type) Rank() int {
	if t.Shape == nil {
		return -1
	}
	return len(t.Shape)
}

// Static returns the shape as numbers, and whether all of it is known.
func (t Type) Static() ([]int, bool) {
	if t.Shape == nil {
		return nil, false
	}
	s := make([]int, len(t.Shape))
	for i, d := range t.Shape {
		n, ok := d.Num()
		if !ok {
			return nil, false
		}
		s[i] = int(n)
	}
	return s, true
}

// WithElem returns t with another element type.
func (t Type) WithElem(d DType) Type { return Type{d, t.Shape} }

// Equal reports whether t and u are the same type.
func (t Type) Equal(u Type) bool {
	return t.Elem == u.Elem && (t.Shape == nil) == (u.Shape == nil) && slices.Equal(t.Shape, u.Shape)
}

// String returns the ONNX text form: "float[B,S,8]", "float" for a scalar,
// "float[]" for an unknown rank.
func (t Type) String() string {
	switch {
	case t.Shape == nil:
		return t.Elem.String() + "[]"
	case len(t.Shape) == 0:
		return t.Elem.String()
	}
	s := make([]string, len(t.Shape))
	for i, d := range t.Shape {
		s[i] = d.String()
	}
	return t.Elem.String() + "[" + strings.Join(s, ",") + "]"
}
