package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// shifts emits shiftsWWW: dst[i] = b + Σ_t w[t]·src[at[t]+i] for i < n. The sums of
// eight registers stay there over all taps.
func shifts(v isa) {
	TEXT("shifts"+v.name, NOSPLIT, "func(n int, b float32, taps int, w *float32, at *int, src *float32, dst *float32)")
	Doc("shifts" + v.name + " adds up vectors that begin at several places, times a number each.")
	n, src, dst := pointer("n"), pointer("src"), pointer("dst")
	bias, weight, tail := v.reg[8], v.reg[9], v.reg[10]
	v.spread("b", bias)
	w := v.bytes()
	strip := func(label string, count int, masked bool) {
		wt, at, taps, p := pointer("w"), pointer("at"), pointer("taps"), GP64()
		for i := range count {
			VMOVAPS(bias, v.reg[i])
		}
		Label(label)
		MOVQ(Mem{Base: at}, p)
		LEAQ(Mem{Base: src, Index: p, Scale: 4}, p)
		VBROADCASTSS(Mem{Base: wt}, weight)
		for i := range count {
			if masked {
				v.loadTail(Mem{Base: p}, tail)
				VFMADD231PS(tail, weight, v.reg[i])
				continue
			}
			VFMADD231PS(Mem{Base: p, Disp: w * i}, weight, v.reg[i])
		}
		ADDQ(Imm(8), at)
		ADDQ(Imm(4), wt)
		DECQ(taps)
		JNZ(labelRef(label))
		for i := range count {
			if masked {
				v.storeTail(v.reg[i], Mem{Base: dst})
				continue
			}
			VMOVUPS(v.reg[i], Mem{Base: dst, Disp: w * i})
		}
		ADDQ(I32(int32(w*count)), src)
		ADDQ(I32(int32(w*count)), dst)
	}
	v.strips(n, 8, strip)
	finish()
}
