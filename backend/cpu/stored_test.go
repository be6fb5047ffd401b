package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// dense is the float32s that a stored matrix stands for, computed here from what
// its type's documentation says.
func dense(s Stored) []float32 {
	rows, cols := s.Dims()
	x := make([]float32, rows*cols)
	for i := range x {
		switch s := s.(type) {
		case *Half:
			x[i] = halfValue(s.Data[i], s.Brain)
		case *Quantized:
			block := i/cols/s.BlockRows*((cols+s.BlockCols-1)/s.BlockCols) + i%cols/s.BlockCols
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
	blocks := ceil(rows, blockRows) * ceil(cols, blockCols)
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
	w := dense(s)
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
				checkStored(t, e, name, m, randomQuantized(r, rows, cols, kind, blockRows, blockCols, zero))
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
