package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// fn is an elementwise function of one register: emit replaces r[0] by its value
// and may use r[1] to r[5]. consts are the constants it uses most, kept in
// registers where there are enough.
type fn struct {
	name   string
	consts []float64
	emit   func(v mathISA, r []vec)
}

// mathISA adds constants to an isa.
type mathISA struct {
	isa
	loaded map[float64]vec
}

// c is a constant as an operand: a register if it was loaded, memory otherwise.
func (v mathISA) c(f float64) Op {
	if r, ok := v.loaded[f]; ok {
		return r
	}
	return num(f)
}

// withConsts loads up to 15 constants to the upper half of 32 registers.
func (v isa) withConsts(consts []float64) mathISA {
	m := mathISA{isa: v, loaded: map[float64]vec{}}
	if !v.masks {
		return m
	}
	for i, f := range consts {
		r := v.reg[31-i]
		VMOVUPS(num(f), r)
		m.loaded[f] = r
	}
	return m
}

// The constants of package cpu's constants.go.
const (
	log2e, ln2Hi, ln2Lo   = 1.44269504088896341, 0.693359375, -2.12194440e-4
	expLow, expHigh       = -104.0, 89.0
	tanhLow               = -40.0
	erfSplit, erfMax      = 1.0, 4.0
	sqrtHalf              = 0.70710678118654752
	geluLinear, geluCubic = 1.5957691216057308, 0.07135481282556868
	signBit               = 0x80000000
	absBits               = 0x7fffffff
	infinity              = 0x7f800000
	notANumber            = 0x7fc00000
	sqrtHalfBits          = 0x3f3504f3
	one                   = 1.0
)

var (
	expPoly  = []float64{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}
	erfSmall = []float64{7.85386040012e-5, -8.01019359092e-4, 5.18832772226e-3, -2.68538119872e-2, 1.12835851512e-1, -3.76126258247e-1, 1.28379165727e-1}
	erfLarge = []float64{-2.169761394e-5, 4.41472650097e-4, -4.20528476045e-3, 2.52103398496e-2, -1.08422099949e-1, -6.33216396177e-1, -1.12958031206, 1.88468018167e-4}

	// logPoly is p of ln(1+f) = f - f²/2 + f³·p for 1+f from √½ to √2 (Cephes logf).
	logPoly = []float64{7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1}

	expConsts = append([]float64{log2e, -ln2Hi, -ln2Lo, one, expLow, expHigh}, expPoly...)
)

