package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vec is a vector register of either width.
type vec = reg.VecPhysical

// isa is what the two instruction sets differ in: a kernel is written once
// against it and emitted twice.
type isa struct {
	name  string // ending of the functions' names
	lanes int    // float32s in a register
	reg   []vec
	masks bool // AVX-512: mask registers, and rounding and scaling in one instruction
}

var (
	zmm = isa{name: "512", lanes: 16, masks: true, reg: []vec{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
		reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
		reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}}
	ymm = isa{name: "256", lanes: 8, reg: []vec{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
		reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
	}}
)

// bytes is the size of a register.
func (v isa) bytes() int { return 4 * v.lanes }

func (v isa) zero(r vec) {
	if v.masks {
		VPXORD(r, r, r)
		return
	}
	VXORPS(r, r, r)
}

// mask prepares the mask of the first count elements, count ≤ lanes: K1, or Y15,
// which the kernel must then leave alone. count is lost.
func (v isa) mask(count reg.GPVirtual) {
	if v.masks {
		m := GP64()
		MOVQ(I32(1), m)
		SHLXQ(count, m, m)
		DECQ(m)
		KMOVW(m.As32(), reg.K1)
		return
	}
	table := GP64()
	NEGQ(count)
	LEAQ(maskTable(), table)
	VMOVUPS(Mem{Base: table, Index: count, Scale: 4, Disp: 32}, reg.Y15)
}

// loadTail loads the elements under the mask, and zeroes.
func (v isa) loadTail(m Mem, r vec) {
	if v.masks {
		VMOVUPS_Z(m, reg.K1, r)
		return
	}
	VMASKMOVPS(m, reg.Y15, r)
}

// storeTail stores the elements under the mask.
func (v isa) storeTail(r vec, m Mem) {
	if v.masks {
		VMOVUPS(r, reg.K1, m)
		return
	}
	VMASKMOVPS(r, reg.Y15, m)
}

// fillTail replaces the elements of r that are not under the mask by those of other.
func (v isa) fillTail(r, other vec) {
	if v.masks {
		VBLENDMPS(r, other, reg.K1, r)
		return
	}
	VBLENDVPS(reg.Y15, r, other, r)
}

// join sets dst to a combination of x and y; t is scratch.
type join = func(x, y, dst, t vec)

// fold reduces r to its first element; t and u are scratch. The order is that of
// package cpu's portable sums.
func (v isa) fold(f join, r, t, u vec) {
	if v.masks {
		VEXTRACTF64X4(Imm(1), r, t.AsY())
		f(r.AsY().(vec), t.AsY().(vec), r.AsY().(vec), u.AsY().(vec))
	}
	x, tx, ux := r.AsX().(vec), t.AsX().(vec), u.AsX().(vec)
	VEXTRACTF128(Imm(1), r.AsY(), tx)
	f(x, tx, x, ux)
	VPERMILPS(Imm(0x4e), x, tx)
	f(x, tx, x, ux)
	VPERMILPS(Imm(0xb1), x, tx)
	f(x, tx, x, ux)
}

// plus is the join of sums.
func plus(x, y, dst, _ vec) { VADDPS(y, x, dst) }

// spread broadcasts a float32 parameter.
func (v isa) spread(param string, r vec) {
	p, err := Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(p.Addr, r)
}

var (
	constants = map[uint32]Mem{}
	masksMade Mem
)

// bits is a vector of one repeated 32-bit pattern in memory.
func bits(u uint32) Mem {
	if m, ok := constants[u]; ok {
		return m
	}
	m := GLOBL(fmt.Sprintf("const_%08x", u), RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(u))
	}
	constants[u] = m
	return m
}

// num is a vector of one repeated number in memory.
func num(f float64) Mem { return bits(math.Float32bits(float32(f))) }

// maskTable is eight words of ones, then eight of zeroes: the 8 words from 8-n on
// mask n elements.
func maskTable() Mem {
	if masksMade.Symbol.Name == "" {
		masksMade = GLOBL("masks", RODATA|NOPTR)
		for i := range 16 {
			u := U32(0)
			if i < 8 {
				u = 0xffffffff
			}
			DATA(4*i, u)
		}
	}
	return masksMade
}

func labelRef(s string) LabelRef { return LabelRef(s) }

// finish ends a function that used vector registers.
func finish() {
	VZEROUPPER()
	RET()
}

// rowAddress addresses row i of a matrix through a base register for every three
// rows: base[i/3] + (i mod 3)·ld.
type rowAddress struct {
	base []reg.Register
	ld   reg.Register
}

// newRows derives the base registers; ld is in bytes.
func newRows(rows int, first, ld reg.Register) rowAddress {
	a := rowAddress{base: []reg.Register{first}, ld: ld}
	for g := 3; g < rows; g += 3 {
		t := GP64()
		LEAQ(Mem{Base: a.base[g/3-1], Index: ld, Scale: 2}, t)
		ADDQ(ld, t)
		a.base = append(a.base, t)
	}
	return a
}

func (a rowAddress) at(row, disp int) Mem {
	m := Mem{Base: a.base[row/3], Disp: disp}
	if row%3 > 0 {
		m.Index, m.Scale = a.ld, uint8(row%3)
	}
	return m
}

// advance moves on by n bytes.
func (a rowAddress) advance(n int) {
	for _, b := range a.base {
		ADDQ(I32(int32(n)), b)
	}
}

// bytesOf turns a parameter that counts elements into one that counts bytes.
func bytesOf(param string) reg.GPVirtual {
	r := GP64()
	Load(Param(param), r)
	SHLQ(Imm(2), r)
	return r
}

// pointer loads a parameter.
func pointer(param string) reg.GPVirtual {
	r := GP64()
	Load(Param(param), r)
	return r
}

// strips covers n elements with strips of wide vectors, then of one, then with one
// under the mask. strip writes a loop of its own under the label; n is lost.
func (v isa) strips(n reg.GPVirtual, wide int, strip func(label string, count int, masked bool)) {
	Label("wide")
	CMPQ(n, I32(int32(wide*v.lanes)))
	JLT(labelRef("single"))
	strip("wideloop", wide, false)
	SUBQ(I32(int32(wide*v.lanes)), n)
	JMP(labelRef("wide"))
	Label("single")
	CMPQ(n, Imm(uint64(v.lanes)))
	JLT(labelRef("tail"))
	strip("singleloop", 1, false)
	SUBQ(Imm(uint64(v.lanes)), n)
	JMP(labelRef("single"))
	Label("tail")
	TESTQ(n, n)
	JZ(labelRef("end"))
	v.mask(n)
	strip("tailloop", 1, true)
	Label("end")
}
