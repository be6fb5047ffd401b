package cpu

import (
	"fmt"
	"slices"
)

// grain is the number of elements in one task of an elementwise operation: two
// such blocks stay in L2, and one takes at least 1 µs, ten times the cost of
// taking a task.
const grain = 16384

// Unary is an elementwise function of one operand.
type Unary uint8

// The unary functions. Errors are against the exact value, over all finite
// arguments whose result is a normal number; see accuracy_test.go.
const (
	Neg        Unary = iota // -x
	Abs                     // |x|
	Square                  // x²
	Sqrt                    // √x, correctly rounded
	Rsqrt                   // 1/√x
	Reciprocal              // 1/x, correctly rounded
	Relu                    // max(x, 0)
	Exp                     // eˣ
	Log                     // ln x
	Sigmoid                 // 1/(1+e⁻ˣ)
	Silu                    // x/(1+e⁻ˣ)
	Tanh                    // tanh x
	Erf                     // erf x
	Gelu                    // x·(1+erf(x/√2))/2
	GeluTanh                // x·(1+tanh(√(2/π)·(x+0.044715·x³)))/2
	HardSwish               // x·min(max(x/6+1/2, 0), 1)
	numUnary
)

// Map computes dst[i] = op(x[i]). dst may be x; otherwise they do not overlap.
func (e *Engine) Map(op Unary, dst, x []float32) {
	sameLen("Map", len(dst), len(x))
	f := e.k.unary[op]
	e.spread(len(dst), func(i, n int) { f(n, at(x, i), at(dst, i)) })
}

// MulAdd computes dst[i] = a[i]·b[i] + c[i]. dst may be any of the operands.
func (e *Engine) MulAdd(dst, a, b, c []float32) {
	sameLen("MulAdd", len(dst), len(a), len(b), len(c))
	e.spread(len(dst), func(i, n int) { e.k.mulAdd(n, at(a, i), at(b, i), at(c, i), at(dst, i)) })
}

// Axpy computes dst[i] += s·x[i].
func (e *Engine) Axpy(dst []float32, s float32, x []float32) {
	sameLen("Axpy", len(dst), len(x))
	e.spread(len(dst), func(i, n int) { e.k.axpy(n, s, at(x, i), at(dst, i)) })
}

// DivEps computes dst[i] = r[i] / (z[i] + eps), LXT's quotient. dst may be r or z.
func (e *Engine) DivEps(dst, r, z []float32, eps float32) {
	sameLen("DivEps", len(dst), len(r), len(z))
	e.spread(len(dst), func(i, n int) { e.k.divEps(n, at(r, i), at(z, i), at(dst, i), eps) })
}

// DivSignEps computes dst[i] = r[i] / (z[i] + eps·sign(z[i])), where the sign of 0
// and of -0 is 1: the quotient of the ε rule, which never changes z's sign. dst
// may be r or z.
func (e *Engine) DivSignEps(dst, r, z []float32, eps float32) {
	sameLen("DivSignEps", len(dst), len(r), len(z))
	e.spread(len(dst), func(i, n int) { e.k.divSignEps(n, at(r, i), at(z, i), at(dst, i), eps) })
}

// spread calls f(start, length) for blocks of n elements, in parallel.
func (e *Engine) spread(n int, f func(i, n int)) {
	if n == 0 {
		return
	}
	if n <= grain {
		f(0, n)
		return
	}
	e.Run(ceil(n, grain), func(t int) { f(t*grain, min(grain, n-t*grain)) })
}

// spreadRows calls f(first, last) for groups of rows of n elements, in parallel.
func (e *Engine) spreadRows(rows, n int, f func(r0, r1 int)) {
	group := max(1, grain/max(n, 1))
	if rows <= group {
		f(0, rows)
		return
	}
	e.Run(ceil(rows, group), func(t int) { f(t*group, min(rows, (t+1)*group)) })
}

func sameLen(name string, lens ...int) {
	for _, n := range lens {
		if n != lens[0] {
			panic(fmt.Sprintf("cpu.%s: operands of %v elements; the lengths must be equal", name, slices.Clone(lens))) // which lets lens stay on the stack
		}
	}
}
