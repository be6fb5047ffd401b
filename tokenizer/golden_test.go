package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// The tokenizers and what is wanted of them are made by testdata/gen/tokenizer/make.py with HuggingFace tokenizers
// 0.23.3: 200 strings made by hand and 300 random ones, of which a third has characters of all of Unicode.

// readGolden decodes a testdata/NAME.json.gz.
func readGolden(t testing.TB, name string, v any) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(v); err != nil {
		t.Fatal(err)
	}
}

func families(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.want.json.gz")
	if err != nil || len(paths) == 0 {
		t.Fatal("no testdata", err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(p), ".want.json.gz")
	}
	return paths
}

// flat lists id, first and last character of each token, as make.py does.
func flat(text string, tokens []Token) []int {
	out := []int{}
	for _, tok := range tokens {
		out = append(out, tok.ID, utf8.RuneCountInString(text[:tok.Start]), utf8.RuneCountInString(text[:tok.End]))
	}
	return out
}

// Every id and every offset agrees with the library.
func TestAgreesWithHuggingFace(t *testing.T) {
	var texts []string
	readGolden(t, "strings", &texts)
	modes := []struct {
		name string
		opts Options
	}{
		{"special", Options{}},
		{"plain", Options{NoSpecial: true}},
		{"fitted", Options{Truncate: true, Pad: true}},
	}
	for _, family := range families(t) {
		t.Run(family, func(t *testing.T) {
			tok, err := Load(filepath.Join("testdata", family+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want map[string][][]int
			readGolden(t, family+".want", &want)
			for _, m := range modes {
				if want[m.name] == nil {
					continue
				}
				right := 0
				for i, text := range texts {
					got, err := tok.Encode(text, m.opts)
					if err != nil {
						t.Errorf("%s: %q: %v", m.name, text, err)
						continue
					}
					if d := cmp.Diff(want[m.name][i], flat(text, got)); d != "" {
						t.Errorf("%s: %q (want -, got +; id, start, end):\n%s", m.name, text, d)
						continue
					}
					right++
				}
				t.Logf("%s: ids and offsets right for %d of %d strings", m.name, right, len(texts))
			}
		})
	}
}
