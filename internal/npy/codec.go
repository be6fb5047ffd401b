package npy

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Encode returns the array as the bytes of a .npy file, version 1.0.
func Encode(a Array) ([]byte, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	b, err := appendHeader(make([]byte, 0, len(a.Data)+4*align), a.DType, a.Shape)
	if err != nil {
		return nil, err
	}
	return append(b, a.Data...), nil
}

// Decode reads the bytes of a .npy file, version 1 to 3. Big-endian elements
// are swapped and Fortran order is transposed. The array may share memory with
// b.
func Decode(b []byte) (Array, error) {
	h, data, err := parseHeader(b)
	if err != nil {
		return Array{}, err
	}
	item, err := itemSize(h.descr)
	if err != nil {
		return Array{}, err
	}
	want, err := byteSize(h.shape, item)
	if err != nil {
		return Array{}, err
	}
	if want != len(data) {
		return Array{}, fmt.Errorf("npy: shape %v of %s needs %d bytes, the file has %d", h.shape, h.descr, want, len(data))
	}
	unit := item
	if h.descr[0] == 'U' {
		unit = 4 // a string is a row of 4-byte code points
	}
	if h.big && unit > 1 {
		data = swapped(data, unit)
	}
	if h.fortran && len(h.shape) > 1 && want > 0 {
		data = transposed(data, h.shape, item)
	}
	return Array{DType: h.descr, Shape: h.shape, Data: data}, nil
}

// swapped returns a copy of data with the bytes of every unit reversed.
func swapped(data []byte, unit int) []byte {
	out := slices.Clone(data)
	for i := 0; i+unit <= len(out); i += unit {
		slices.Reverse(out[i : i+unit])
	}
	return out
}

// transposed returns Fortran-ordered data in C order. It walks the output in
// order and keeps the input offset as an odometer of the axes.
func transposed(data []byte, shape []int, item int) []byte {
	stride := make([]int, len(shape))
	n := item
	for i, d := range shape {
		stride[i] = n
		n *= d
	}
	out := make([]byte, 0, len(data))
	index := make([]int, len(shape))
	for from := 0; len(out) < len(data); {
		out = append(out, data[from:from+item]...)
		for i := len(shape) - 1; i >= 0; i-- {
			index[i]++
			from += stride[i]
			if index[i] < shape[i] {
				break
			}
			from -= stride[i] * shape[i]
			index[i] = 0
		}
	}
	return out
}

// elem reads the little-endian unsigned integer of the given width at the
// start of b.
func elem(b []byte, width int) uint64 {
	switch width {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}
