package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tile emits tileWWWmM: C[mr, 2 registers] (+)= A[mr,k]·B[k, 2 registers]. Of 32
// registers 28 hold C, and of 16, 12. For every k: two loads of B, and for every
// row a broadcast and two FMAs. C's columns from cols on are left alone.
//
// tileTWWWmM takes A[k,mr] instead, whose mr elements of one k are neighbours: so
// Aᵀ·B needs no transposed copy.
func tile(v isa, mr int, trans bool) {
	letter := ""
	if trans {
		letter = "T"
	}
	name := fmt.Sprintf("tile%s%sm%d", letter, v.name, mr)
	TEXT(name, NOSPLIT, "func(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, accumulate bool, cols int)")
	Doc(fmt.Sprintf("%s computes %d rows of a tile of C.", name, mr))
	k := pointer("k")
	pa, lda := pointer("a"), bytesOf("lda")
	var a rowAddress
	if !trans {
		a = newRows(mr, pa, lda)
	}
	b, ldb := pointer("b"), bytesOf("ldb")
	n := len(v.reg)
	acc := func(i, j int) vec { return v.reg[2*i+j] }
	for i := range 2 * mr {
		v.zero(v.reg[i])
	}
	step := func(u int) {
		b0, b1 := v.reg[n-4], v.reg[n-3]
		VMOVUPS(Mem{Base: b}, b0)
		VMOVUPS(Mem{Base: b, Disp: v.bytes()}, b1)
		PREFETCHT0(Mem{Base: b, Index: ldb, Scale: 8})
		if v.masks {
			PREFETCHT0(Mem{Base: b, Index: ldb, Scale: 8, Disp: 64})
		}
		ADDQ(ldb, b)
		if trans {
			PREFETCHT0(Mem{Base: pa, Index: lda, Scale: 8})
		}
		for i := range mr {
			t := v.reg[n-2+i%2]
			if trans {
				VBROADCASTSS(Mem{Base: pa, Disp: 4 * i}, t)
			} else {
				VBROADCASTSS(a.at(i, 4*u), t)
			}
			VFMADD231PS(b0, t, acc(i, 0))
			VFMADD231PS(b1, t, acc(i, 1))
		}
		if trans {
			ADDQ(lda, pa)
		}
	}
	prefetchTile(v, mr)
	const unroll = 4
	quads := GP64()
	MOVQ(k, quads)
	SHRQ(Imm(2), quads)
	JZ(labelRef("tail"))
	Label("loop")
	for u := range unroll {
		step(u)
	}
	a.advance(4 * unroll)
	DECQ(quads)
	JNZ(labelRef("loop"))
	Label("tail")
	ANDQ(Imm(unroll-1), k)
	JZ(labelRef("store"))
	Label("one")
	step(0)
	a.advance(4)
	DECQ(k)
	JNZ(labelRef("one"))
	Label("store")
	storeTile(v, mr, acc)
}

// prefetchTile fetches the rows of C while k is streamed: without, storing a tile
// of a large C waits for memory, 1.5 % of a product.
func prefetchTile(v isa, mr int) {
	c, ldc := pointer("c"), bytesOf("ldc")
	for i := range mr {
		PREFETCHT0(Mem{Base: c})
		if v.masks {
			PREFETCHT0(Mem{Base: c, Disp: 64})
		}
		if i < mr-1 {
			ADDQ(ldc, c)
		}
	}
}

// prefetch emits the fetching of rows of so many bytes each into the second-level
// cache: the piece of B that is packed next.
func prefetch() {
	TEXT("prefetch", NOSPLIT, "func(rows int, bytes int, src *float32, ld int)")
	Doc("prefetch fetches one row or more of so many bytes each, at least one, into the second-level cache.")
	rows, bytes, src, ld := pointer("rows"), pointer("bytes"), pointer("src"), bytesOf("ld")
	p, left := GP64(), GP64()
	Label("row")
	MOVQ(src, p)
	MOVQ(bytes, left)
	Label("line")
	PREFETCHT1(Mem{Base: p})
	ADDQ(Imm(64), p)
	SUBQ(Imm(64), left)
	JG(labelRef("line"))
	ADDQ(ld, src)
	DECQ(rows)
	JNZ(labelRef("row"))
	RET()
}

