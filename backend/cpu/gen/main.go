// Command gen writes the amd64 assembly of package cpu with avo. It has its own
// module, so that avo is no dependency of the toolkit; `go generate ./backend/cpu` runs it.
package main

import (
	. "github.com/mmcloughlin/avo/build"
)

func main() {
	ConstraintExpr("amd64,!purego")
	pause()
	prefetch()
	peak(zmm)
	peak(ymm)
	for mr := 1; mr <= 14; mr++ {
		tile(zmm, mr, false)
		tile(zmm, mr, true)
	}
	for mr := 1; mr <= 6; mr++ {
		tile(ymm, mr, false)
		tile(ymm, mr, true)
	}
	for _, v := range []isa{zmm, ymm} {
		packN(v)
		dots(v)
		axpys(v)
		transpose(v)
		widen(v)
		shifts(v)
		evens(v)
		largest(v)
		compare(v)
		choose(v)
		windows(v)
		elementwise(v)
		rowKernels(v)
	}

	Generate()
}

// pause emits a rest of a few dozen cycles for polling loops.
func pause() {
	TEXT("pause", NOSPLIT, "func()")
	Doc("pause rests for a few dozen cycles: for polling loops.")
	for range 4 {
		PAUSE()
	}
	RET()
}

// peak emits n rounds of independent FMAs, 24 with AVX-512 and 14 with AVX2: the
// speed limit that the benchmarks state their results against.
func peak(v isa) {
	TEXT("peak"+v.name, NOSPLIT, "func(n int)")
	Doc("peak" + v.name + " runs n rounds of independent fused multiply-adds: the benchmarks' yardstick.")
	n := Load(Param("n"), GP64())
	sums := 24
	if !v.masks {
		sums = 14
	}
	for i := range v.reg {
		v.zero(v.reg[i])
	}
	last := len(v.reg) - 1
	Label("loop")
	for i := range sums {
		VFMADD231PS(v.reg[last], v.reg[last-1], v.reg[i])
	}
	DECQ(n)
	JNZ(labelRef("loop"))
	finish()
}
