//go:build amd64 && !purego

package cpu

import "testing"

// BenchmarkPeak is the speed limit of one core: independent FMAs in registers.
func BenchmarkPeak(b *testing.B) {
	const rounds = 1000
	for _, k := range Kinds() {
		b.Run(string(k), func(b *testing.B) {
			switch k {
			case AVX512:
				for b.Loop() {
					peak512(rounds)
				}
				gflops(b, rounds*24*16*2)
			case AVX2:
				for b.Loop() {
					peak256(rounds)
				}
				gflops(b, rounds*14*8*2)
			default:
				b.Skip("no peak kernel in Go")
			}
		})
	}
}
