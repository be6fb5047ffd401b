package cpu

import (
	"fmt"
	"testing"
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
