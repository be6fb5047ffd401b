package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// widen emits the kernels that make float32s of smaller types. They take whole
// registers only: n is a multiple of their lanes, and may be 0.
func widen(v isa) {
	halves(v, "Half", func(m Mem, r vec) { VCVTPH2PS(m, r) })
	halves(v, "Brain", func(m Mem, r vec) {
		VPMOVZXWD(m, r)
		VPSLLD(Imm(16), r, r)
	})
	for _, each := range []bool{false, true} {
		ints(v, "SignedBytes", 8, each, func(m Mem, r, _ vec) { VPMOVSXBD(m, r) })
		ints(v, "Bytes", 8, each, func(m Mem, r, _ vec) { VPMOVZXBD(m, r) })
		ints(v, "SignedNibbles", 4, each, func(m Mem, r, t vec) {
			v.nibbles(m, r, t)
			VPSLLD(Imm(28), r, r)
			VPSRAD(Imm(28), r, r)
		})
		ints(v, "Nibbles", 4, each, func(m Mem, r, t vec) {
			v.nibbles(m, r, t)
			v.and(bits(15), r)
		})
	}
}

// nibbles loads half as many bytes as r has lanes, and leaves in the low bits of
// each lane a nibble, that of the low bits first: a byte in each pair of lanes, and
// a copy of it 28 bits higher.
func (v isa) nibbles(m Mem, r, t vec) {
	VPMOVZXBQ(m, r)
	VPSLLQ(Imm(28), r, t)
	if v.masks {
		VPORQ(t, r, r)
		return
	}
	VPOR(t, r, r)
}

func (v isa) and(m Mem, r vec) {
	if v.masks {
		VPANDD(m, r, r)
		return
	}
	VPAND(m, r, r)
}

// halves emits widenNAMEWWW: float32s of 16 bits each.
func halves(v isa, name string, load func(m Mem, r vec)) {
	TEXT("widen"+name+v.name, NOSPLIT, "func(n int, src *uint16, dst *float32)")
	Doc("widen" + name + v.name + " makes float32s of halves.")
	n, src, dst := pointer("n"), pointer("src"), pointer("dst")
	v.wholes(n, func() {
		load(Mem{Base: src}, v.reg[0])
		VMOVUPS(v.reg[0], Mem{Base: dst})
		ADDQ(I32(int32(v.bytes()/2)), src)
		ADDQ(I32(int32(v.bytes())), dst)
	})
}

// ints emits scaleNAMEWWW: (integer - zero)·scale, with one zero and scale, or, for
// each, scaleEachNAMEWWW, with as many as there are integers.
func ints(v isa, name string, width int, each bool, load func(m Mem, r, t vec)) {
	params := "func(n int, src *uint8, zero float32, scale float32, dst *float32)"
	if each {
		name, params = "Each"+name, "func(n int, src *uint8, zero *float32, scale *float32, dst *float32)"
	}
	name = "scale" + name + v.name
	TEXT(name, NOSPLIT, params)
	Doc(fmt.Sprintf("%s makes float32s of integers of %d bits.", name, width))
	n, src, dst := pointer("n"), pointer("src"), pointer("dst")
	var zero, scale reg.GPVirtual
	if each {
		zero, scale = pointer("zero"), pointer("scale")
	} else {
		v.spread("zero", v.reg[2])
		v.spread("scale", v.reg[3])
	}
	v.wholes(n, func() {
		load(Mem{Base: src}, v.reg[0], v.reg[1])
		VCVTDQ2PS(v.reg[0], v.reg[0])
		if each {
			VSUBPS(Mem{Base: zero}, v.reg[0], v.reg[0])
			VMULPS(Mem{Base: scale}, v.reg[0], v.reg[0])
			ADDQ(I32(int32(v.bytes())), zero)
			ADDQ(I32(int32(v.bytes())), scale)
		} else {
			VSUBPS(v.reg[2], v.reg[0], v.reg[0])
			VMULPS(v.reg[3], v.reg[0], v.reg[0])
		}
		VMOVUPS(v.reg[0], Mem{Base: dst})
		ADDQ(I32(int32(v.lanes*width/8)), src)
		ADDQ(I32(int32(v.bytes())), dst)
	})
}

// wholes emits a loop over n elements, a register at a time.
func (v isa) wholes(n reg.GPVirtual, body func()) {
	SUBQ(Imm(uint64(v.lanes)), n)
	JLT(labelRef("end"))
	Label("loop")
	body()
	SUBQ(Imm(uint64(v.lanes)), n)
	JGE(labelRef("loop"))
	Label("end")
	finish()
}
