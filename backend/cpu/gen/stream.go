package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// streamed is a kernel that computes one output from some inputs, element by
// element. ins are pointers and scalars numbers, in the order of params, the
// Go parameters after n. emit gets two sets of registers in turn: its inputs
// first, the rest scratch; the result is to be in the first.
type streamed struct {
	name    string
	params  string
	ins     []string
	scalars []string
	out     string
	consts  []float64
	emit    func(v mathISA, r, s []vec)
}

// Registers 0 to 11 are two windows of six, for two vectors in flight; 12 to 14 hold scalars.
const (
	window      = 6
	firstScalar = 2 * window
)

func stream(v isa, k streamed) {
	TEXT(k.name+v.name, NOSPLIT, "func(n int, "+k.params+")")
	Doc(fmt.Sprintf("%s%s: see kernels.", k.name, v.name))
	n := pointer("n")
	at := map[string]reg.GPVirtual{}
	for _, p := range append(append([]string{}, k.ins...), k.out) {
		if _, ok := at[p]; !ok {
			at[p] = pointer(p)
		}
	}
	m := v.withConsts(k.consts)
	scalars := v.reg[firstScalar : firstScalar+len(k.scalars)]
	for i, s := range k.scalars {
		v.spread(s, scalars[i])
	}
	w := v.bytes()
	step := func(count int, load func(Mem, vec), store func(vec, Mem)) {
		for c := range count {
			r := v.reg[c*window : (c+1)*window]
			for i, p := range k.ins {
				load(Mem{Base: at[p], Disp: c * w}, r[i])
			}
			k.emit(m, r, scalars)
		}
		for c := range count {
			store(v.reg[c*window], Mem{Base: at[k.out], Disp: c * w})
		}
	}
	advance := func(count int) {
		done := map[string]bool{}
		for _, p := range append(append([]string{}, k.ins...), k.out) {
			if !done[p] {
				ADDQ(I32(int32(count*w)), at[p])
			}
			done[p] = true
		}
	}
	load := func(a Mem, r vec) { VMOVUPS(a, r) }
	store := func(r vec, a Mem) { VMOVUPS(r, a) }
	lanes := uint64(v.lanes)
	SUBQ(Imm(2*lanes), n)
	JLT(labelRef("rest"))
	Label("loop")
	step(2, load, store)
	advance(2)
	SUBQ(Imm(2*lanes), n)
	JGE(labelRef("loop"))
	Label("rest")
	ADDQ(Imm(2*lanes), n)
	CMPQ(n, Imm(lanes))
	JLT(labelRef("tail"))
	step(1, load, store)
	advance(1)
	SUBQ(Imm(lanes), n)
	Label("tail")
	TESTQ(n, n)
	JZ(labelRef("end"))
	v.mask(n)
	step(1, v.loadTail, v.storeTail)
	Label("end")
	finish()
}

// elementwise emits the unary, binary and fused kernels.
func elementwise(v isa) {
	for _, f := range functions {
		stream(v, streamed{
			name: f.name, params: "x *float32, y *float32", ins: []string{"x"}, out: "y", consts: f.consts,
			emit: func(m mathISA, r, _ []vec) { f.emit(m, r) },
		})
	}
	for _, b := range binaries {
		binary(v, b)
	}
	for _, k := range fused {
		stream(v, k)
	}
}

// op is a binary operation: dst becomes op(x, y); t is scratch.
type op struct {
	name      string
	symmetric bool
	emit      func(v mathISA, x, y, dst, t vec)
}

var binaries = []op{
	{"add", false, func(v mathISA, x, y, dst, t vec) { VADDPS(y, x, dst) }},
	{"sub", false, func(v mathISA, x, y, dst, t vec) { VSUBPS(y, x, dst) }},
	{"mul", false, func(v mathISA, x, y, dst, t vec) { VMULPS(y, x, dst) }},
	{"div", false, func(v mathISA, x, y, dst, t vec) { VDIVPS(y, x, dst) }},
	{"max", true, func(v mathISA, x, y, dst, t vec) { v.extreme(VMAXPS, x, y, dst, t) }},
	{"min", true, func(v mathISA, x, y, dst, t vec) { v.extreme(VMINPS, x, y, dst, t) }},
}