// functions are the unary functions, in the order of package cpu's Unary.
var functions = []fn{
	{name: "neg", emit: func(v mathISA, r []vec) { VXORPS(bits(signBit), r[0], r[0]) }},
	{name: "abs", emit: func(v mathISA, r []vec) { VANDPS(bits(absBits), r[0], r[0]) }},
	{name: "square", emit: func(v mathISA, r []vec) { VMULPS(r[0], r[0], r[0]) }},
	{name: "sqrt", emit: func(v mathISA, r []vec) { VSQRTPS(r[0], r[0]) }},
	{name: "rsqrt", emit: func(v mathISA, r []vec) { VSQRTPS(r[0], r[0]); v.inverse(r[0], r[1]) }},
	{name: "reciprocal", emit: func(v mathISA, r []vec) { v.inverse(r[0], r[1]) }},
	{name: "relu", emit: func(v mathISA, r []vec) { v.zero(r[1]); VMAXPS(r[0], r[1], r[0]) }},
	{name: "exp", consts: expConsts, emit: func(v mathISA, r []vec) { v.exp(r[0], r[1], r[2]) }},
	{name: "log", consts: logPoly, emit: func(v mathISA, r []vec) { v.log(r) }},
	{name: "sigmoid", consts: expConsts, emit: func(v mathISA, r []vec) {
		VXORPS(bits(signBit), r[0], r[0])
		v.exp(r[0], r[1], r[2])
		VADDPS(v.c(one), r[0], r[0])
		v.inverse(r[0], r[1])
	}},
	{name: "silu", consts: expConsts, emit: func(v mathISA, r []vec) {
		VXORPS(bits(signBit), r[0], r[3])
		v.exp(r[3], r[1], r[2])
		VADDPS(v.c(one), r[3], r[3])
		VDIVPS(r[3], r[0], r[0])
	}},
	{name: "tanh", consts: expConsts, emit: func(v mathISA, r []vec) { v.tanh(r) }},
	{name: "erf", consts: append(append([]float64{}, expConsts...), erfLarge[:3]...), emit: func(v mathISA, r []vec) { v.erf(r[0], r[1], r[2], r[3], r[4]) }},
	{name: "gelu", consts: append(append([]float64{}, expConsts...), erfLarge[:3]...), emit: func(v mathISA, r []vec) {
		VMULPS(num(0.5), r[0], r[5])
		VMULPS(num(sqrtHalf), r[0], r[0])
		v.erf(r[0], r[1], r[2], r[3], r[4])
		VFMADD213PS(r[5], r[5], r[0])
	}},
	{name: "geluTanh", consts: expConsts, emit: func(v mathISA, r []vec) {
		VMULPS(r[0], r[0], r[3])
		VMOVUPS(num(geluCubic), r[1])
		VFMADD213PS(num(geluLinear), r[1], r[3])
		VMULPS(r[0], r[3], r[3])
		VXORPS(bits(signBit), r[3], r[3])
		v.exp(r[3], r[1], r[2])
		VADDPS(v.c(one), r[3], r[3])
		VDIVPS(r[3], r[0], r[0])
	}},
	{name: "hardSwish", consts: []float64{6, 0.5, one}, emit: func(v mathISA, r []vec) {
		VDIVPS(v.c(6), r[0], r[1])
		VADDPS(v.c(0.5), r[1], r[1])
		v.zero(r[2])
		VMAXPS(r[2], r[1], r[1])
		VMINPS(v.c(one), r[1], r[1])
		VMULPS(r[1], r[0], r[0])
	}},
}

// inverse replaces z by 1/z.
func (v mathISA) inverse(z, t vec) {
	VMOVUPS(v.c(one), t)
	VDIVPS(z, t, z)
}

// expParts splits eˣ = 2ⁿ·(1+r+r²·p): x becomes r. A NaN stays one.
func (v mathISA) expParts(x, n, p vec) {
	VMULPS(v.c(log2e), x, n)
	if v.masks {
		VRNDSCALEPS(Imm(8), n, n)
	} else {
		VROUNDPS(Imm(8), n, n)
	}
	VFMADD231PS(v.c(-ln2Hi), n, x)
	VFMADD231PS(v.c(-ln2Lo), n, x)
	VMOVUPS(v.c(expPoly[0]), p)
	for _, c := range expPoly[1:] {
		VFMADD213PS(v.c(c), x, p)
	}
}

// exp replaces x by eˣ. The bounds come first in MAXPS and MINPS, which return
// their second operand when one is NaN.
func (v mathISA) exp(x, n, p vec) {
	v.clamp(VMINPS, expHigh, x, n)
	v.clamp(VMAXPS, expLow, x, n)
	v.expParts(x, n, p)
	VFMADD213PS(v.c(one), x, p)
	VFMADD213PS(v.c(one), x, p)
	if v.masks {
		VSCALEFPS(n, p, x)
		return
	}
	// 2ⁿ in two factors, so that neither leaves the range.
	VCVTPS2DQ(n, n)
	VPSRAD(Imm(1), n, x)
	VPSUBD(x, n, n)
	for _, half := range []vec{x, n} {
		VPADDD(bits(127), half, half)
		VPSLLD(Imm(23), half, half)
	}
	VMULPS(x, p, x)
	VMULPS(n, x, x)
}

// clamp replaces x by op(bound, x), and keeps a NaN.
func (v mathISA) clamp(op func(...Op), bound float64, x, t vec) {
	b, ok := v.c(bound).(vec)
	if !ok {
		VMOVUPS(num(bound), t)
		b = t
	}
	op(x, b, x)
}

