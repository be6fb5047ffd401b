package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// dense is the float32s that a stored matrix stands for, computed here from what
// its type's documentation says.
func dense(e *Engine, s Stored) []float32 {
	rows, cols := s.Dims()
	x := make([]float32, rows*cols)
	for i := range x {
		switch s := s.(type) {
		case *Half:
			x[i] = halfValue(s.Data[i], s.Brain)
		case *Mapped:
			return mapped(e, s)
		case *Coded:
			code := s.Data[i/2] >> (4 * (1 - i%2)) & 15
			x[i] = s.Table[code] * s.Scale[i/s.Block]
		case *Quantized:
			row, above := i/cols, 0
			if s.Period > 0 {
				if !s.Repeat {
					above = row / s.Period * ((s.Period + s.BlockRows - 1) / s.BlockRows)
				}
				row %= s.Period
			}
			block := (above+row/s.BlockRows)*((cols+s.BlockCols-1)/s.BlockCols) + i%cols/s.BlockCols
			q, zero := integer(s.Ints, s.Data, i), 0
			if s.Zero != nil {
				zero = integer(s.Ints, s.Zero, block)
			}
			scale := float32(0)
			if h := s.HalfScale; h != nil {
				scale = halfValue(h.Data[block], h.Brain)
			} else {
				scale = s.Scale[block]
			}
			x[i] = float32(q-zero) * scale
		}
	}
	return x
}

// mapped is the rule that randomMapped makes, applied to the whole matrix by the
// engine's functions.
func mapped(e *Engine, m *Mapped) []float32 {
	x := dense(e, m.Of)
	up, out := make([]float32, len(x)), make([]float32, len(x))
	e.Map(Relu, up, x)
	e.ZipScalar(Mul, up, up, 0.25)
	e.Zip(Add, out, x, up)
	y := m.F.y // of the outer product: numbers along an axis
	for i := range out {
		out[i] *= y.each[i/y.apart%len(y.each)]
	}
	return out
}

// randomMapped is (w + γ max(w, 0))·v, v along an axis.
func randomMapped(r *rand.Rand, of Stored) *Mapped {
	rows, cols := of.Dims()
	each, apart := make([]float32, cols), 1
	if r.IntN(2) == 0 {
		each, apart = make([]float32, rows), cols
	}
	for i := range each {
		each[i] = r.Float32() - 0.5
	}
	w := Variable()
	return &Mapped{Of: of, F: Mul.Of(Add.Of(w, Mul.Of(Relu.Of(w), Constant(0.25))), Along(each, apart))}
}

func randomCoded(r *rand.Rand, rows, cols int) *Coded {
	c := &Coded{Rows: rows, Cols: cols, Table: new([16]float32), Data: randomBytes(r, (rows*cols+1)/2), Block: 1 + r.IntN(70)}
	for i := range c.Table {
		c.Table[i] = r.Float32()*2 - 1
	}
	c.Scale = make([]float32, ceil(rows*cols, c.Block))
	for i := range c.Scale {
		c.Scale[i] = r.Float32()
	}
	return c
}

func halfValue(h uint16, brain bool) float32 {
	if brain {
		return math.Float32frombits(uint32(h) << 16)
	}
	exp, frac := int(h>>10&31), float64(h&1023)
	v := math.Ldexp(1024+frac, exp-25)
	switch {
	case exp == 31 && frac != 0:
		return float32(math.NaN())
	case exp == 31:
		v = math.Inf(1)
	case exp == 0:
		v = math.Ldexp(frac, -24)
	}
	if h>>15 == 1 {
		v = -v
	}
	return float32(v)
}

