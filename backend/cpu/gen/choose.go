package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Predicates of VCMPPS: ordered, so that a NaN is nothing, and quiet.
var predicates = []struct {
	name string
	code uint64
}{{"less", 0x11}, {"lessOrEqual", 0x12}, {"equal", 0x00}, {"greater", 0x1e}, {"greaterOrEqual", 0x1d}}

// compare emits less512 and so on, with VV or VS for two vectors or a vector and a
// number: bytes of 1 where the comparison holds, else 0. In whole registers: n is a
// multiple of their lanes, and may be 0.
func compare(v isa) {
	for _, p := range predicates {
		compareForm(v, p.name+"VV", p.code, "y *float32")
		compareForm(v, p.name+"VS", p.code, "y float32")
	}
}

func compareForm(v isa, name string, code uint64, y string) {
	TEXT(name+v.name, NOSPLIT, "func(n int, x *float32, "+y+", dst *uint8)")
	Doc(name + v.name + " compares element by element.")
	n, x, dst := pointer("n"), pointer("x"), pointer("dst")
	xs, ys, ones := v.reg[0], v.reg[1], reg.X2
	var py reg.GPVirtual
	if y == "y *float32" {
		py = pointer("y")
	} else {
		v.spread("y", ys)
	}
	VMOVDQU(bits(0x01010101), ones)
	v.wholes(n, func() {
		VMOVUPS(Mem{Base: x}, xs)
		if py != nil {
			VMOVUPS(Mem{Base: py}, ys)
			ADDQ(I32(int32(v.bytes())), py)
		}
		if v.masks {
			VCMPPS(Imm(code), ys, xs, reg.K1)
			VMOVDQU8_Z(ones, reg.K1, reg.X3)
			VMOVDQU(reg.X3, Mem{Base: dst})
		} else { // words of ones or zeros, narrowed to bytes
			VCMPPS(Imm(code), ys, xs, xs)
			VEXTRACTF128(Imm(1), xs, reg.X3)
			VPACKSSDW(reg.X3, xs.AsX(), reg.X3)
			VPACKSSWB(reg.X3, reg.X3, reg.X3)
			VPAND(ones, reg.X3, reg.X3)
			VMOVQ(reg.X3, Mem{Base: dst})
		}
		ADDQ(I32(int32(v.bytes())), x)
		ADDQ(Imm(uint64(v.lanes)), dst)
	})
}

// choose emits chooseVV512 and so on: x where the mask's byte is not 0, else y. In
// whole registers.
func choose(v isa) {
	for _, f := range []struct{ name, x, y string }{
		{"VV", "x *float32", "y *float32"}, {"VS", "x *float32", "y float32"}, {"SV", "x float32", "y *float32"},
	} {
		TEXT("choose"+f.name+v.name, NOSPLIT, "func(n int, mask *uint8, "+f.x+", "+f.y+", dst *float32)")
		Doc("choose" + f.name + v.name + " takes elements of x under the mask, and of y elsewhere.")
		n, mask, dst := pointer("n"), pointer("mask"), pointer("dst")
		xs, ys, ms, none := v.reg[0], v.reg[1], v.reg[2], v.reg[3]
		var px, py reg.GPVirtual
		if f.name[0] == 'V' {
			px = pointer("x")
		} else {
			v.spread("x", xs)
		}
		if f.name[1] == 'V' {
			py = pointer("y")
		} else {
			v.spread("y", ys)
		}
		v.zero(none)
		v.wholes(n, func() {
			VPMOVZXBD(Mem{Base: mask}, ms)
			if px != nil {
				VMOVUPS(Mem{Base: px}, xs)
				ADDQ(I32(int32(v.bytes())), px)
			}
			if py != nil {
				VMOVUPS(Mem{Base: py}, ys)
				ADDQ(I32(int32(v.bytes())), py)
			}
			to := v.reg[4]
			if v.masks {
				VPTESTMD(ms, ms, reg.K1)
				VBLENDMPS(xs, ys, reg.K1, to)
			} else {
				VPCMPEQD(none, ms, ms)
				VBLENDVPS(ms, ys, xs, to)
			}
			VMOVUPS(to, Mem{Base: dst})
			ADDQ(Imm(uint64(v.lanes)), mask)
			ADDQ(I32(int32(v.bytes())), dst)
		})
	}
}
