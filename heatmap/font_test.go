package heatmap

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMissing(t *testing.T) {
	text := func(s ...string) Doc {
		var d Doc
		d.Texts = []Text{{}}
		for _, s := range s {
			d.Texts[0].Tokens = append(d.Texts[0].Tokens, Token{Text: s})
		}
		return d
	}
	for _, tt := range []struct {
		fact string
		doc  Doc
		want string
	}{
		{"Latin, Greek and Cyrillic are there", text("café", " λόγος", " слово\n"), ""},
		{"others are not, and are said once", text("日本", " 日"), "日本"},
		{"marks and joiners vanish without a box", text("e\u0301", "\u200d"), ""},
		{"what reads from the right is not set in order", text("אב"), "אב"},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			got, err := Missing(tt.doc, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(got)); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := Missing(Doc{}, Options{Font: []byte("none")}); err == nil {
		t.Error("text was taken for a font")
	}
}

func TestTokensOfNoWidthAreVisible(t *testing.T) {
	var got []string
	for _, p := range pieces(Text{Tokens: []Token{{Text: "a"}, {Text: ""}, {Text: "\u200d"}, {Text: "  "}, {Text: "\n"}}}) {
		got = append(got, p.text)
	}
	if d := cmp.Diff([]string{"a", "·", "·", "  ", ""}, got); d != "" {
		t.Error(d)
	}
}
