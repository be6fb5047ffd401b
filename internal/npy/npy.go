// Package npy reads and writes NumPy's array files: .npy holds one array,
// .npz is a zip archive of them.
//
// The format is described in numpy/lib/format.py ("Format Version 1.0" to
// "3.0"). Files are byte for byte what NumPy 2 writes for .npy; .npz archives
// are stored without compression, in the given order and with a fixed time, so
// equal arrays make equal files.
package npy

import (
	"fmt"
	"strconv"
	"strings"
)

// Array is a dense array.
//
// DType is NumPy's short name without the byte order: f2 f4 f8, i1 i2 i4 i8,
// u1 u2 u4 u8, b1 (one byte, 0 or 1) or U<n> (n code points of four bytes,
// padded with zeros). Shape is empty for a scalar. Data is little endian in C
// order: the last axis moves fastest.
type Array struct {
	DType string
	Shape []int
	Data  []byte
}

// maxRank is NumPy's own limit (NPY_MAXDIMS of NumPy 2).
const maxRank = 64

// Len returns the number of elements, the product of the shape.
func (a Array) Len() int {
	n := 1
	for _, d := range a.Shape {
		n *= d
	}
	return n
}

// Check reports whether the dtype is known and the shape fits the data.
func (a Array) Check() error {
	size, err := itemSize(a.DType)
	if err != nil {
		return err
	}
	want, err := byteSize(a.Shape, size)
	if err != nil {
		return err
	}
	if want != len(a.Data) {
		return fmt.Errorf("npy: shape %v of %s needs %d bytes, the data has %d", a.Shape, a.DType, want, len(a.Data))
	}
	return nil
}

// itemSize returns the bytes of one element.
func itemSize(dtype string) (int, error) {
	switch dtype {
	case "i1", "u1", "b1":
		return 1, nil
	case "f2", "i2", "u2":
		return 2, nil
	case "f4", "i4", "u4":
		return 4, nil
	case "f8", "i8", "u8":
		return 8, nil
	}
	if digits, ok := strings.CutPrefix(dtype, "U"); ok {
		n, err := strconv.Atoi(digits)
		if err == nil && n >= 1 && n <= 1<<24 && strconv.Itoa(n) == digits {
			return 4 * n, nil
		}
	}
	return 0, fmt.Errorf("npy: unsupported dtype %q; the supported ones are f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 and U<n>", dtype)
}

// byteSize returns the product of shape and item size, or an error if the
// shape is negative, too deep, or its size does not fit an int.
func byteSize(shape []int, item int) (int, error) {
	const maxInt = int(^uint(0) >> 1)
	if len(shape) > maxRank {
		return 0, fmt.Errorf("npy: rank %d is over the limit of %d", len(shape), maxRank)
	}
	// NumPy refuses a shape whose non-zero dimensions overflow even if another
	// dimension is zero; so do we, and Len cannot overflow.
	n, zero := max(item, 1), item == 0
	for _, d := range shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("npy: negative dimension %d in shape %v", d, shape)
		case d == 0:
			zero = true
		case n > maxInt/d:
			return 0, fmt.Errorf("npy: shape %v does not fit in memory", shape)
		default:
			n *= d
		}
	}
	if zero {
		return 0, nil
	}
	return n, nil
}
