package heatmap

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"strings"
	"unicode"
)

// Colors is what a terminal can show.
type Colors int

const (
	// TrueColor is 24 bits a colour.
	TrueColor Colors = iota
	// Color256 is xterm's palette of 256.
	Color256
	// NoColor prints numbers instead, for NO_COLOR and for files.
	NoColor
)

// Terminal writes the document for a terminal: tokens on coloured ground and
// pictures in half blocks, or a table of numbers when there are no colours.
func Terminal(w io.Writer, d Doc, o Options) error {
	if o.Colors == NoColor {
		return Encode(w, "txt", d, o)
	}
	return Encode(w, "ansi", d, o)
}

// drawANSI writes text in escape sequences. Options.Colors NoColor is read as
// TrueColor here: who asks for ansi wants colours.
func drawANSI(w io.Writer, d Doc, o Options) error {
	t := &terminal{width: o.Width, palette: o.Colors == Color256}
	if t.width == 0 {
		t.width = 80
	}
	t.headline(oneLine(d.title()))
	if h := d.heading(); h != "" {
		t.line("\x1b[2m" + oneLine(h) + "\x1b[0m")
	}
	textScales, imageScales := scales(d, o)
	for i, text := range d.Texts {
		t.line("")
		t.headline(d.headline(text.Target, text.Tensor, text.Module))
		t.text(text, textScales[i], o)
		t.legend(textScales[i], text.beyond(textScales[i], o), text.sum(), o)
	}
	for i, m := range d.Images {
		t.line("")
		t.headline(d.headline(m.Target, m.Tensor, m.Module))
		t.picture(m, imageScales[i], o)
		t.legend(imageScales[i], m.beyond(imageScales[i]), m.sum(), o)
	}
	_, err := io.WriteString(w, t.out.String())
	return err
}

// terminal collects lines of at most width columns.
type terminal struct {
	out     strings.Builder
	width   int
	column  int
	palette bool // 256 colours only
}

func (t *terminal) line(s string) { t.out.WriteString(s + "\n") }

// headline is a line in bold, or nothing.
func (t *terminal) headline(s string) {
	if s != "" {
		t.line("\x1b[1m" + s + "\x1b[0m")
	}
}

// text writes the tokens, wrapping between words, and within one only if it is
// longer than a line.
func (t *terminal) text(text Text, scale float64, o Options) {
	for word := range words(pieces(text)) {
		n := 0
		for _, p := range word {
			n += columns(p.shown())
		}
		gap := columns(word[0].gap)
		if t.column > 0 && t.column+gap+n > t.width && n <= t.width {
			t.endLine()
		}
		if t.column > 0 || gap > 1 { // an indent stays, the space of a wrap goes
			// Spaces have the ground of no relevance, so that the text stands on
			// one paper in a dark terminal too.
			t.colour(o.Map.At(0), false)
			t.out.WriteString(word[0].gap + "\x1b[0m")
			t.column += gap
		}
		for _, p := range word {
			colour := func() { t.colour(p.ground(scale, o), p.special) }
			colour()
			t.wrapped(p.shown(), colour)
			t.out.WriteString("\x1b[0m")
			if p.newline {
				t.endLine()
			}
		}
	}
	if t.column > 0 {
		t.endLine()
	}
}

// shown is the text of a piece with its line break made visible.
func (p piece) shown() string {
	if p.newline {
		return p.text + "↵"
	}
	return p.text
}

// wrapped writes the runes of one token; again is called after a line break
// within it, to switch the colours on again.
func (t *terminal) wrapped(s string, again func()) {
	for _, r := range s {
		n := runeColumns(r)
		if t.column+n > t.width && t.column > 0 {
			t.out.WriteString("\x1b[0m")
			t.endLine()
			again()
		}
		t.out.WriteRune(r)
		t.column += n
	}
}

func (t *terminal) endLine() {
	t.out.WriteString("\n")
	t.column = 0
}

// colour switches ground and ink.
func (t *terminal) colour(ground color.RGBA, italic bool) {
	t.out.WriteString("\x1b[" + t.sgr(48, ground) + ";" + t.sgr(38, ink(ground)))
	if italic {
		t.out.WriteString(";3")
	}
	t.out.WriteString("m")
}

// sgr is the parameter for a colour: 48 sets the ground, 38 the ink.
func (t *terminal) sgr(layer int, c color.RGBA) string {
	if t.palette {
		return fmt.Sprintf("%d;5;%d", layer, xterm(c))
	}
	return fmt.Sprintf("%d;2;%d;%d;%d", layer, c.R, c.G, c.B)
}

// legend says below a text or picture what its colours mean.
func (t *terminal) legend(scale float64, beyond bool, sum float64, o Options) {
	const steps = 24
	low, high := ends(scale, beyond)
	t.out.WriteString("\n\x1b[2m" + low + "\x1b[0m ")
	for i := range steps {
		t.out.WriteString("\x1b[" + t.sgr(48, o.Map.At(2*float64(i)/(steps-1)-1)) + "m ")
	}
	t.out.WriteString("\x1b[0m \x1b[2m" + high + " · Σ relevance " + signed(sum) + "\x1b[0m\n")
}

// picture draws two rows of pixels in a line: ▀ has the upper one as ink and
// the lower one as ground.
func (t *terminal) picture(m Image, scale float64, o Options) {
	w := min(t.width, m.Width)
	h := max(1, m.Height*w/m.Width)
	var img *image.RGBA
	if m.Picture != nil {
		img = overlay(m, scale, o, w, h)
	} else {
		img = relevanceMap(m, scale, o, w, h)
	}
	for y := 0; y < h; y += 2 {
		for x := range w {
			t.out.WriteString("\x1b[" + t.sgr(38, img.RGBAAt(x, y)))
			if y+1 < h {
				t.out.WriteString(";" + t.sgr(48, img.RGBAAt(x, y+1)))
			}
			t.out.WriteString("m▀")
		}
		t.out.WriteString("\x1b[0m\n")
	}
}

// xterm returns the nearest of xterm's colours 16 to 255: a cube of 6 levels a
// channel and 24 greys.
func xterm(c color.RGBA) int {
	levels := [6]int{0, 95, 135, 175, 215, 255}
	nearest := func(v uint8) int {
		best := 0
		for i, l := range levels {
			if abs(l-int(v)) < abs(levels[best]-int(v)) {
				best = i
			}
		}
		return best
	}
	r, g, b := nearest(c.R), nearest(c.G), nearest(c.B)
	cube := distance(c, levels[r], levels[g], levels[b])
	k := min(max((int(c.R)+int(c.G)+int(c.B)-24+15)/30, 0), 23) // grey k is 8 + 10k
	if level := 8 + 10*k; distance(c, level, level, level) < cube {
		return 232 + k
	}
	return 16 + 36*r + 6*g + b
}

func distance(c color.RGBA, r, g, b int) int {
	dr, dg, db := int(c.R)-r, int(c.G)-g, int(c.B)-b
	return dr*dr + dg*dg + db*db
}

func abs(v int) int { return max(v, -v) }

// columns is the width of s on a terminal.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

// runeColumns is 0 for marks that join the rune before, 2 for East Asian wide
// characters and emoji, 1 for all other.
func runeColumns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul),
		r >= 0x3000 && r <= 0x303e, r >= 0xff01 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
		return 2
	}
	return 1
}