// storeTile writes or adds the accumulators to C, whole registers or masked ones.
func storeTile(v isa, mr int, acc func(i, j int) vec) {
	c, ldc := pointer("c"), bytesOf("ldc")
	add := GP8()
	Load(Param("accumulate"), add)
	cols := pointer("cols")
	rows := func(f func(i int, p reg.Register)) {
		p := GP64()
		MOVQ(c, p)
		for i := range mr {
			f(i, p)
			if i < mr-1 {
				ADDQ(ldc, p)
			}
		}
	}
	CMPQ(cols, Imm(uint64(2*v.lanes)))
	JLT(labelRef("masked"))
	TESTB(add, add)
	JZ(labelRef("put"))
	rows(func(i int, p reg.Register) {
		VADDPS(Mem{Base: p}, acc(i, 0), acc(i, 0))
		VADDPS(Mem{Base: p, Disp: v.bytes()}, acc(i, 1), acc(i, 1))
	})
	Label("put")
	rows(func(i int, p reg.Register) {
		VMOVUPS(acc(i, 0), Mem{Base: p})
		VMOVUPS(acc(i, 1), Mem{Base: p, Disp: v.bytes()})
	})
	finish()

	// One register at a time: the first may be whole or masked, the second masked or absent.
	Label("masked")
	for j := range 2 {
		half := func(s string) string { return fmt.Sprintf("%s%d", s, j) }
		left := GP64()
		MOVQ(cols, left)
		if j == 1 {
			SUBQ(Imm(uint64(v.lanes)), left)
			JLE(labelRef("end"))
		}
		CMPQ(left, Imm(uint64(v.lanes)))
		JLE(labelRef(half("mask")))
		MOVQ(I32(int32(v.lanes)), left)
		Label(half("mask"))
		v.mask(left)
		TESTB(add, add)
		JZ(labelRef(half("mput")))
		rows(func(i int, p reg.Register) {
			v.loadTail(Mem{Base: p, Disp: j * v.bytes()}, v.reg[len(v.reg)-2])
			VADDPS(v.reg[len(v.reg)-2], acc(i, j), acc(i, j))
		})
		Label(half("mput"))
		rows(func(i int, p reg.Register) { v.storeTail(acc(i, j), Mem{Base: p, Disp: j * v.bytes()}) })
	}
	Label("end")
	finish()
}

// packN emits packNWWW: dst[k, 2 registers] = src[k,cols], cols ≤ 2 registers.
func packN(v isa) {
	TEXT("packN"+v.name, NOSPLIT, "func(k int, cols int, src *float32, ld int, dst *float32)")
	Doc("packN" + v.name + " copies k rows of cols elements to a panel.")
	k, cols, src, ld, dst := pointer("k"), pointer("cols"), pointer("src"), bytesOf("ld"), pointer("dst")
	w := v.bytes()
	copyRow := func(label string, first, second func(Mem, vec)) {
		Label(label)
		PREFETCHT0(Mem{Base: src, Index: ld, Scale: 8})
		PREFETCHT0(Mem{Base: src, Index: ld, Scale: 8, Disp: 64})
		first(Mem{Base: src}, v.reg[0])
		VMOVUPS(v.reg[0], Mem{Base: dst})
		if second != nil {
			second(Mem{Base: src, Disp: w}, v.reg[1])
			VMOVUPS(v.reg[1], Mem{Base: dst, Disp: w})
		}
		ADDQ(ld, src)
		ADDQ(I32(int32(2*w)), dst)
		DECQ(k)
		JNZ(labelRef(label))
		finish()
	}
	whole := func(m Mem, r vec) { VMOVUPS(m, r) }
	CMPQ(cols, Imm(uint64(2*v.lanes)))
	JGE(labelRef("full"))
	CMPQ(cols, Imm(uint64(v.lanes)))
	JGE(labelRef("wide"))
	v.mask(cols)
	copyRow("narrowloop", v.loadTail, nil)
	Label("wide")
	SUBQ(Imm(uint64(v.lanes)), cols)
	v.mask(cols)
	copyRow("wideloop", whole, v.loadTail)
	Label("full")
	copyRow("fullloop", whole, whole)
}