// extreme is op(x, y), and NaN if either is one: MAXPS returns its second operand, x
// here, so that only a NaN in y needs care.
func (v mathISA) extreme(op func(...Op), x, y, dst, t vec) {
	const unordered = 3
	if v.masks {
		VCMPPS(Imm(unordered), y, y, reg.K3)
		op(x, y, dst)
		VBLENDMPS(y, dst, reg.K3, dst)
		return
	}
	VCMPPS(Imm(unordered), y, y, t)
	op(x, y, dst)
	VBLENDVPS(t, y, dst, dst)
}

// binary emits the forms vector-vector, vector-number and number-vector.
func binary(v isa, b op) {
	stream(v, streamed{
		name: b.name + "VV", params: "x *float32, y *float32, dst *float32", ins: []string{"x", "y"}, out: "dst",
		emit: func(m mathISA, r, _ []vec) { b.emit(m, r[0], r[1], r[0], r[2]) },
	})
	stream(v, streamed{
		name: b.name + "VS", params: "x *float32, y float32, dst *float32", ins: []string{"x"}, scalars: []string{"y"}, out: "dst",
		emit: func(m mathISA, r, s []vec) { b.emit(m, r[0], s[0], r[0], r[2]) },
	})
	stream(v, streamed{
		name: b.name + "SV", params: "x float32, y *float32, dst *float32", ins: []string{"y"}, scalars: []string{"x"}, out: "dst",
		emit: func(m mathISA, r, s []vec) {
			x, y := s[0], r[0]
			if b.symmetric { // extreme reads y after writing dst
				x, y = y, x
			}
			b.emit(m, x, y, r[0], r[2])
		},
	})
}

func names(s string) []string { return strings.Fields(s) }

// fused are the kernels of several operations, as package cpu's kernels describes them.
var fused = []streamed{
	{
		name: "mulAdd", params: "a *float32, b *float32, c *float32, y *float32", ins: names("a b c"), out: "y",
		emit: func(v mathISA, r, s []vec) { VFMADD213PS(r[2], r[1], r[0]) },
	},
	{
		name: "axpy", params: "s float32, x *float32, y *float32", ins: names("y x"), scalars: names("s"), out: "y",
		emit: func(v mathISA, r, s []vec) { VFMADD231PS(s[0], r[1], r[0]) },
	},
	{
		name: "divEps", params: "r *float32, z *float32, y *float32, eps float32", ins: names("r z"), scalars: names("eps"), out: "y",
		emit: func(v mathISA, r, s []vec) { VADDPS(s[0], r[1], r[1]); VDIVPS(r[1], r[0], r[0]) },
	},
	{
		name: "divSignEps", params: "r *float32, z *float32, y *float32, eps float32", ins: names("r z"), scalars: names("eps"), out: "y",
		emit: func(v mathISA, r, s []vec) {
			VADDPS(num(0), r[1], r[1]) // -0 becomes 0
			VANDPS(bits(signBit), r[1], r[2])
			VORPS(s[0], r[2], r[2])
			VADDPS(r[2], r[1], r[1])
			VDIVPS(r[1], r[0], r[0])
		},
	},
	{
		name: "softVJP", params: "y *float32, gr *float32, s float32, dx *float32", ins: names("gr y"), scalars: names("s"), out: "dx",
		emit: func(v mathISA, r, s []vec) { VSUBPS(s[0], r[0], r[0]); VMULPS(r[1], r[0], r[0]) },
	},
	{
		name: "taylor", params: "x *float32, p *float32, r *float32, s float32, dx *float32", ins: names("r p x"), scalars: names("s"), out: "dx",
		emit: func(v mathISA, r, s []vec) { VFNMADD231PS(s[0], r[1], r[0]); VMULPS(r[2], r[0], r[0]) },
	},
	{
		name: "affine", params: "x *float32, mean float32, inv float32, w *float32, b *float32, y *float32", ins: names("x w b"), scalars: names("mean inv"), out: "y",
		emit: func(v mathISA, r, s []vec) {
			VSUBPS(s[0], r[0], r[0])
			VMULPS(s[1], r[0], r[0])
			VFMADD213PS(r[2], r[1], r[0])
		},
	},
	{
		name: "scaleWith", params: "x *float32, inv float32, w *float32, y *float32", ins: names("x w"), scalars: names("inv"), out: "y",
		emit: func(v mathISA, r, s []vec) { VMULPS(s[0], r[0], r[0]); VMULPS(r[1], r[0], r[0]) },
	},
}
