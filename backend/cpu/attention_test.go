package cpu

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// bandOf is a random band of one of the forms that masks have.
func bandOf(r *rand.Rand, form string, rows, cols int) Band {
	b := Band{make([]int32, rows), make([]int32, rows)}
	for i := range rows {
		lo, hi := 0, cols
		switch form {
		case "causal":
			hi = min(cols, i+1)
		case "window":
			lo, hi = max(0, i-9), min(cols, i+1)
		case "ragged":
			lo = r.IntN(cols + 1)
			hi = r.IntN(cols + 1) // often before lo: an empty row
		case "empty":
			hi = 0
		}
		b.Lo[i], b.Hi[i] = int32(lo), int32(hi)
	}
	return b
}

// outside clears the elements of a rows×cols matrix outside its band.
func (b Band) outside(x []float32, ld, cols int, trans bool) {
	for i := range b.Lo {
		for j := range cols {
			if j >= int(b.Lo[i]) && j < int(b.Hi[i]) {
				continue
			}
			if trans {
				x[j*ld+i] = 0
			} else {
				x[i*ld+j] = 0
			}
		}
	}
}

// TestGemmBand says that leaving out a factor's zeros changes no bit, and that
// the wanted elements of C are those of the whole product.
func TestGemmBand(t *testing.T) {
	shapes := [][3]int{{1, 1, 1}, {14, 32, 16}, {61, 70, 45}, {30, 40, 256}, {33, 35, 1700}, {150, 9, 0}}
	engines(t, func(t *testing.T, e *Engine) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, s := range shapes {
			for _, form := range []string{"whole", "causal", "window", "ragged", "empty"} {
				for of := BandOfA; of <= BandOfC; of++ {
					for trans := range 4 {
						checkBand(t, e, r, s[0], s[1], s[2], form, of, trans&1 != 0, trans&2 != 0)
					}
				}
			}
		}
	})
}

func checkBand(t *testing.T, e *Engine, r *rand.Rand, m, n, k int, form string, of Banded, transA, transB bool) {
	t.Helper()
	const nb = 3
	lda, ldb := k, n
	if transA {
		lda = m
	}
	if transB {
		ldb = k
	}
	a, b := random(r.Uint64(), nb*m*k), random(r.Uint64(), nb*k*n)
	offA, offB, offC := Steps(nb, m*k), Steps(nb, k*n), Steps(nb, m*n)
	rows, cols := of.shape(product{m: m, n: n, k: k})
	bands := make([]Band, nb)
	for i := range bands {
		bands[i] = bandOf(r, form, rows, cols)
		switch of {
		case BandOfA, BandOfAT:
			bands[i].outside(a[offA[i]:], lda, cols, transA != (of == BandOfAT))
		case BandOfB, BandOfBT:
			bands[i].outside(b[offB[i]:], ldb, cols, transB != (of == BandOfBT))
		}
	}
	want := make([]float32, nb*m*n)
	e.GemmBatch(m, n, k, a, lda, transA, offA, b, ldb, transB, offB, want, n, offC, false)
	got, intact := guarded(nb * m * n)
	e.GemmBand(m, n, k, a, lda, transA, offA, b, ldb, transB, offB, got, n, offC, of, bands)
	for i := range bands {
		for at := range m * n {
			g, w := got[offC[i]+at], want[offC[i]+at]
			unwanted := of == BandOfC && (at%n < int(bands[i].Lo[at/n]) || at%n >= int(bands[i].Hi[at/n]))
			if g != w && !unwanted {
				t.Fatalf("%s band %d of a product %d×%d×%d (%v, %v): element %d is %g, want %g", form, of, m, n, k, transA, transB, at, g, w)
			}
		}
	}
	if !intact() {
		t.Fatal("wrote outside of C")
	}
}

// TestBandChecks says that a band that does not fit is refused.
func TestBandChecks(t *testing.T) {
	e, err := New(Options{Kind: Go, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 4)
	for name, b := range map[string]Band{
		"too few rows":    {[]int32{0}, []int32{2}},
		"too wide":        {[]int32{0, 0}, []int32{2, 3}},
		"before column 0": {[]int32{0, -1}, []int32{2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			e.GemmBand(2, 2, 2, x, 2, false, zero, x, 2, false, zero, slices.Clone(x), 2, zero, BandOfA, []Band{b})
		})
	}
}

// BenchmarkAttentionBand is the weights of nine heads of 452 tokens times their
// values, under a causal mask: as it is, and by its band.
func BenchmarkAttentionBand(b *testing.B) {
	const heads, tokens, width = 9, 452, 64
	p, v := random(1, heads*tokens*tokens), random(2, heads*tokens*width)
	out := make([]float32, heads*tokens*width)
	bands := slices.Repeat([]Band{bandOf(nil, "causal", tokens, tokens)}, heads)
	for i := range bands {
		bands[i].outside(p[i*tokens*tokens:], tokens, tokens, false)
	}
	e := Best()
	defer e.Close()
	offP, offV := Steps(heads, tokens*tokens), Steps(heads, tokens*width)
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			e.GemmBatch(tokens, width, tokens, p, tokens, false, offP, v, width, false, offV, out, width, offV, false)
		}
	})
	b.Run("band", func(b *testing.B) {
		for b.Loop() {
			e.GemmBand(tokens, width, tokens, p, tokens, false, offP, v, width, false, offV, out, width, offV, BandOfA, bands)
		}
	})
	b.Run("transposed whole", func(b *testing.B) {
		for b.Loop() {
			e.GemmBatch(tokens, width, tokens, p, tokens, true, offP, v, width, false, offV, out, width, offV, false)
		}
	})
	b.Run("transposed band", func(b *testing.B) {
		for b.Loop() {
			e.GemmBand(tokens, width, tokens, p, tokens, true, offP, v, width, false, offV, out, width, offV, BandOfAT, bands)
		}
	})
	b.Run("scores whole", func(b *testing.B) {
		for b.Loop() {
			e.GemmBatch(tokens, tokens, width, v, width, false, offV, v, width, true, offV, p, tokens, offP, false)
		}
	})
	b.Run("scores band", func(b *testing.B) {
		for b.Loop() {
			e.GemmBand(tokens, tokens, width, v, width, false, offV, v, width, true, offV, p, tokens, offP, BandOfC, bands)
		}
	})
	b.Run("keys whole", func(b *testing.B) {
		for b.Loop() {
			e.GemmBatch(width, tokens, tokens, v, width, true, offV, p, tokens, false, offP, out, tokens, offV, false)
		}
	})
	b.Run("keys band", func(b *testing.B) {
		for b.Loop() {
			e.GemmBand(width, tokens, tokens, v, width, true, offV, p, tokens, false, offP, out, tokens, offV, BandOfB, bands)
		}
	})
}
