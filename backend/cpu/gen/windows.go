package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// windows emits windowsWWW: n > 0 registers are put together of pieces of memory,
// each under a mask of its own, and written to dst, dstStep elements apart. A part
// is 48 bytes: the index of what the first lane would read, the mask as bits, a word
// that is not 0 in the last part of a register, and the mask as eight words. The list
// of parts starts at from; after its end it begins anew, step elements further on in
// src. Nothing that no mask covers is read.
func windows(v isa) {
	TEXT("windows"+v.name, NOSPLIT, "func(n int, src *float32, step int, parts *uint64, from *uint64, end *uint64, dst *float32, dstStep int)")
	Doc("windows" + v.name + " puts registers together of pieces under masks.")
	n, src, step := pointer("n"), pointer("src"), bytesOf("step")
	parts, part, end := pointer("parts"), pointer("from"), pointer("end")
	dst, dstStep := pointer("dst"), bytesOf("dstStep")
	at := GP64()
	sum, piece := v.reg[0], v.reg[1]
	load := func(first bool) {
		MOVQ(Mem{Base: part}, at)
		m := Mem{Base: src, Index: at, Scale: 4}
		switch {
		case !v.masks:
			VMOVUPS(Mem{Base: part, Disp: 16}, v.reg[2])
			to := sum
			if !first {
				to = piece
			}
			VMASKMOVPS(m, v.reg[2], to)
			if !first {
				VORPS(piece, sum, sum)
			}
		case first:
			KMOVW(Mem{Base: part, Disp: 8}, reg.K1)
			VMOVUPS_Z(m, reg.K1, sum)
		default:
			KMOVW(Mem{Base: part, Disp: 8}, reg.K1)
			VMOVUPS(m, reg.K1, sum)
		}
		ADDQ(Imm(partBytes), part)
		CMPL(Mem{Base: part, Disp: 12 - partBytes}, Imm(0))
	}
	Label("next")
	load(true)
	JNE(labelRef("store"))
	Label("more")
	load(false)
	JEQ(labelRef("more"))
	Label("store")
	VMOVUPS(sum, Mem{Base: dst})
	ADDQ(dstStep, dst)
	CMPQ(part, end)
	JNE(labelRef("same"))
	MOVQ(parts, part)
	ADDQ(step, src)
	Label("same")
	DECQ(n)
	JNZ(labelRef("next"))
	finish()
}

const partBytes = 48
