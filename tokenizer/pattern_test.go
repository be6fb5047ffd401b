package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Translated patterns split all the test strings where Oniguruma does.
func TestPatternsAgreeWithOniguruma(t *testing.T) {
	var texts []string
	var want map[string][][]int
	readGolden(t, "strings", &texts)
	readGolden(t, "patterns", &want)
	for p, ends := range want {
		re, err := compile(p)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		for i, text := range texts {
			pieces, err := newText(text).split(re, isolated, false)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, s := range pieces {
				got = append(got, utf8.RuneCountInString(text[:s.at[len(s.at)-1].end]))
			}
			if !slices.Equal(got, ends[i]) {
				t.Errorf("%s splits %q at %v, want %v", p, text, got, ends[i])
			}
		}
	}
}

// What the two syntaxes read differently, or might, is refused.
func TestPatternsThatAreRefused(t *testing.T) {
	for p, why := range map[string]string{
		`[a-z&&[^aeiou]]`:          "class operations",
		`[[:alpha:]]`:              "class operations",
		`[]a]`:                     "empty class",
		`[a`:                       "unclosed class",
		`(a`:                       "unclosed group",
		`a)`:                       "unopened group",
		`\h`:                       "escape",
		`\bword`:                   "escape",
		`(a)\1`:                    "escape",
		`a\`:                       "backslash",
		`\xE9`:                     "not a character",
		`\p{Alphabetic}`:           "property",
		`\p{C}`:                    "property", // with unassigned code points there, without here
		`\p{^L}`:                   "escape",
		`(?m:.)`:                   "group",
		`a(?i)b`:                   "group",
		`(?<name>a)`:               "group",
		`(?i:\p{Lu})`:              "property",
		`(?i:lass)`:                "the letters ss",
		`(?i:[\u0100-\uFFFF])`:     "range",
		`*a`:                       "nothing to repeat",
		`a{2}+`:                    "repetition",
		`a{2}?`:                    "repetition",
		`a**`:                      "repetition",
		`{a}`:                      "nothing to repeat",
		`a{b}`:                     "brace",
		strings.Repeat("a", 1<<16): "longer than",
		`[z-a]`:                    "range",
		`[a-\d]`:                   "range",
	} {
		_, err := compile(p)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.40s: error %v, want one about %q", p, err, why)
		}
	}
}

// The parts of every pattern cover the bytes in order.
func TestPartsCoverTheText(t *testing.T) {
	re, err := compile(gpt2Pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []pattern{literal("a"), class(isPunct), words{}, re} {
		for _, s := range []string{"", "a", "aa", "b", "ab, a", " \u00e9!"} {
			parts, err := p.find([]byte(s))
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for _, m := range parts {
				if m.start != at || m.end <= at {
					t.Errorf("%T on %q: part %v after %d", p, s, m, at)
				}
				at = m.end
			}
			if at != len(s) {
				t.Errorf("%T on %q covers %d bytes of %d", p, s, at, len(s))
			}
		}
	}
}
