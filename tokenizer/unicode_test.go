package tokenizer

import (
	"fmt"
	"hash/crc32"
	"testing"
	"unicode"
)

// facts is what make.py found out about every code point assigned in Unicode 14.
type facts struct {
	Sets     map[string][]rune   // ranges
	Patterns map[string][]rune   // ranges
	Sums     map[string][]uint32 // of each 1024 code points
}

func set(ranges []rune) map[rune]bool {
	out := map[rune]bool{}
	for r := ranges; len(r) > 0; r = r[2:] {
		for c := r[0]; c <= r[1]; c++ {
			out[c] = true
		}
	}
	return out
}

// The character classes agree with the library's for every code point.
func TestClassesOfAllCodePoints(t *testing.T) {
	var f facts
	readGolden(t, "unicode", &f)
	assigned := set(f.Sets["assigned"])
	if len(assigned) < 140_000 {
		t.Fatalf("%d code points to compare", len(assigned))
	}
	classes := map[string]func(rune) bool{
		"control":    func(r rune) bool { return r == 0 || r == 0xFFFD || isControl(r) },
		"space":      isSpace,
		"nonspacing": isNonspacing,
		"mark":       isMark,
		"punct":      isPunct,
		"word":       isWord,
		"digit":      unicode.IsNumber,
	}
	for name, is := range classes {
		want := set(f.Sets[name])
		for r := range assigned {
			if is(r) != want[r] {
				t.Errorf("%s(%U) = %v, want %v", name, r, is(r), want[r])
			}
		}
	}
}

// Character classes of regular expressions match the same code points here and in Oniguruma.
func TestPatternsOnAllCodePoints(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var f facts
	readGolden(t, "unicode", &f)
	assigned := set(f.Sets["assigned"])
	if len(f.Patterns) == 0 {
		t.Fatal("no patterns")
	}
	for p, ranges := range f.Patterns {
		re, err := compile(p)
		if err != nil {
			t.Fatal(err)
		}
		want := set(ranges)
		wrong := 0
		for r := range assigned {
			parts, err := re.find([]byte(string(r)))
			if err != nil {
				t.Fatal(err)
			}
			if parts[0].match != want[r] {
				if wrong++; wrong < 10 {
					t.Errorf("%s matches %U: %v, want %v", p, r, parts[0].match, want[r])
				}
			}
		}
	}
}

// Normal forms and lower case agree with the library's for every code point, alone and among combining marks.
func TestFormsOfAllCodePoints(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var f facts
	readGolden(t, "unicode", &f)
	assigned := set(f.Sets["assigned"])
	forms := map[string]normalizer{
		"NFC":       normalForm{compose: true}.apply,
		"NFD":       normalForm{}.apply,
		"NFKC":      normalForm{compatible: true, compose: true}.apply,
		"NFKD":      normalForm{compatible: true}.apply,
		"Lowercase": lowercase,
	}
	for name, form := range forms {
		if len(f.Sums[name]) == 0 {
			t.Fatalf("nothing known of %s", name)
		}
		for block, want := range f.Sums[name] {
			var sum uint32
			for r := rune(block) << 10; r < rune(block+1)<<10; r++ {
				if !assigned[r] {
					continue
				}
				s := newText(fmt.Sprintf("%c|a\u0345%c\u0327|a%c\u0316\u0301", r, r, r))
				if err := form(s); err != nil {
					t.Fatal(err)
				}
				sum = crc32.Update(sum, crc32.IEEETable, s.b)
			}
			if sum != want {
				t.Errorf("%s differs somewhere in U+%04X to U+%04X", name, block<<10, block<<10|1023)
			}
		}
	}
}
