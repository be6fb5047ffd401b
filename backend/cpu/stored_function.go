package cpu

import "fmt"

// Floats is a matrix of float32s, to be stored under a function.
type Floats struct {
	Rows, Cols int
	Data       []float32 // Rows·Cols, row-major
}

// Dims returns the number of rows and columns.
func (f *Floats) Dims() (rows, cols int) { return f.Rows, f.Cols }

func (f *Floats) check() {
	if len(f.Data) < f.Rows*f.Cols {
		panic(fmt.Sprintf("cpu.Floats: %d×%d needs %d elements and has %d", f.Rows, f.Cols, f.Rows*f.Cols, len(f.Data)))
	}
}

func (f *Floats) widen(_ *Engine, i, rows, j, cols int, dst []float32, ld int) {
	for r := range rows {
		copy(dst[r*ld:][:cols], f.Data[(i+r)*f.Cols+j:])
	}
}

// Filled is a matrix of one number.
type Filled struct {
	Rows, Cols int
	Value      float32
}

// Dims returns the number of rows and columns.
func (f *Filled) Dims() (rows, cols int) { return f.Rows, f.Cols }

func (f *Filled) check() {}

func (f *Filled) widen(_ *Engine, _, rows, _, cols int, dst []float32, ld int) {
	for r := range rows {
		fill(dst[r*ld:][:cols], f.Value)
	}
}

// Mapped is a stored matrix of which every element goes through a function: a rule's
// change of a weight, such as w⁺ or w + γw⁺.
type Mapped struct {
	Of Stored
	F  *Expr
}

// Dims returns the number of rows and columns.
func (m *Mapped) Dims() (rows, cols int) { return m.Of.Dims() }

func (m *Mapped) check() {
	m.Of.check()
	m.F.check()
}

// exprPiece is how many elements are computed at a time by an expression that reads
// its variable more than once: its terms then stay in the first level cache.
const exprPiece = 512

func (m *Mapped) widen(e *Engine, i, rows, j, cols int, dst []float32, ld int) {
	m.Of.widen(e, i, rows, j, cols, dst, ld)
	if m.F.depth == 0 { // in place
		for r := range rows {
			m.F.eval(e, 0, cols, dst[r*ld:], dst[r*ld:], nil)
		}
		return
	}
	buf := borrow(&e.bufs, (m.F.depth+1)*exprPiece)
	defer e.bufs.Put(buf)
	_, wide := m.Of.Dims()
	for r := range rows {
		for c := 0; c < cols; c += exprPiece {
			n := min(exprPiece, cols-c)
			x := (*buf)[:n]
			copy(x, dst[r*ld+c:])
			m.F.eval(e, (i+r)*wide+j+c, n, x, dst[r*ld+c:], (*buf)[exprPiece:])
		}
	}
}

// An Expr is an elementwise function of one variable. It does not change.
type Expr struct {
	kind   exprKind
	unary  Unary
	binary Binary
	x, y   *Expr
	c      float32
	each   []float32 // of alongAxis
	apart  int
	terms  int // operators in it
	depth  int // how many pieces of temporary memory it takes; none if the variable is read once
}

type exprKind uint8

const (
	variable exprKind = iota
	constant
	alongAxis
	ofOne
	ofTwo
)

// Variable returns the element itself.
func Variable() *Expr { return &Expr{kind: variable} }

// Constant returns a number.
func Constant(c float32) *Expr { return &Expr{kind: constant, c: c} }

// Along returns numbers of which each counts for apart elements, one after the
// other, and the first again after the last: the factors of an axis with this stride.
func Along(each []float32, apart int) *Expr {
	return &Expr{kind: alongAxis, each: each, apart: apart}
}

// Of returns op of x.
func (op Unary) Of(x *Expr) *Expr {
	return &Expr{kind: ofOne, unary: op, x: x, terms: x.terms + 1, depth: x.depth}
}

// Of returns op of x and y.
func (op Binary) Of(x, y *Expr) *Expr {
	e := &Expr{kind: ofTwo, binary: op, x: x, y: y, terms: x.terms + y.terms + 1, depth: max(x.depth, y.depth)}
	if x.kind != constant && y.kind != constant {
		e.depth = max(x.depth, y.depth+1)
	}
	return e
}

// Terms is how many operators the function has, one that is used twice counted twice.
func (f *Expr) Terms() int { return f.terms }

// check panics over numbers along an axis that cannot be.
func (f *Expr) check() {
	if f.kind == alongAxis && (len(f.each) == 0 || f.apart < 1) {
		panic(fmt.Sprintf("cpu.Along: %d numbers, %d elements apart", len(f.each), f.apart))
	}
	if f.x != nil {
		f.x.check()
	}
	if f.y != nil {
		f.y.check()
	}
}

// eval writes the function of n elements of x, of which the matrix has the first at
// index first, to dst, which may be x if depth is 0. Temp has room for depth pieces.
func (f *Expr) eval(e *Engine, first, n int, x, dst, temp []float32) {
	switch f.kind {
	case variable:
		if &dst[0] != &x[0] {
			copy(dst[:n], x)
		}
	case constant:
		fill(dst[:n], f.c)
	case alongAxis:
		f.numbers(first, dst[:n])
	case ofOne:
		f.x.eval(e, first, n, x, dst, temp)
		e.k.unary[f.unary](n, at(dst, 0), at(dst, 0))
	default:
		f.evalTwo(e, first, n, x, dst, temp)
	}
}

func (f *Expr) evalTwo(e *Engine, first, n int, x, dst, temp []float32) {
	k := e.k.binary[f.binary]
	d := at(dst, 0)
	switch {
	case f.y.kind == constant:
		f.x.eval(e, first, n, x, dst, temp)
		k.vs(n, d, f.y.c, d)
	case f.x.kind == constant:
		f.y.eval(e, first, n, x, dst, temp)
		k.sv(n, f.x.c, d, d)
	default:
		f.x.eval(e, first, n, x, dst, temp)
		f.y.eval(e, first, n, x, temp[:n], temp[exprPiece:])
		k.vv(n, d, at(temp, 0), d)
	}
}

// numbers writes the numbers of the elements from index first on.
func (f *Expr) numbers(first int, dst []float32) {
	k, left := first/f.apart%len(f.each), f.apart-first%f.apart
	for len(dst) > 0 {
		n := min(left, len(dst))
		fill(dst[:n], f.each[k])
		dst, left = dst[n:], f.apart
		if k++; k == len(f.each) {
			k = 0
		}
	}
}