// tanh: with m = e^(-2|x|)-1 = 2ⁿ·(r+r²·p) + (2ⁿ-1), -m/(m+2) with the sign of x.
func (v mathISA) tanh(r []vec) {
	x, n, p, s, a := r[0], r[1], r[2], r[3], r[4]
	VANDPS(bits(signBit), x, s)
	VORPS(bits(signBit), x, a)
	VADDPS(a, a, a)
	v.clamp(VMAXPS, tanhLow, a, n)
	v.expParts(a, n, p)
	VMULPS(a, p, p)
	VFMADD213PS(a, a, p) // p·r·r + r
	v.pow2(n, x)
	VSUBPS(v.c(one), x, n)
	VFMADD213PS(n, x, p) // m
	VADDPS(num(2), p, n)
	VDIVPS(n, p, p)
	VANDPS(bits(absBits), p, p)
	VORPS(s, p, x)
}

// pow2 sets x to 2ⁿ; the result is normal.
func (v mathISA) pow2(n, x vec) {
	if v.masks {
		VSCALEFPS(n, v.c(one), x)
		return
	}
	VCVTPS2DQ(n, x)
	VPADDD(bits(127), x, x)
	VPSLLD(Imm(23), x, x)
}

// erf: x + x·P(x²) below 1 and 1-e^Q(|x|) above, with the sign of x.
func (v mathISA) erf(x, a, p, n, t vec) {
	VANDPS(bits(absBits), x, a)
	v.clamp(VMINPS, erfMax, a, t)
	v.horner(p, a, erfLarge)
	v.exp(p, n, t)
	VMOVUPS(v.c(one), t)
	VSUBPS(p, t, p)
	VANDPS(bits(signBit), x, n)
	VORPS(n, p, p) // large
	VMULPS(x, x, n)
	v.horner(t, n, erfSmall)
	VFMADD213PS(x, x, t) // small
	v.selectBelow(a, erfSplit, t, p, x, n)
}

// log: x = 2ⁿ·(1+f) with 1+f from √½ to √2, and ln x = n·ln2 + f - f²/2 + f³·p. Numbers
// that are not normal are scaled by 2²³ first.
func (v mathISA) log(r []vec) {
	f, n, p, z, t, x := r[0], r[1], r[2], r[3], r[4], r[5]
	VMOVUPS(f, x)
	VMULPS(num(1<<23), x, z)
	v.selectBelow(x, 0x1p-126, z, x, f, t)
	v.zero(p)
	VMOVUPS(num(23), z)
	v.selectBelow(x, 0x1p-126, z, p, p, t) // what n is to lose again
	VPSUBD(bits(sqrtHalfBits), f, n)
	VPSRAD(Imm(23), n, n)
	VPSLLD(Imm(23), n, t)
	VPSUBD(t, f, f)
	VSUBPS(num(one), f, f)
	VCVTDQ2PS(n, n)
	VSUBPS(p, n, n)
	v.horner(p, f, logPoly)
	VMULPS(f, f, z)
	VMULPS(f, p, p)
	VMULPS(z, p, p)
	VFMADD231PS(num(ln2Lo), n, p)
	VFNMADD231PS(num(0.5), z, p)
	VADDPS(p, f, f)
	VFMADD231PS(num(ln2Hi), n, f)
	v.selectBelow(x, math.Inf(1), f, x, f, t) // +∞ and NaN are their own logarithms
	VMOVUPS(bits(signBit|infinity), z)
	v.selectBelow(x, 0x1p-149, z, f, f, t)
	VMOVUPS(bits(notANumber), z)
	v.selectBelow(x, 0, z, f, f, t)
}

func (v mathISA) horner(p, x vec, coefficients []float64) {
	VMOVUPS(v.c(coefficients[0]), p)
	for _, c := range coefficients[1:] {
		VFMADD213PS(v.c(c), x, p)
	}
}

// selectBelow sets dst to yes where a < bound and to no elsewhere, NaN included.
func (v mathISA) selectBelow(a vec, bound float64, yes, no, dst, t vec) {
	const less = 1
	if v.masks {
		VCMPPS(Imm(less), v.c(bound), a, reg.K3)
		VBLENDMPS(yes, no, reg.K3, dst)
		return
	}
	VCMPPS(Imm(less), v.c(bound), a, t)
	VBLENDVPS(t, yes, no, dst)
}
