package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// evens emits evensWWW: dst[i] = src[2i], in whole registers: n is a multiple of
// their lanes, may be 0, and 2n elements of src are read.
func evens(v isa) {
	TEXT("evens"+v.name, NOSPLIT, "func(n int, src *float32, dst *float32)")
	Doc("evens" + v.name + " takes every other element.")
	n, src, dst := pointer("n"), pointer("src"), pointer("dst")
	w, order := v.bytes(), v.reg[2]
	if v.masks {
		VMOVDQU32(sequence("evennumbers", 2), order)
	}
	v.wholes(n, func() {
		VMOVUPS(Mem{Base: src}, v.reg[0])
		if v.masks {
			VPERMT2PS(Mem{Base: src, Disp: w}, order, v.reg[0])
		} else { // in each half: two of the first register, two of the second
			VMOVUPS(Mem{Base: src, Disp: w}, v.reg[1])
			VSHUFPS(Imm(0x88), v.reg[1], v.reg[0], v.reg[0])
			VPERMPD(Imm(0xd8), v.reg[0], v.reg[0])
		}
		VMOVUPS(v.reg[0], Mem{Base: dst})
		ADDQ(I32(int32(2*w)), src)
		ADDQ(I32(int32(w)), dst)
	})
}

// largest emits largestWWW, in whole registers: where x[i] > best[i], or at[i] is
// negative, best[i] = x[i] and at[i] = first + i·step.
func largest(v isa) {
	TEXT("largest"+v.name, NOSPLIT, "func(n int, x *float32, first int, step int, best *float32, at *int32)")
	Doc("largest" + v.name + " keeps the larger of two elements, and where it is from.")
	n, x, best, at := pointer("n"), pointer("x"), pointer("best"), pointer("at")
	index, more, xs, bs, as := v.reg[0], v.reg[1], v.reg[2], v.reg[3], v.reg[4]
	spread := func(param string, r vec) {
		p, err := Param(param).Resolve()
		if err != nil {
			panic(err)
		}
		VPBROADCASTD(p.Addr, r)
	}
	spread("step", more)
	spread("first", index)
	VPMULLD(sequence("numbers", 1), more, xs)
	VPADDD(xs, index, index)
	shift := uint64(4)
	if !v.masks {
		shift = 3
	}
	VPSLLD(Imm(shift), more, more)
	v.wholes(n, func() {
		VMOVUPS(Mem{Base: x}, xs)
		VMOVUPS(Mem{Base: best}, bs)
		const greater = 0x1e // and neither is a NaN
		if v.masks {
			VMOVDQU32(Mem{Base: at}, as)
			VCMPPS(Imm(greater), bs, xs, reg.K1)
			VPMOVD2M(as, reg.K2)
			KORW(reg.K1, reg.K2, reg.K1)
			VMOVUPS(xs, reg.K1, Mem{Base: best})
			VMOVDQU32(index, reg.K1, Mem{Base: at})
		} else {
			VCMPPS(Imm(greater), bs, xs, bs)
			VORPS(Mem{Base: at}, bs, bs) // only signs count from here on
			VMASKMOVPS(xs, bs, Mem{Base: best})
			VPMASKMOVD(index, bs, Mem{Base: at})
		}
		VPADDD(more, index, index)
		for _, p := range []reg.Register{x, best, at} {
			ADDQ(I32(int32(v.bytes())), p)
		}
	})
}

// sequence is 0, step, 2·step … in sixteen words.
func sequence(name string, step int) Mem {
	if m, ok := sequences[name]; ok {
		return m
	}
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(uint32(i*step)))
	}
	sequences[name] = m
	return m
}

var sequences = map[string]Mem{}
