package cpu

import (
	"fmt"
	"testing"
)

// perElement reports the time an element takes, with all threads together.
func perElement(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
}

// BenchmarkElementwise: 450 rows of 1536, in L2 and L3.
func BenchmarkElementwise(b *testing.B) {
	const rows, n = 450, 1536
	x, y, g, d := random(1, rows*n), random(2, rows*n), random(3, rows*n), make([]float32, rows*n)
	w := random(4, n)
	scores, sd := random(5, 9*450*450), make([]float32, 9*450*450)
	for _, k := range Kinds() {
		for _, threads := range []int{1, 0} {
			e, err := New(Options{Kind: k, Threads: threads})
			if err != nil {
				b.Fatal(err)
			}
			full := Operand{Data: x, Strides: []int{n, 1}}
			for _, c := range []struct {
				name string
				n    int
				run  func()
			}{
				{"exp", rows * n, func() { e.Map(Exp, d, x) }},
				{"silu", rows * n, func() { e.Map(Silu, d, x) }},
				{"tanh", rows * n, func() { e.Map(Tanh, d, x) }},
				{"erf", rows * n, func() { e.Map(Erf, d, x) }},
				{"gelu", rows * n, func() { e.Map(Gelu, d, x) }},
				{"gelu tanh", rows * n, func() { e.Map(GeluTanh, d, x) }},
				{"log", rows * n, func() { e.Map(Log, d, x) }},
				{"sqrt", rows * n, func() { e.Map(Sqrt, d, x) }},
				{"add", rows * n, func() { e.Zip(Add, d, x, y) }},
				{"mul number", rows * n, func() { e.ZipScalar(Mul, d, x, 3) }},
				{"mul row", rows * n, func() { e.Broadcast(Mul, []int{rows, n}, d, full, Operand{Data: w, Strides: []int{0, 1}}) }},
				{"mul column", rows * n, func() { e.Broadcast(Mul, []int{rows, n}, d, full, Operand{Data: w, Strides: []int{1, 0}}) }},
				{"div sign eps", rows * n, func() { e.DivSignEps(d, x, y, 1e-6) }},
				{"layer norm", rows * n, func() { e.LayerNorm(rows, n, d, x, w, w, 1e-5) }},
				{"rms norm", rows * n, func() { e.RMSNorm(rows, n, d, x, w, 1e-5) }},
				{"sum", rows * n, func() { e.ReduceRows(Sum, rows, n, d[:rows], x) }},
				{"sum columns", rows * n, func() { e.SumColumns(rows, n, d[:n], x) }},
				{"softmax 9x450x450", len(scores), func() { e.Softmax(9*450, 450, sd, scores) }},
				{"softmax backward", rows * n, func() { e.SoftmaxVJP(rows, n, d, y, g) }},
				{"softmax taylor", rows * n, func() { e.SoftmaxTaylor(rows, n, d, x, y, g) }},
				{"transpose", rows * n, func() { CopyStrided(e, d, []int{n, rows}, x, 0, []int{1, n}) }},
				{"heads to front", rows * n, func() { CopyStrided(e, d, []int{24, rows, 64}, x, 0, []int{64, n, 1}) }},
				{"copy", rows * n, func() { CopyStrided(e, d, []int{rows * n}, x, 0, []int{1}) }},
			} {
				b.Run(fmt.Sprintf("%s/threads=%d/%s", k, e.Threads(), c.name), func(b *testing.B) {
					for b.Loop() {
						c.run()
					}
					perElement(b, c.n)
				})
			}
			e.Close()
		}
	}
}
