package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transposer emits transposeWWW: dst[p, 0:rows] = src[0:rows, p] for p < k, a square
// block at a time. The addresses of the source rows lie on the stack; those
// beyond rows repeat the last one, so nothing outside src is read.
type transposer struct {
	isa
	rows, k, column, dst, ldd reg.GPVirtual
	stack                     Mem
}

func transpose(v isa) {
	TEXT("transpose"+v.name, NOSPLIT, "func(rows int, k int, src *float32, lds int, dst *float32, ldd int)")
	Doc("transpose" + v.name + " transposes rows of k elements, as many as a register has lanes or fewer.")
	t := transposer{isa: v, stack: AllocLocal(8 * v.lanes)}
	t.rows, t.k, t.dst, t.ldd = pointer("rows"), pointer("k"), pointer("dst"), bytesOf("ldd")
	t.addresses()
	t.column = GP64()
	XORQ(t.column, t.column)
	CMPQ(t.rows, Imm(uint64(v.lanes)))
	JLT(labelRef("some"))
	t.blocks("all", false)
	Label("some")
	t.blocks("some", true)
}

// addresses puts the address of every row on the stack.
func (t transposer) addresses() {
	p, lds, none := pointer("src"), bytesOf("lds"), GP64()
	XORQ(none, none)
	for i := range t.lanes {
		MOVQ(p, t.stack.Offset(8*i))
		if i == t.lanes-1 {
			break
		}
		CMPQ(t.rows, Imm(uint64(i+2)))
		CMOVQLT(none, lds) // no row i+1: stay
		ADDQ(lds, p)
	}
}

// blocks emits the loop over whole blocks and the last, narrower one.
func (t transposer) blocks(name string, masked bool) {
	n := uint64(t.lanes)
	Label(name + "loop")
	CMPQ(t.k, Imm(n))
	JLT(labelRef(name + "tail"))
	t.block(name, false, masked)
	ADDQ(Imm(uint64(t.bytes())), t.column)
	SUBQ(Imm(n), t.k)
	JMP(labelRef(name + "loop"))
	Label(name + "tail")
	TESTQ(t.k, t.k)
	JZ(labelRef(name + "done"))
	t.block(name, true, masked)
	Label(name + "done")
	finish()
}

// block emits one block: narrow if it has k < lanes columns, masked if rows < lanes.
func (t transposer) block(name string, narrow, masked bool) {
	if narrow {
		count := GP64()
		MOVQ(t.k, count)
		t.mask(count)
	}
	row := GP64()
	load := func(i int, r vec) {
		MOVQ(t.stack.Offset(8*i), row)
		m := Mem{Base: row, Index: t.column, Scale: 1}
		if narrow {
			t.loadTail(m, r)
			return
		}
		VMOVUPS(m, r)
	}
	columns := t.square8
	if t.masks {
		columns = t.square16
	}
	out := columns(load)
	if masked {
		t.storeMask()
	}
	for _, r := range out {
		if masked {
			t.store(r, Mem{Base: t.dst})
		} else {
			VMOVUPS(r, Mem{Base: t.dst})
		}
		ADDQ(t.ldd, t.dst)
		if narrow {
			DECQ(t.k)
			JZ(labelRef(name + "done"))
		}
	}
}

// storeMask prepares the mask of rows elements: K2, or Y0, free by then.
func (t transposer) storeMask() {
	count := GP64()
	MOVQ(t.rows, count)
	if t.masks {
		m := GP64()
		MOVQ(I32(1), m)
		SHLXQ(count, m, m)
		DECQ(m)
		KMOVW(m.As32(), reg.K2)
		return
	}
	table := GP64()
	NEGQ(count)
	LEAQ(maskTable(), table)
	VMOVUPS(Mem{Base: table, Index: count, Scale: 4, Disp: 32}, reg.Y0)
}

func (t transposer) store(r vec, m Mem) {
	if t.masks {
		VMOVUPS(r, reg.K2, m)
		return
	}
	VMASKMOVPS(r, reg.Y0, m)
}

// square16 transposes 16 rows of 16; column c is in the c-th register returned.
func (t transposer) square16(load func(i int, r vec)) []vec {
	z := t.reg
	for i := range 16 {
		load(i, z[i])
	}
	t.quads(16)
	// Register 4g+j now has, in its 128-bit lane l, rows 4g to 4g+3 of column 4l+j:
	// what is left is to transpose the lanes across g.
	for j := range 4 {
		VSHUFF32X4(Imm(0x88), z[4+j], z[j], z[16+j])     // g0l0 g0l2 g1l0 g1l2
		VSHUFF32X4(Imm(0xdd), z[4+j], z[j], z[20+j])     // g0l1 g0l3 g1l1 g1l3
		VSHUFF32X4(Imm(0x88), z[12+j], z[8+j], z[24+j])  // the same of g2 and g3
		VSHUFF32X4(Imm(0xdd), z[12+j], z[8+j], z[28+j])  //
		VSHUFF32X4(Imm(0x88), z[24+j], z[16+j], z[j])    // lane 0
		VSHUFF32X4(Imm(0xdd), z[24+j], z[16+j], z[8+j])  // lane 2
		VSHUFF32X4(Imm(0x88), z[28+j], z[20+j], z[4+j])  // lane 1
		VSHUFF32X4(Imm(0xdd), z[28+j], z[20+j], z[12+j]) // lane 3
	}
	return z[:16]
}

// square8 transposes 8 rows of 8.
func (t transposer) square8(load func(i int, r vec)) []vec {
	y := t.reg
	for i := range 8 {
		load(i, y[i])
	}
	t.quads(8)
	for j := range 4 {
		VPERM2F128(Imm(0x20), y[4+j], y[j], y[8+j])
		VPERM2F128(Imm(0x31), y[4+j], y[j], y[12+j])
	}
	return y[8:16]
}

// quads transposes the 4×4 blocks of n rows within their 128-bit lanes, in place.
func (t transposer) quads(n int) {
	r := t.reg
	for i := 0; i < n; i += 2 {
		VUNPCKLPS(r[i+1], r[i], r[n+i])
		VUNPCKHPS(r[i+1], r[i], r[n+i+1])
	}
	for i := 0; i < n; i += 4 {
		VUNPCKLPD(r[n+i+2], r[n+i], r[i])
		VUNPCKHPD(r[n+i+2], r[n+i], r[i+1])
		VUNPCKLPD(r[n+i+3], r[n+i+1], r[i+2])
		VUNPCKHPD(r[n+i+3], r[n+i+1], r[i+3])
	}
}
