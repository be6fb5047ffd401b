package heatmap

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// style picks one of the three faces of a page.
type style int

const (
	regular style = iota
	bold
	italic
)

// faces are the fonts of a page, by style.
type faces [3]*face

// newFaces opens the Go fonts, or the given TrueType font for every style.
func newFaces(ttf []byte) (faces, error) {
	all := [3][]byte{goregular.TTF, gobold.TTF, goitalic.TTF}
	if ttf != nil {
		all = [3][]byte{ttf, ttf, ttf}
	}
	var out faces
	for i, b := range all {
		f, err := newFace(b)
		if err != nil {
			return out, fmt.Errorf("heatmap: font: %w", err)
		}
		out[i] = f
	}
	return out, nil
}

// Missing returns the characters of the document, without repetition, that the
// font of PDF and PNG lacks, and for which they have a box. Right-to-left scripts
// count: nothing turns their order or joins their letters there.
func Missing(d Doc, o Options) ([]rune, error) {
	f, err := newFaces(o.Font)
	if err != nil {
		return nil, err
	}
	var missing []rune
	look := func(s string) {
		for _, r := range clean(s) {
			_, ok := f[regular].em(r)
			if r != '\n' && runeColumns(r) > 0 && (!ok || unicode.In(r, unicode.Arabic, unicode.Hebrew)) && !slices.Contains(missing, r) {
				missing = append(missing, r)
			}
		}
	}
	look(d.Title)
	for _, t := range d.Texts {
		for _, tok := range t.Tokens {
			look(tok.Text)
		}
	}
	return missing, nil
}

// face measures text in one font.
type face struct {
	ttf     []byte
	font    *sfnt.Font
	buf     sfnt.Buffer
	perEm   fixed.Int26_6
	advance map[rune]float64 // in ems; negative for a rune the font lacks
}

func newFace(ttf []byte) (*face, error) {
	f, err := sfnt.Parse(ttf)
	if err != nil {
		return nil, err
	}
	return &face{ttf: ttf, font: f, perEm: fixed.Int26_6(f.UnitsPerEm()) << 6, advance: map[rune]float64{}}, nil
}

// em returns the advance of a rune in ems, and whether the font has it. Runes
// above U+FFFF count as missing: the PDF writer indexes a table of 65536.
func (f *face) em(r rune) (float64, bool) {
	a, ok := f.advance[r]
	if !ok {
		a = f.lookup(r)
		f.advance[r] = a
	}
	return a, a >= 0
}

func (f *face) lookup(r rune) float64 {
	if r > 0xffff {
		return -1
	}
	g, err := f.font.GlyphIndex(&f.buf, r)
	if err != nil || g == 0 {
		return -1
	}
	a, err := f.font.GlyphAdvance(&f.buf, g, f.perEm, font.HintingNone)
	if err != nil {
		return -1
	}
	return float64(a) / float64(f.perEm)
}

// missing returns what stands for a rune the font lacks.
func (f *face) missing() rune {
	if _, ok := f.em('\uFFFD'); ok {
		return '\uFFFD'
	}
	return '?'
}

// shown replaces the runes the font lacks. Marks that join the rune before
// vanish rather than become boxes of their own.
func (f *face) shown(s string) string {
	return strings.Map(func(r rune) rune {
		if _, ok := f.em(r); ok {
			return r
		}
		if runeColumns(r) == 0 {
			return -1
		}
		return f.missing()
	}, s)
}

// width measures what shown returns, in the unit of size.
func (f *face) width(s string, size float64) float64 {
	w := 0.0
	for _, r := range s {
		w += f.runeWidth(r) * size
	}
	return w
}

// runeWidth measures what shown makes of a rune, in ems.
func (f *face) runeWidth(r rune) float64 {
	a, ok := f.em(r)
	if !ok && runeColumns(r) > 0 {
		a, ok = f.em(f.missing())
	}
	if !ok {
		return 0
	}
	return a
}
