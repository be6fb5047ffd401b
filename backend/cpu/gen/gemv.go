package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// dots emits dotsWWW: y[i] = Σ_p b[i·ld+p]·x[p] for i < n, four rows at a time.
func dots(v isa) {
	TEXT("dots"+v.name, NOSPLIT, "func(n int, k int, b *float32, ld int, x *float32, y *float32)")
	Doc("dots" + v.name + " multiplies n rows of k elements with a vector.")
	n, b, ld, y := pointer("n"), pointer("b"), bytesOf("ld"), pointer("y")
	w := v.bytes()
	// rows: sums 2i and 2i+1 of row i; x in registers 8 and 9, products' operand in 10.
	rows := func(count int) {
		label := func(s string) string { return fmt.Sprintf("%s%d", s, count) }
		p, q, k := GP64(), pointer("x"), pointer("k")
		MOVQ(b, p)
		a := newRows(count, p, ld)
		for i := range 2 * count {
			v.zero(v.reg[i])
		}
		SUBQ(Imm(uint64(2*v.lanes)), k)
		JLT(labelRef(label("last")))
		Label(label("loop"))
		for j := range 2 {
			VMOVUPS(Mem{Base: q, Disp: j * w}, v.reg[8+j])
		}
		for i := range count {
			for j := range 2 {
				if v.masks || j == 0 {
					PREFETCHT0(a.at(i, 512+j*w))
				}
				VFMADD231PS(a.at(i, j*w), v.reg[8+j], v.reg[2*i+j])
			}
		}
		ADDQ(I32(int32(2*w)), q)
		a.advance(2 * w)
		SUBQ(Imm(uint64(2*v.lanes)), k)
		JGE(labelRef(label("loop")))
		Label(label("last"))
		ADDQ(Imm(uint64(2*v.lanes)), k)
		CMPQ(k, Imm(uint64(v.lanes)))
		JLT(labelRef(label("tail")))
		VMOVUPS(Mem{Base: q}, v.reg[8])
		for i := range count {
			VFMADD231PS(a.at(i, 0), v.reg[8], v.reg[2*i])
		}
		ADDQ(Imm(uint64(w)), q)
		a.advance(w)
		SUBQ(Imm(uint64(v.lanes)), k)
		Label(label("tail"))
		TESTQ(k, k)
		JZ(labelRef(label("reduce")))
		v.mask(k)
		v.loadTail(Mem{Base: q}, v.reg[8])
		for i := range count {
			v.loadTail(a.at(i, 0), v.reg[10])
			VFMADD231PS(v.reg[10], v.reg[8], v.reg[2*i])
		}
		Label(label("reduce"))
		for i := range count {
			VADDPS(v.reg[2*i+1], v.reg[2*i], v.reg[2*i])
			v.fold(plus, v.reg[2*i], v.reg[10], v.reg[11])
			VMOVSS(v.reg[2*i].AsX(), Mem{Base: y, Disp: 4 * i})
		}
		ADDQ(Imm(uint64(4*count)), y)
		for range count {
			ADDQ(ld, b)
		}
		SUBQ(Imm(uint64(count)), n)
	}
	Label("four")
	CMPQ(n, Imm(4))
	JLT(labelRef("one"))
	rows(4)
	JMP(labelRef("four"))
	Label("one")
	TESTQ(n, n)
	JZ(labelRef("end"))
	rows(1)
	JMP(labelRef("one"))
	Label("end")
	finish()
}

// axpys emits axpysWWW: y[j] = Σ_p x[p]·b[p·ld+j] for j < n, a strip of many registers
// of columns at a time, so that B is read in long pieces.
func axpys(v isa) {
	TEXT("axpys"+v.name, NOSPLIT, "func(n int, k int, x *float32, b *float32, ld int, y *float32)")
	Doc("axpys" + v.name + " multiplies a vector with k rows of n elements.")
	n, b, ld, y := pointer("n"), pointer("b"), bytesOf("ld"), pointer("y")
	w := v.bytes()
	strip := func(label string, count int, masked bool) {
		p, q, k := GP64(), pointer("x"), pointer("k")
		MOVQ(b, p)
		for i := range count {
			v.zero(v.reg[i])
		}
		t := v.reg[14]
		Label(label)
		VBROADCASTSS(Mem{Base: q}, v.reg[13])
		for i := range count {
			if masked {
				v.loadTail(Mem{Base: p}, t)
				VFMADD231PS(t, v.reg[13], v.reg[i])
				continue
			}
			if count > 1 && i%(64/w) == 0 {
				PREFETCHT0(Mem{Base: p, Index: ld, Scale: 4, Disp: w * i})
			}
			VFMADD231PS(Mem{Base: p, Disp: w * i}, v.reg[13], v.reg[i])
		}
		ADDQ(ld, p)
		ADDQ(Imm(4), q)
		DECQ(k)
		JNZ(labelRef(label))
		for i := range count {
			if masked {
				v.storeTail(v.reg[i], Mem{Base: y})
				continue
			}
			VMOVUPS(v.reg[i], Mem{Base: y, Disp: w * i})
		}
		ADDQ(I32(int32(w*count)), y)
		ADDQ(I32(int32(w*count)), b)
	}
	v.strips(n, 12, strip)
	finish()
}
