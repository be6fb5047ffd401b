package heatmap

import (
	"fmt"
	"io"
	"math"
	"testing"
)

// FuzzText looks for token texts that make a writer fail or panic.
func FuzzText(f *testing.F) {
	for _, tok := range awkward().Texts[0].Tokens {
		f.Add(tok.Text, tok.Value)
	}
	f.Fuzz(func(t *testing.T, text string, value float64) {
		if !finite(value) {
			return
		}
		d := Doc{Title: text, Model: text, Texts: []Text{{Target: text, Tokens: []Token{{text, value, false}, {text, -1, true}}}}}
		for _, format := range []string{"html", "pdf", "svg", "tex", "json", "ansi", "txt"} {
			if err := Encode(io.Discard, format, d, Options{}); err != nil {
				t.Errorf("%s: %v", format, err)
			}
		}
	})
}

func BenchmarkPDF(b *testing.B) {
	d := Doc{Texts: []Text{{Target: "x"}}}
	for i := range 760 {
		d.Texts[0].Tokens = append(d.Texts[0].Tokens, Token{Text: fmt.Sprintf(" tok%d", i), Value: math.Sin(float64(i))})
	}
	for b.Loop() {
		if err := Encode(io.Discard, "pdf", d, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
