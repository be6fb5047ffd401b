package tokenizer

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalForm is NFD, NFC, NFKD or NFKC of Unicode 9, with the alignment of the library's own normalization: the first
// rune of a decomposition replaces the old rune, the others are inserted after it, and a composed rune replaces all it
// was made of.
type normalForm struct{ compatible, compose bool }

func (f normalForm) apply(t *text) error {
	if t.ascii() {
		return nil
	}
	marked := f.decompose(t)
	if f.compose {
		marked = compose(marked)
	}
	changes := make([]change, len(marked))
	for i, m := range marked {
		changes[i] = m.change
	}
	t.rewrite(changes, 0)
	return nil
}

// marked is a rune with its canonical combining class.
type marked struct {
	change
	class uint8
}

func (f normalForm) decompose(t *text) []marked {
	out := make([]marked, 0, len(t.b))
	pending := 0 // out[pending:] are marks that may still move
	sort := func() {
		slices.SortStableFunc(out[pending:], func(a, b marked) int { return int(a.class) - int(b.class) })
	}
	t.each(func(r rune, _ span) {
		inserted := 0
		for _, d := range f.decomposition(r) {
			c := combiningClass(d)
			if c == 0 {
				sort()
				pending = len(out)
			}
			out = append(out, marked{change{d, inserted}, c})
			inserted = 1
		}
	})
	sort()
	return out
}

func (f normalForm) decomposition(r rune) []rune {
	form := norm.NFD
	switch {
	case r < utf8.RuneSelf, unicode.Is(newCompat, r):
		return []rune{r}
	case f.compatible:
		form = norm.NFKD
	}
	return []rune(form.String(string(r)))
}

func combiningClass(r rune) uint8 {
	if r < 0x300 || unicode.Is(newClass, r) {
		return 0
	}
	var buf [utf8.UTFMax]byte
	return norm.NFD.Properties(buf[:utf8.EncodeRune(buf[:], r)]).CCC()
}

// compose is the canonical composition of a decomposed text: each rune joins the last starter unless a rune between
// them blocks it.
func compose(in []marked) []marked {
	out := in[:0]
	starter, blocked := -1, -1 // index of the last starter in out; class of what stands between
	for _, m := range in {
		if starter >= 0 && (blocked < 0 || blocked < int(m.class)) {
			if r, ok := composite(out[starter].r, m.r); ok {
				out[starter].r = r
				out[starter].d += m.d - 1
				continue
			}
		}
		out = append(out, m)
		if m.class == 0 {
			starter, blocked = len(out)-1, -1
			continue
		}
		blocked = int(m.class)
	}
	return out
}

func composite(a, b rune) (rune, bool) {
	if b < 0x300 {
		return 0, false
	}
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s) && !unicode.Is(newCompat, r)
}
