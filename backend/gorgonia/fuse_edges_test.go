package gorgonia

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
)

// normal is a tensor of normal numbers.
func normal(r *rand.Rand, shape ...int) *ir.Tensor {
	x := make([]float32, count(shape))
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return ir.Of(x, shape...)
}

// TestFusedMaxOfThree says that a result is not written over an operand that is read
// after the first two have been combined.
func TestFusedMaxOfThree(t *testing.T) {
	m := parsed(t, `g (float[B,S,64] x, float[B,S,64] y, float[B,S,64] z) => (low) {
  c = Cos (z)
  a = Neg (x)
  b = Neg (y)
  low = Min (a, b, c)
}`)
	r := rand.New(rand.NewPCG(1, 1))
	sameFused(t, m, tensors{"x": normal(r, 2, 300, 64), "y": normal(r, 2, 300, 64), "z": normal(r, 2, 300, 64)})
}

// TestScoresWithANumberForAMask says that what is added before a Softmax need not
// have axes.
func TestScoresWithANumberForAMask(t *testing.T) {
	m := parsed(t, `g (float[B,S,16] q, float[B,16,S] k, float e) => (p) {
  s = MatMul (q, k)
  a = Add (s, e)
  p = Softmax (a)
}`)
	r := rand.New(rand.NewPCG(1, 2))
	sameFused(t, m, tensors{"q": normal(r, 2, 90, 16), "k": normal(r, 2, 16, 90), "e": ir.Of([]float32{1e-3}, []int{}...)})
}

// TestScoresOfHalves says that operands which are stored as halves are read as such.
func TestScoresOfHalves(t *testing.T) {
	m := parsed(t, `g (float16[B,S,16] q, float16[B,S,16] k, float e, bool[S,1] none) => (p) {
  qf = Cast <to: int = 1> (q)
  kf = Cast <to: int = 1> (k)
  qs = Mul (qf, e)
  kt = Transpose <perm: ints = [0, 2, 1]> (kf)
  s = MatMul (qs, kt)
  a = Add (s, e)
  w = Softmax (a)
  p = Where (none, e, w)
}`)
	r := rand.New(rand.NewPCG(1, 2))
	bits := func() *ir.Tensor {
		x := make([]byte, 2*2*90*16)
		for i := 0; i < len(x); i += 2 {
			x[i], x[i+1] = byte(r.IntN(256)), 0x38+byte(r.IntN(4)) // from 0.5 to 2
		}
		return &ir.Tensor{Elem: ir.Float16, Shape: []int{2, 90, 16}, Raw: x}
	}
	sameFused(t, m, tensors{"q": bits(), "k": bits(), "e": ir.Of([]float32{0.25}, []int{}...), "none": ir.Of(make([]bool, 90), 90, 1)})
}

// TestFusedRowsThatDoNotFit says that operands whose symbols promise nothing are
// refused as they are without fusing, and broadcast if they can be.
func TestFusedRowsThatDoNotFit(t *testing.T) {
	m := parsed(t, `g (float[B,S,64] x, float[B,90,64] y, float[T,64] z) => (o) {
  a = Neg (y)
  b = Add (x, a)
  c = Mul (b, y)
  d = Mul (z, c)
  o = Neg (d)
}`)
	for _, tt := range []struct {
		s, z int
		ok   bool
	}{{90, 90, true}, {1, 90, true}, {90, 1, true}, {200, 90, false}, {30, 90, false}, {90, 200, false}, {90, 30, false}, {90, 0, false}} {
		r := rand.New(rand.NewPCG(1, 3))
		in := tensors{"x": normal(r, 2, tt.s, 64), "y": normal(r, 2, 90, 64), "z": normal(r, tt.z, 64)}
		if tt.ok {
			sameFused(t, m, in)
			continue
		}
		if _, err := open(t, m, backend.Options{}).Run(context.Background(), in); err == nil {
			t.Errorf("x of %d rows and z of %d were combined with y of 90", tt.s, tt.z)
		}
	}
}

