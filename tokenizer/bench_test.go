package tokenizer

import (
	"strings"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	text := strings.Repeat("The capital of France is Paris; it's 3 o'clock in München, 東京 and elsewhere.\n", 100)
	for _, family := range families(b) {
		b.Run(family, func(b *testing.B) {
			tok := load(b, family)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := tok.Encode(text, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
