package cpu

import (
	"fmt"
	"unsafe"
)

// Compare is a comparison of two numbers; with a NaN none holds.
type Compare uint8

// The comparisons.
const (
	Less Compare = iota
	LessOrEqual
	Equal
	Greater
	GreaterOrEqual
	numCompare
)

// compareKernels are the operand forms of one comparison: two vectors, or a vector
// with a number.
type compareKernels struct {
	vv func(n int, x, y *float32, dst *uint8)
	vs func(n int, x *float32, y float32, dst *uint8)
}

// Compare computes dst[i] = 1 if op(x[i], y[i]) holds, else 0.
func (e *Engine) Compare(op Compare, dst []uint8, x, y []float32) {
	sameLen("Compare", len(dst), len(x), len(y))
	f, rest := e.k.compare[op].vv, portableCompare[op].vv
	e.spread(len(dst), func(i, n int) {
		w := n &^ (e.k.lanes - 1)
		f(w, at(x, i), at(y, i), byteAt(dst, i))
		if w < n {
			rest(n-w, at(x, i+w), at(y, i+w), byteAt(dst, i+w))
		}
	})
}

// CompareScalar computes dst[i] = 1 if op(x[i], y) holds, else 0.
func (e *Engine) CompareScalar(op Compare, dst []uint8, x []float32, y float32) {
	sameLen("CompareScalar", len(dst), len(x))
	f, rest := e.k.compare[op].vs, portableCompare[op].vs
	e.spread(len(dst), func(i, n int) {
		w := n &^ (e.k.lanes - 1)
		f(w, at(x, i), y, byteAt(dst, i))
		if w < n {
			rest(n-w, at(x, i+w), y, byteAt(dst, i+w))
		}
	})
}

// Turned is the comparison that holds for (y, x) if op does for (x, y).
func (op Compare) Turned() Compare {
	return [...]Compare{Less: Greater, LessOrEqual: GreaterOrEqual, Equal: Equal, Greater: Less, GreaterOrEqual: LessOrEqual}[op]
}

// chooseKernels are the operand forms: what is chosen from, and instead, are
// vectors or numbers.
type chooseKernels struct {
	vv func(n int, mask *uint8, x, y, dst *float32)
	vs func(n int, mask *uint8, x *float32, y float32, dst *float32)
	sv func(n int, mask *uint8, x float32, y, dst *float32)
}

// Choose computes dst[i] = x[i] where mask[i] is not 0, else y[i]; an operand of
// one element is repeated. dst may be x or y.
func (e *Engine) Choose(dst []float32, mask []uint8, x, y []float32) {
	sameLen("Choose", len(dst), len(mask))
	sx, sy := len(x) == 1, len(y) == 1
	if !sx {
		sameLen("Choose", len(dst), len(x))
	}
	if !sy {
		sameLen("Choose", len(dst), len(y))
	}
	if len(dst) == 0 {
		return
	}
	e.spread(len(dst), func(i, n int) {
		px, py := piece{at(x, 0), true}, piece{at(y, 0), true}
		if !sx {
			px = piece{at(x, i), false}
		}
		if !sy {
			py = piece{at(y, i), false}
		}
		e.choose(n, byteAt(mask, i), px, py, at(dst, i))
	})
}

// ChooseStrips is Choose for rows of n elements; row r of the mask is the n bytes from
// mask[r·step] on. It stays on its caller.
func (e *Engine) ChooseStrips(rows, n int, dst Strip, mask []uint8, step int, x, y Strip) {
	if rows == 0 || n == 0 {
		return
	}
	dst.check("ChooseStrips", rows, n)
	x.check("ChooseStrips", rows, n)
	y.check("ChooseStrips", rows, n)
	if end := (rows-1)*step + n; step < 0 || end > len(mask) {
		panic(fmt.Sprintf("cpu.ChooseStrips: %d rows of %d bytes, %d apart, of %d", rows, n, step, len(mask)))
	}
	if step == n && dst.solid(n) && x.solid(n) && y.solid(n) {
		rows, n = 1, rows*n
	}
	for r := range rows {
		e.choose(n, &mask[r*step], x.piece(r), y.piece(r), dst.row(r))
	}
}

func (e *Engine) choose(n int, mask *uint8, x, y piece, dst *float32) {
	w := n &^ (e.k.lanes - 1)
	e.k.choose.run(w, mask, x, y, dst)
	if w < n {
		portableChoose.run(n-w, (*uint8)(unsafe.Add(unsafe.Pointer(mask), w)), x.from(w), y.from(w), shift(dst, w))
	}
}

// from is what is left behind the first n elements.
func (p piece) from(n int) piece {
	if !p.repeated {
		p.p = shift(p.p, n)
	}
	return p
}

func (f chooseKernels) run(n int, mask *uint8, x, y piece, dst *float32) {
	switch {
	case n == 0:
	case x.repeated && y.repeated: // a vector of the one, by the other's form
		v := *x.p
		fill(view(dst, n), *y.p)
		f.sv(n, mask, v, dst, dst)
	case x.repeated:
		f.sv(n, mask, *x.p, y.p, dst)
	case y.repeated:
		f.vs(n, mask, x.p, *y.p, dst)
	default:
		f.vv(n, mask, x.p, y.p, dst)
	}
}

func byteAt(s []uint8, i int) *uint8 {
	return (*uint8)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), i))
}

var (
	portableCompare = comparesGo()
	portableChoose  = chooseKernels{chooseVVGo, chooseVSGo, chooseSVGo}
)

func comparesGo() [numCompare]compareKernels {
	return [numCompare]compareKernels{
		Less:           compareGo(func(x, y float32) bool { return x < y }),
		LessOrEqual:    compareGo(func(x, y float32) bool { return x <= y }),
		Equal:          compareGo(func(x, y float32) bool { return x == y }),
		Greater:        compareGo(func(x, y float32) bool { return x > y }),
		GreaterOrEqual: compareGo(func(x, y float32) bool { return x >= y }),
	}
}

func compareGo(holds func(x, y float32) bool) compareKernels {
	truth := func(b bool) uint8 { // the compiler makes no branch of it
		if b {
			return 1
		}
		return 0
	}
	return compareKernels{
		vv: func(n int, x, y *float32, dst *uint8) {
			d, b := view(dst, n), view(y, n)
			for i, v := range view(x, n) {
				d[i] = truth(holds(v, b[i]))
			}
		},
		vs: func(n int, x *float32, y float32, dst *uint8) {
			d := view(dst, n)
			for i, v := range view(x, n) {
				d[i] = truth(holds(v, y))
			}
		},
	}
}

func chooseVVGo(n int, mask *uint8, x, y, dst *float32) {
	d, m, a, b := view(dst, n), view(mask, n), view(x, n), view(y, n)
	for i := range d {
		v := b[i]
		if m[i] != 0 {
			v = a[i]
		}
		d[i] = v
	}
}

func chooseVSGo(n int, mask *uint8, x *float32, y float32, dst *float32) {
	d, m, a := view(dst, n), view(mask, n), view(x, n)
	for i := range d {
		v := y
		if m[i] != 0 {
			v = a[i]
		}
		d[i] = v
	}
}

func chooseSVGo(n int, mask *uint8, x float32, y, dst *float32) {
	d, m, b := view(dst, n), view(mask, n), view(y, n)
	for i := range d {
		v := b[i]
		if m[i] != 0 {
			v = x
		}
		d[i] = v
	}
}
