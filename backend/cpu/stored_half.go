package cpu

import (
	"fmt"
	"math"
	"unsafe"
)

// Half is a matrix of 16-bit floats.
type Half struct {
	Rows, Cols int
	Data       []uint16 // Rows·Cols, row-major
	Brain      bool     // bfloat16, not float16
}

// Dims returns the number of rows and columns.
func (h *Half) Dims() (rows, cols int) { return h.Rows, h.Cols }

func (h *Half) check() {
	if len(h.Data) < h.Rows*h.Cols {
		panic(fmt.Sprintf("cpu.Half: %d×%d needs %d elements and has %d", h.Rows, h.Cols, h.Rows*h.Cols, len(h.Data)))
	}
}

func (h *Half) widen(e *Engine, i, rows, j, cols int, dst []float32, ld int) {
	for r := range rows {
		h.row(e, (i+r)*h.Cols+j, cols, at(dst, r*ld))
	}
}

// at is the number at index i.
func (h *Half) at(i int) float32 {
	if h.Brain {
		return brainGo(h.Data[i])
	}
	return halfGo(h.Data[i])
}

// row writes n elements from the one at index first on.
func (h *Half) row(e *Engine, first, n int, dst *float32) {
	if h.Brain {
		e.k.widenBrain(n, &h.Data[first], dst)
		return
	}
	e.k.widenHalf(n, &h.Data[first], dst)
}

// inWholes lets a kernel that takes whole registers do those, and rest the others.
func inWholes(lanes int, whole, rest func(n int, src *uint16, dst *float32)) func(n int, src *uint16, dst *float32) {
	return func(n int, src *uint16, dst *float32) {
		w := n &^ (lanes - 1)
		whole(w, src, dst)
		if w < n {
			rest(n-w, (*uint16)(unsafe.Add(unsafe.Pointer(src), 2*w)), shift(dst, w))
		}
	}
}

func widenBrainGo(n int, src *uint16, dst *float32) {
	d := view(dst, n)
	for i, h := range unsafe.Slice(src, n) {
		d[i] = brainGo(h)
	}
}

func widenHalfGo(n int, src *uint16, dst *float32) {
	d := view(dst, n)
	for i, h := range unsafe.Slice(src, n) {
		d[i] = halfGo(h)
	}
}

// brainGo is the number that the bits of a bfloat16 stand for.
func brainGo(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// halfGo is the number that the bits of a float16 stand for. A normal number's
// exponent only changes its bias; a subnormal one counts units of 2⁻²⁴.
func halfGo(h uint16) float32 {
	sign, rest := uint32(h&0x8000)<<16, uint32(h&0x7fff)<<13
	switch {
	case h&0x7c00 == 0x7c00:
		return math.Float32frombits(sign | 0x7f800000 | rest)
	case h&0x7c00 == 0:
		return math.Float32frombits(sign | math.Float32bits(float32(h&0x3ff)*0x1p-24))
	}
	return math.Float32frombits(sign | rest + 112<<23)
}
