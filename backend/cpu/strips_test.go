package cpu

import (
	"fmt"
	"math"
	"testing"
)

// layOut copies rows of n elements to where they are step apart, between canaries.
func layOut(x []float32, rows, n, step int) (Strip, func() bool) {
	d, intact := guarded(max((rows-1)*step+n, 0))
	repeatCanary(d)
	for r := range rows {
		copy(d[r*step:][:n], x[r*n:])
	}
	return Strip{Data: d, Step: step}, intact
}

func repeatCanary(d []float32) {
	for i := range d {
		d[i] = canary
	}
}

// sameRows fails if a strip is not rows of n elements, or anything between them is not
// as it was.
func sameRows(t *testing.T, what string, s Strip, rows, n int, want []float32, intact func() bool) {
	t.Helper()
	for i, v := range s.Data {
		w := canary
		if r, c := i/max(s.Step, 1), i%max(s.Step, 1); c < n {
			w = want[r*n+c]
		}
		if math.Float32bits(v) != math.Float32bits(w) && !(v != v && w != w) {
			t.Fatalf("%s, rows of %d, %d apart: element %d is %g, want %g", what, n, s.Step, i, v, w)
		}
	}
	if !intact() {
		t.Fatalf("%s wrote outside", what)
	}
}

// TestStripsAreWholeTensors compares the functions of strips with those of whole
// tensors, to the bit, for rows that lie together, apart and repeated.
func TestStripsAreWholeTensors(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, rows := range []int{1, 3} {
			for _, n := range []int{1, 5, 16, 33, 70} {
				for _, gap := range []int{0, 3} {
					stripsOf(t, e, rows, n, gap)
				}
			}
		}
	})
}

func stripsOf(t *testing.T, e *Engine, rows, n, gap int) {
	x, y := special(1, rows*n), special(2, rows*n)
	want := make([]float32, rows*n)
	check := func(what string, columns int, f func(dst Strip)) {
		t.Helper()
		dst, intact := layOut(make([]float32, rows*columns), rows, columns, columns+gap)
		f(dst)
		sameRows(t, what, dst, rows, columns, want, intact)
	}
	xs, _ := layOut(x, rows, n, n+gap)
	ys, _ := layOut(y, rows, n, n)
	each := Strip{Data: y, Step: n, Number: true} // the first of every row
	shape := []int{rows, n}
	for op, fact := range binaryFacts {
		e.Zip(op, want, x, y)
		check(fact.name, n, func(dst Strip) { e.ZipStrips(op, rows, n, dst, xs, ys) })
		inPlace, intact := layOut(x, rows, n, n+gap)
		e.ZipStrips(op, rows, n, inPlace, inPlace, ys)
		sameRows(t, fact.name+" in place", inPlace, rows, n, want, intact)
		e.Broadcast(op, shape, want, Operand{Data: x, Strides: []int{n, 1}}, Operand{Data: y, Strides: []int{n, 0}})
		check(fact.name+" with a number a row", n, func(dst Strip) { e.ZipStrips(op, rows, n, dst, xs, each) })
		e.Broadcast(op, shape, want, Operand{Data: x, Strides: []int{0, 0}}, Operand{Data: y, Strides: []int{0, 1}})
		check(fact.name+" of a number and a row", n, func(dst Strip) {
			e.ZipStrips(op, rows, n, dst, Strip{Data: x, Number: true}, Strip{Data: y})
		})
	}
	for _, op := range []Unary{Neg, Exp, Silu, Gelu} {
		e.Map(op, want, x)
		check(fmt.Sprint("function ", op), n, func(dst Strip) { e.MapStrips(op, rows, n, dst, xs) })
	}
	copy(want, x)
	check("copy", n, func(dst Strip) { CopyStrip(rows, n, dst, xs) })
	for i := range want {
		want[i] = y[i/n*n]
	}
	check("copy of numbers", n, func(dst Strip) { CopyStrip(rows, n, dst, each) })
	x = random(3, rows*n)
	xs, _ = layOut(x, rows, n, n+gap)
	e.Softmax(rows, n, want, x)
	check("softmax", n, func(dst Strip) { e.SoftmaxStrips(rows, n, dst, xs) })
	e.RMSNorm(rows, n, want, x, y[:n], 1e-5)
	check("norm", n, func(dst Strip) { e.RMSNormStrips(rows, n, dst, xs, y[:n], 1e-5) })
	for op := range numReduce {
		e.ReduceRows(op, rows, n, want[:rows], x)
		check(fmt.Sprint("reduction ", op), 1, func(dst Strip) { e.ReduceStrips(op, rows, n, dst, xs) })
	}
}

// TestStripsThatAreTooShort says that a strip with fewer elements than its rows need
// panics before anything is read or written.
func TestStripsThatAreTooShort(t *testing.T) {
	e := Best()
	defer e.Close()
	enough, short := Strip{Data: make([]float32, 24), Step: 8}, Strip{Data: make([]float32, 23), Step: 8}
	for i, f := range []func(){
		func() { e.ZipStrips(Add, 3, 8, short, enough, enough) },
		func() { e.ZipStrips(Add, 3, 8, enough, enough, short) },
		func() { e.MapStrips(Neg, 3, 8, enough, short) },
		func() { e.SoftmaxStrips(3, 8, short, enough) },
		func() { e.RMSNormStrips(3, 8, enough, enough, make([]float32, 7), 0) },
		func() { e.ReduceStrips(Sum, 3, 8, Strip{Data: make([]float32, 2), Step: 1}, enough) },
		func() { CopyStrip(3, 8, enough, short) },
		func() { CopyStrip(3, 8, enough, Strip{Data: make([]float32, 99), Step: -8}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("call %d did not panic", i)
				}
			}()
			f()
		}()
	}
}

// TestPanels compares products of packed matrices with Gemm, to the bit.
func TestPanels(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, s := range [][3]int{{2, 2, 1}, {14, 32, 64}, {15, 33, 7}, {29, 100, 64}, {3, 70, PanelDepth}} {
			m, n, k := s[0], s[1], s[2]
			for _, transA := range []bool{false, true} {
				for _, transB := range []bool{false, true} {
					a, b := newOperand(1, m, k, transA, 3), newOperand(2, k, n, transB, 5)
					want := make([]float32, m*n)
					e.Gemm(m, n, k, a.data, a.ld, transA, b.data, b.ld, transB, want, n, false)
					panels, intact := guarded(e.PanelsLen(k, n))
					e.Pack(k, n, b.data, b.ld, transB, panels)
					if !intact() {
						t.Fatalf("%d×%d: packing wrote outside", k, n)
					}
					for lo := 0; lo < n; lo += PanelColumns {
						hi := min(n, lo+45)
						part := make([]float32, 0, m*(hi-lo))
						for i := range m {
							part = append(part, want[i*n+lo:i*n+hi]...)
						}
						c, intact := layOut(make([]float32, m*(hi-lo)), m, hi-lo, hi-lo+3)
						e.GemmPanels(m, k, lo, hi, a.data, a.ld, transA, panels, c.Data, c.Step)
						sameRows(t, fmt.Sprintf("columns %d to %d of %v, transposed: %t, %t", lo, hi, s, transA, transB), c, m, hi-lo, part, intact)
					}
				}
			}
		}
	})
}
