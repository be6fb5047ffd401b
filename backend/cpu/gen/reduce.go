package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// partials is the number of partial results of a reduction: element i goes to
// partial i mod 32, whatever the width of a register, and partials are added in
// halves. So both instruction sets and the portable code give the same bits.
const partials = 32

// reduced is a kernel from many elements to one number. add takes the inputs in
// r[0:], and adds to acc; narrow says that r holds fewer elements than lanes, under the mask.
type reduced struct {
	name    string
	params  string
	ins     []string
	scalars []string
	out     string // where there is one: r[0] after add is stored
	consts  []float64
	join    func(v mathISA) join // of two partials
	first   bool                 // partials start with the first element instead of 0
	add     func(v mathISA, acc vec, r, s []vec, narrow bool)
}

// rowKernels emits the reductions.
func rowKernels(v isa) {
	for _, k := range reductions {
		reduction(v, k)
	}
}

// reduction keeps the accumulators in registers 0 to 3, scalars in 12 to 13, the
// rest of an iteration in 4 to 11.
func reduction(v isa, k reduced) {
	TEXT(k.name+v.name, NOSPLIT, "func(n int, "+k.params+") float32")
	Doc(fmt.Sprintf("%s%s: see kernels.", k.name, v.name))
	n := pointer("n")
	at := map[string]reg.GPVirtual{}
	ptrs := append([]string{}, k.ins...)
	if k.out != "" {
		ptrs = append(ptrs, k.out)
	}
	for _, p := range ptrs {
		at[p] = pointer(p)
	}
	m := v.withConsts(k.consts)
	scalars := v.reg[firstScalar : firstScalar+len(k.scalars)]
	for i, s := range k.scalars {
		v.spread(s, scalars[i])
	}
	accs := partials / v.lanes
	w := v.bytes()
	for i := range accs {
		if k.first {
			VBROADCASTSS(Mem{Base: at[k.ins[0]]}, v.reg[i])
			continue
		}
		v.zero(v.reg[i])
	}
	one := func(acc, disp int, load func(Mem, vec), store func(vec, Mem), narrow bool) {
		r := v.reg[4:11]
		for i, p := range k.ins {
			load(Mem{Base: at[p], Disp: disp}, r[i])
		}
		k.add(m, v.reg[acc], r, scalars, narrow)
		if k.out != "" {
			store(r[0], Mem{Base: at[k.out], Disp: disp})
		}
	}
	advance := func(bytes int) {
		for _, p := range ptrs {
			ADDQ(I32(int32(bytes)), at[p])
		}
	}
	load := func(a Mem, r vec) { VMOVUPS(a, r) }
	store := func(r vec, a Mem) { VMOVUPS(r, a) }
	SUBQ(Imm(partials), n)
	JLT(labelRef("rest"))
	Label("loop")
	for i := range accs {
		one(i, i*w, load, store, false)
	}
	advance(partials * 4)
	SUBQ(Imm(partials), n)
	JGE(labelRef("loop"))
	Label("rest")
	ADDQ(Imm(partials), n)
	for i := range accs {
		tail := fmt.Sprintf("tail%d", i)
		CMPQ(n, Imm(uint64(v.lanes)))
		JLT(labelRef(tail))
		if i < accs-1 {
			one(i, 0, load, store, false)
			advance(w)
			SUBQ(Imm(uint64(v.lanes)), n)
		}
	}
	for i := range accs {
		Label(fmt.Sprintf("tail%d", i))
		TESTQ(n, n)
		JZ(labelRef("total"))
		v.mask(n)
		one(i, 0, v.loadTail, v.storeTail, true)
		if i < accs-1 {
			JMP(labelRef("total"))
		}
	}
	Label("total")
	for h := accs / 2; h > 0; h /= 2 {
		for i := range h {
			k.join(m)(v.reg[i], v.reg[i+h], v.reg[i], v.reg[5])
		}
	}
	v.fold(k.join(m), v.reg[0], v.reg[4], v.reg[5])
	Store(v.reg[0].AsX(), ReturnIndex(0))
	finish()
}

// clearTail zeroes the elements beyond a narrow register, where r was computed
// from the zeroes loaded there.
func (v mathISA) clearTail(r, t vec) {
	v.zero(t)
	v.fillTail(r, t)
}

func sum(mathISA) join { return plus }

func extreme(op func(...Op)) func(v mathISA) join {
	return func(v mathISA) join {
		return func(x, y, dst, t vec) { v.extreme(op, x, y, dst, t) }
	}
}

// topOf is max or min that keeps a NaN of either operand in acc.
func topOf(op func(...Op)) func(v mathISA, acc vec, r, s []vec, narrow bool) {
	return func(v mathISA, acc vec, r, s []vec, narrow bool) {
		if narrow {
			v.fillTail(r[0], acc)
		}
		v.extreme(op, acc, r[0], acc, r[1])
	}
}

var reductions = []reduced{
	{
		name: "sum", params: "x *float32", ins: names("x"), join: sum,
		add: func(v mathISA, acc vec, r, s []vec, narrow bool) { VADDPS(r[0], acc, acc) },
	},
	{
		name: "sumSquares", params: "x *float32", ins: names("x"), join: sum,
		add: func(v mathISA, acc vec, r, s []vec, narrow bool) { VFMADD231PS(r[0], r[0], acc) },
	},
	{
		name: "sumAbs", params: "x *float32", ins: names("x"), join: sum,
		add: func(v mathISA, acc vec, r, s []vec, narrow bool) {
			VANDPS(bits(absBits), r[0], r[0])
			VADDPS(r[0], acc, acc)
		},
	},
	{name: "maxOf", params: "x *float32", ins: names("x"), join: extreme(VMAXPS), first: true, add: topOf(VMAXPS)},
	{name: "minOf", params: "x *float32", ins: names("x"), join: extreme(VMINPS), first: true, add: topOf(VMINPS)},
	{
		name: "dot", params: "x *float32, y *float32", ins: names("x y"), join: sum,
		add: func(v mathISA, acc vec, r, s []vec, narrow bool) { VFMADD231PS(r[0], r[1], acc) },
	},
	{
		name: "sqDev", params: "x *float32, mean float32", ins: names("x"), scalars: names("mean"), join: sum,
		add: func(v mathISA, acc vec, r, s []vec, narrow bool) {
			VSUBPS(s[0], r[0], r[0])
			if narrow {
				v.clearTail(r[0], r[1])
			}
			VFMADD231PS(r[0], r[0], acc)
		},
	},
	{
		name: "expSum", params: "x *float32, top float32, y *float32", ins: names("x"), scalars: names("top"), out: "y", consts: expConsts, join: sum,
		add: func(v mathISA, acc vec, r, s []vec, narrow bool) {
			VSUBPS(s[0], r[0], r[0])
			v.exp(r[0], r[1], r[2])
			if narrow {
				v.clearTail(r[0], r[1])
			}
			VADDPS(r[0], acc, acc)
		},
	},
}
