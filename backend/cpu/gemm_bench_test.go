package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// gflops reports the rate of flop floating point operations an iteration.
func gflops(b *testing.B, flop int) {
	b.ReportMetric(float64(flop)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
}

// BenchmarkGemm: go test -bench Gemm ./backend/cpu. Compare with BenchmarkPeak.
func BenchmarkGemm(b *testing.B) {
	for _, k := range Kinds() {
		for _, threads := range []int{1, 0} {
			e, err := New(Options{Kind: k, Threads: threads})
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range [][3]int{{450, 576, 1536}, {450, 1536, 576}, {450, 576, 576}, {450, 49152, 576}, {128, 768, 768}, {512, 2048, 2048}, {1, 4096, 4096}} {
				if k == Go && s[1] > 10000 {
					continue
				}
				for i, op := range []string{"NN", "NT", "TN"} {
					name := fmt.Sprintf("%s/threads=%d/%dx%dx%d/%s", k, e.Threads(), s[0], s[1], s[2], op)
					b.Run(name, func(b *testing.B) { benchGemm(b, e, s[0], s[1], s[2], i == 2, i == 1) })
				}
			}
			e.Close()
		}
	}
}

func benchGemm(b *testing.B, e *Engine, m, n, k int, transA, transB bool) {
	x, y := newOperand(1, m, k, transA, 0), newOperand(2, k, n, transB, 0)
	c := make([]float32, m*n)
	for b.Loop() {
		e.Gemm(m, n, k, x.data, x.ld, transA, y.data, y.ld, transB, c, n, false)
	}
	gflops(b, 2*m*n*k)
}

// BenchmarkStored compares weights of smaller types with float32s, forward and
// transposed, for many rows and for one.
func BenchmarkStored(b *testing.B) {
	e := Best()
	defer e.Close()
	r := rand.New(rand.NewPCG(1, 1))
	const k, n = 1536, 1536
	for name, s := range map[string]Stored{
		"float16":               randomHalf(r, k, n, false),
		"bfloat16":              randomHalf(r, k, n, true),
		"int8, scale per row":   randomQuantized(r, k, n, Int8, 1, n, false),
		"int4, blocks down":     randomQuantized(r, k, n, Int4, 32, 1, true),
		"uint4, blocks across":  randomQuantized(r, k, n, Uint4, 1, 32, true),
		"uint4, blocks of 16":   randomQuantized(r, k, n, Uint4, 1, 16, true),
		"int8, scale by column": randomQuantized(r, k, n, Int8, k, 1, false),
	} {
		w := dense(e, s)
		for _, m := range []int{452, 32, 1} {
			x, c := random(1, m*k), make([]float32, m*n)
			for _, trans := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/rows=%d/trans=%t", name, m, trans), func(b *testing.B) {
					stored, full := time.Hour, time.Hour
					for b.Loop() {
						start := time.Now()
						e.GemmStored(m, n, k, x, k, false, s, trans, c, n, false)
						stored = min(stored, time.Since(start))
						start = time.Now()
						e.Gemm(m, n, k, x, k, false, w, n, trans, c, n, false)
						full = min(full, time.Since(start))
					}
					b.ReportMetric(float64(stored)/float64(full), "of-float32")
				})
			}
		}
	}
}

// BenchmarkAttention: 9 heads of 64 inside rows of 576, as attention forward
// (QKᵀ, PV) and backward (Pᵀ·G) address them.
func BenchmarkAttention(b *testing.B) {
	e := Best()
	defer e.Close()
	const heads, rows, d = 9, 450, 64
	q, kv, out := random(1, rows*heads*d), random(2, rows*heads*d), make([]float32, rows*heads*d)
	p := random(3, heads*rows*rows)
	inRow, square := Steps(heads, d), Steps(heads, rows*rows)
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			gflops(b, 2*heads*rows*rows*d)
		})
	}
	run("QK^T", func() {
		e.GemmBatch(rows, rows, d, q, heads*d, false, inRow, kv, heads*d, true, inRow, p, rows, square, false)
	})
	run("PV", func() {
		e.GemmBatch(rows, d, rows, p, rows, false, square, kv, heads*d, false, inRow, out, heads*d, inRow, false)
	})
	run("P^T·G", func() {
		e.GemmBatch(rows, d, rows, p, rows, true, square, kv, heads*d, false, inRow, out, heads*d, inRow, false)
	})
}