func integer(t Ints, s []byte, i int) int {
	switch t {
	case Int8:
		return int(int8(s[i]))
	case Uint8:
		return int(s[i])
	}
	q := int(s[i/2]) >> (4 * (i % 2)) & 15
	if t == Int4 && q > 7 {
		q -= 16
	}
	return q
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func randomHalf(r *rand.Rand, rows, cols int, brain bool) *Half {
	h := &Half{Rows: rows, Cols: cols, Data: make([]uint16, rows*cols), Brain: brain}
	for i := range h.Data { // finite: exponents that are not all ones
		h.Data[i] = uint16(r.Uint32())
		if brain {
			h.Data[i] = h.Data[i]&0x8fff | 0x3000
		} else if h.Data[i]&0x7c00 == 0x7c00 {
			h.Data[i] &^= 0x4000
		}
	}
	return h
}

func randomQuantized(r *rand.Rand, rows, cols int, t Ints, blockRows, blockCols int, zero bool) *Quantized {
	q := &Quantized{Rows: rows, Cols: cols, Ints: t, Data: randomBytes(r, t.bytes(rows*cols)), BlockRows: blockRows, BlockCols: blockCols}
	down := ceil(rows, blockRows)
	if r.IntN(4) == 0 {
		q.Period, q.Repeat = 1+r.IntN(rows), r.IntN(2) == 0
		down = ceil(rows, q.Period) * ceil(q.Period, blockRows)
	}
	blocks := down * ceil(cols, blockCols)
	q.Scale = make([]float32, blocks)
	for i := range q.Scale {
		q.Scale[i] = r.Float32() - 0.5
	}
	if half := r.IntN(4); half < 2 {
		q.Scale, q.HalfScale = nil, randomHalf(r, 1, blocks, half == 0)
	}
	if zero {
		q.Zero = randomBytes(r, t.bytes(blocks))
	}
	return q
}

// checkStored compares both orientations of a product with that of float32s.
func checkStored(t *testing.T, e *Engine, name string, m int, s Stored) {
	t.Helper()
	w := dense(e, s)
	rows, cols := s.Dims()
	for _, trans := range []bool{false, true} {
		k, n := rows, cols
		if trans {
			k, n = cols, rows
		}
		a := random(uint64(m), m*k)
		for _, accumulate := range []bool{false, true} {
			want, got := random(1, m*n), random(1, m*n)
			e.Gemm(m, n, k, a, k, false, w, cols, trans, want, n, accumulate)
			e.GemmStored(m, n, k, a, k, false, s, trans, got, n, accumulate)
			if i := firstDifference(want, got); i >= 0 {
				t.Fatalf("%s: m=%d %d×%d trans=%t accumulate=%t: element %d is %g, with float32s %g", name, m, rows, cols, trans, accumulate, i, got[i], want[i])
			}
		}
	}
}

func TestStoredIsItsFloat32sToTheBit(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 150 {
			m := []int{1, 1, 2, 5, 30, 75}[r.IntN(6)]
			rows, cols := 1+r.IntN(100), 1+r.IntN(100)
			if r.IntN(4) == 0 {
				rows, cols = 16*(1+r.IntN(6)), 16*(1+r.IntN(6))
			}
			if r.IntN(15) == 0 {
				rows, cols = 1+r.IntN(40), 700+r.IntN(900)
			}
			checkStored(t, e, "float16", m, randomHalf(r, rows, cols, false))
			checkStored(t, e, "bfloat16", m, randomHalf(r, rows, cols, true))
			pick := func(n int) int { return []int{1, n, 16, 32, 1 + r.IntN(n)}[r.IntN(5)] }
			for kind := range numInts {
				blockRows, blockCols, zero := pick(rows), pick(cols), r.IntN(2) == 0
				name := fmt.Sprintf("integers of type %d in blocks of %d×%d, zero=%t", kind, blockRows, blockCols, zero)
				q := randomQuantized(r, rows, cols, kind, blockRows, blockCols, zero)
				checkStored(t, e, name, m, q)
				if kind == Int8 {
					checkStored(t, e, "a function of "+name, m, randomMapped(r, q))
				}
			}
			checkStored(t, e, "codes", m, randomCoded(r, rows, cols))
		}
	})
}

// TestPartsOfStored says that products with parts of a stored matrix, and its
// unpacked elements, are those of the whole's float32s.
func TestPartsOfStored(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		r := rand.New(rand.NewPCG(7, 8))
		for range 60 {
			rows, cols := 2+r.IntN(60), 2+r.IntN(60)
			s := []Stored{
				randomHalf(r, rows, cols, false), randomCoded(r, rows, cols),
				randomMapped(r, randomQuantized(r, rows, cols, Uint4, 1+r.IntN(rows), 1+r.IntN(cols), true)),
			}[r.IntN(3)]
			w := dense(e, s)
			deep, wide := 1+r.IntN(rows), 1+r.IntN(cols)
			var off []int
			for range 3 {
				off = append(off, r.IntN(rows-deep+1)*cols+r.IntN(cols-wide+1))
			}
			for _, trans := range []bool{false, true} {
				m, k, n := 1+r.IntN(4), deep, wide
				if trans {
					k, n = wide, deep
				}
				a := random(9, 3*m*k)
				want, got := make([]float32, 3*m*n), make([]float32, 3*m*n)
				e.GemmBatch(m, n, k, a, k, false, Steps(3, m*k), w, cols, trans, off, want, n, Steps(3, m*n), false)
				e.GemmStoredBatch(m, n, k, a, k, false, Steps(3, m*k), s, trans, off, got, n, Steps(3, m*n), false)
				if i := firstDifference(want, got); i >= 0 {
					t.Fatalf("%T %d×%d at %v of %d×%d, trans=%t: element %d is %g, with float32s %g", s, deep, wide, off, rows, cols, trans, i, got[i], want[i])
				}
			}
			n := 1 + r.IntN(rows*cols)
			first := []int{r.IntN(rows*cols - n + 1), 0}
			got := make([]float32, 2*n)
			e.Unpack(s, got, first, n)
			for k, f := range first {
				if i := firstDifference(w[f:f+n], got[k*n:(k+1)*n]); i >= 0 {
					t.Fatalf("%T %d×%d: unpacked element %d is %g, want %g", s, rows, cols, f+i, got[k*n+i], w[f+i])
				}
			}
		}
	})
}