// TestFactorsOfWhatIsLeftOut says that what a group leaves out, because it is 0 times
// something finite, is computed where a factor makes that infinite.
func TestFactorsOfWhatIsLeftOut(t *testing.T) {
	for name, text := range map[string]string{
		"a difference times a number": `
  d1 = Sub (dp, sum)
  d = Mul (d1, big)
  ds = Mul (w, d)`,
		"a difference of a difference": `
  d1 = Sub (dp, sum)
  y = Mul (dp, w)
  sum2 = ReduceSum (y, last)
  d2 = Sub (d1, sum2)
  ds = Mul (w, d2)`,
		"a zero times infinity": `
  d1 = Sub (dp, sum)
  d = Mul (w, d1)
  ds = Mul (d, infinite)`,
		"a zero divided by zero": `
  d1 = Sub (dp, sum)
  d = Mul (w, d1)
  ds = Div (d, nothing)`,
	} {
		t.Run(name, func(t *testing.T) {
			m := parsed(t, `g (float[B,H,S,D] k, float[B,H,S,D] v, float[B,1,S,S] mask, float[B,H,S,D] r, float[B,H,S,1] size) => (o, ds, dk)
<int64[1] last = {-1}, float big = {1000000}, float nothing = {0}, float infinite = {inf}> {
  e = Exp (mask)
  turnedE = Mul (e, size)
  w = Neg (turnedE)
  o = MatMul (w, v)
  vt = Transpose <perm = [0, 1, 3, 2]> (v)
  dp = MatMul (r, vt)
  x = Mul (dp, w)
  sum = ReduceSum (x, last)`+text+`
  dst = Transpose <perm = [0, 1, 3, 2]> (ds)
  dk = MatMul (dst, k)
}`)
			in := attentionInputs(masks["causal"])
			delete(in, "q")
			sizes := make([]float32, 2*2*150)
			repeat(sizes, 1)
			for i := range 100 {
				sizes[40+i] = float32(math.Pow(10, 33+float64(i)/25))
			}
			in["size"] = ir.Of(sizes, 2, 2, 150, 1)
			sameFused(t, m, in)
		})
	}
}

// TestFailedFusedSteps says that a group that fails, on whole tensors or on rows,
// leaves no memory behind and does not spoil the session.
func TestFailedFusedSteps(t *testing.T) {
	m := parsed(t, `g (float[B,S,W] x, float[B,90,64] y) => (o) {
  a = Neg (y)
  b = Add (x, a)
  o = Mul (b, y)
}`)
	s := open(t, m, backend.Options{})
	r := rand.New(rand.NewPCG(1, 4))
	y := normal(r, 2, 90, 64)
	for _, shape := range [][]int{{2, 30, 64}, {2, 90, 63}} {
		for range 2 {
			if _, err := s.Run(context.Background(), tensors{"x": normal(r, shape...), "y": y}); err == nil {
				t.Fatalf("%v and %v were added", shape, y.Shape)
			}
			if s.memory.live != 0 {
				t.Fatalf("%d bytes are live after the error", s.memory.live)
			}
			if _, err := s.Run(context.Background(), tensors{"x": normal(r, 2, 90, 64), "y": y}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestProductsByRows says that products of attentions are computed a few rows at a time,
// with a packed matrix in the thread's memory, and others at once.
func TestProductsByRows(t *testing.T) {
	m := parsed(t, attention)
	for _, tt := range []struct {
		tokens, width int
		byRows        bool
	}{{150, 16, true}, {minRows - 1, 16, false}, {150, maxPanels / 4 / 150, false}} {
		in, r := tensors{}, rand.New(rand.NewPCG(1, 6))
		for _, name := range []string{"q", "k", "v", "r"} {
			in[name] = normal(r, 1, 2, tt.tokens, tt.width)
		}
		in["mask"] = ir.Of(make([]float32, tt.tokens*tt.tokens), 1, 1, tt.tokens, tt.tokens)
		s := open(t, m, backend.Options{Threads: 1})
		if _, err := s.Run(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		panels := s.engine.PanelsLen(tt.width, tt.tokens)
		if got := len(s.scratch) > 0 && len(s.scratch[0]) >= panels; got != tt.byRows {
			t.Errorf("%d tokens, heads of %d: a matrix was packed for rows: %t, want %t", tt.tokens, tt.width, got, tt.byRows)
		}
	}
}

// TestPartsOfMasks says that the part of a row of a mask that counts is found at every
// place, with anything before and behind it.
func TestPartsOfMasks(t *testing.T) {
	s := open(t, parsed(t, `g (float[S,S] x) => (y) { y = Neg (x) }`), backend.Options{})
	c := &call{session: s}
	nan := float32(math.NaN())
	for _, n := range []int{32, 33, 64, 95, 150} {
		tops := make([]float32, (n+maskPart-1)/maskPart)
		row := make([]float32, n)
		for lo := range n {
			for _, width := range []int{1, 2, 31, 40, n} {
				hi := min(n, lo+width)
				for _, low := range []float32{-inf, -1e4, -100} {
					repeat(row, low)
					repeat(row[lo:hi], 0)
					wantLo, wantHi := lo, hi
					if low == -100 { // not below 0 by what vanishes
						wantLo, wantHi = 0, n
					}
					if l, h := c.aboveNothing(row, tops, 3); int(l) != wantLo || int(h) != wantHi {
						t.Fatalf("%d to %d of %d elements are 0, the others %g: found %d to %d", lo, hi, n, low, l, h)
					}
				}
				for _, odd := range []float32{nan, inf} {
					row[(lo+n/2)%n] = odd
					if l, h := c.aboveNothing(row, tops, 3); l != 0 || int(h) != n {
						t.Fatalf("%d elements, one of them %g: found %d to %d", n, odd, l, h)
					}
				}
			}
		}
	}
	row, tops := make([]float32, 40), make([]float32, 2)
	repeat(row, -inf)
	if l, h := c.aboveNothing(row, tops, 3); l != 0 || h != 40 {
		t.Fatalf("a row of nothing counts from %d to %d, want whole", l, h)
	}
}