// TestEveryHalf says that all 65536 are the numbers that they stand for.
func TestEveryHalf(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, brain := range []bool{false, true} {
			h := &Half{Rows: 1, Cols: 1 << 16, Data: make([]uint16, 1<<16), Brain: brain}
			for i := range h.Data {
				h.Data[i] = uint16(i)
			}
			got := make([]float32, 1<<16)
			h.widen(e, 0, 1, 0, 1<<16, got, 1<<16)
			for i, v := range got {
				want := halfValue(uint16(i), brain)
				if math.Float32bits(v) != math.Float32bits(want) && !(v != v && want != want) {
					t.Fatalf("brain=%t: %#04x is %g, want %g", brain, i, v, want)
				}
			}
		}
	})
}

// TestStoredNaN says that 0 times a weight that is no number is none.
func TestStoredNaN(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		h := &Half{Rows: 20, Cols: 20, Data: make([]uint16, 400)}
		h.Data[7*20+3] = 0x7e00
		for _, m := range []int{1, 3} {
			c := make([]float32, m*20)
			e.GemmStored(m, 20, 20, make([]float32, m*20), 20, false, h, false, c, 20, false)
			for i, v := range c {
				if (v != v) != (i%20 == 3) {
					t.Errorf("m=%d: element %d is %g", m, i, v)
				}
			}
		}
	})
}

func TestStoredPanicsOnTooLittle(t *testing.T) {
	e := Best()
	defer e.Close()
	x := make([]float32, 100)
	for name, s := range map[string]Stored{
		"halves":           &Half{Rows: 4, Cols: 5, Data: make([]uint16, 19)},
		"bytes":            &Quantized{Rows: 4, Cols: 5, Data: make([]byte, 19), Scale: x, BlockRows: 1, BlockCols: 5},
		"nibbles":          &Quantized{Rows: 3, Cols: 5, Ints: Uint4, Data: make([]byte, 7), Scale: x, BlockRows: 1, BlockCols: 5},
		"scales":           &Quantized{Rows: 4, Cols: 5, Data: make([]byte, 20), Scale: x[:7], BlockRows: 1, BlockCols: 3},
		"halves of scales": &Quantized{Rows: 4, Cols: 5, Data: make([]byte, 20), HalfScale: &Half{Data: make([]uint16, 3)}, BlockRows: 1, BlockCols: 5},
		"zeros":            &Quantized{Rows: 4, Cols: 5, Data: make([]byte, 20), Scale: x, Zero: make([]byte, 3), BlockRows: 1, BlockCols: 5},
		"blocks of none":   &Quantized{Rows: 4, Cols: 5, Data: make([]byte, 20), Scale: x},
		"another shape":    &Half{Rows: 5, Cols: 4, Data: make([]uint16, 20)},
		"codes":            &Coded{Rows: 4, Cols: 5, Table: new([16]float32), Data: make([]byte, 9), Block: 4, Scale: x},
		"scales of codes":  &Coded{Rows: 4, Cols: 5, Table: new([16]float32), Data: make([]byte, 10), Block: 4, Scale: x[:4]},
		"floats":           &Mapped{&Floats{4, 5, x[:19]}, Variable()},
		"no factors":       &Mapped{&Floats{4, 5, x}, Mul.Of(Variable(), Along(nil, 1))},
		"scales anew":      &Quantized{Rows: 4, Cols: 5, Data: make([]byte, 20), Scale: x[:2], BlockRows: 2, BlockCols: 5, Period: 3},
		"an unknown type":  &Quantized{Rows: 4, Cols: 5, Ints: numInts, Data: make([]byte, 20), Scale: x, BlockRows: 1, BlockCols: 5},
	} {
		t.Run(name, func(t *testing.T) {
			rows, cols := s.Dims()
			if name == "another shape" {
				rows, cols = cols, rows
			}
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			e.GemmStored(2, cols, rows, x, rows, false, s, false, x, cols, false)
		})
	}
}
