package heatmap

import (
	"iter"
	"strings"
	"unicode"
)

// piece is the part of a token that stands on one line. Tokens are never
// merged; one with line breaks makes several pieces.
type piece struct {
	gap     string // leading spaces, left uncoloured so that words stay apart
	text    string
	newline bool // the line ends here, and the break belongs to the token
	token   int  // index of the token
	special bool
	value   float64
}

// pieces splits the tokens of a text at their line breaks.
func pieces(t Text) []piece {
	var out []piece
	for i, tok := range t.Tokens {
		lines := strings.Split(clean(tok.Text), "\n")
		for k, line := range lines {
			last := k == len(lines)-1
			if last && line == "" && k > 0 {
				break // the token ended in a line break
			}
			p := piece{newline: !last, token: i, special: tok.Special, value: tok.Value}
			p.gap, p.text = cutGap(line)
			if !p.newline && !visible(p.text) {
				p.text = "·" // an empty token still has relevance to show
			}
			out = append(out, p)
		}
	}
	return out
}

// visible reports whether a text takes any room: joiners and marks on their own
// do not.
func visible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return runeColumns(r) > 0 })
}

// words groups pieces that no space or line break parts.
func words(ps []piece) iter.Seq[[]piece] {
	return func(yield func([]piece) bool) {
		for len(ps) > 0 {
			n := 1
			for n < len(ps) && ps[n].gap == "" && !ps[n-1].newline {
				n++
			}
			if !yield(ps[:n:n]) {
				return
			}
			ps = ps[n:]
		}
	}
}

// cutGap splits off the leading spaces. A line of nothing but spaces keeps
// them, because their ground is all there is to see.
func cutGap(line string) (gap, text string) {
	text = strings.TrimLeft(line, " ")
	if text == "" {
		return "", line
	}
	return line[:len(line)-len(text)], text
}

// clean makes every rune of the text one that is safe to print: line ends
// become \n, other control characters their pictures (␛ for escape), and what
// could reorder the text or is no UTF-8 becomes U+FFFD.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return '→' // keeps its place in a line of fixed measure
		case r < ' ':
			return '\u2400' + r
		case r == 0x7f:
			return '\u2421'
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return '\uFFFD'
		}
		return r
	}, s)
}

// heading is the line under the title: model and rules.
func (d Doc) heading() string {
	var parts []string
	for _, s := range []string{d.Model, d.Rules} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " · ")
}

// headline is that of one text or picture: its target, and where several tensors
// are explained which it is. What the title says already is left out, unless
// nothing would tell this one from others.
func (d Doc) headline(target, tensor, module string) string {
	said := strings.Contains(d.Title, target)
	if tensor == "" || !d.severalTensors() {
		if target == "" || said && len(d.Texts)+len(d.Images) == 1 {
			return ""
		}
		return "Target: " + oneLine(target)
	}
	of := "elevance of " + oneLine(tensor)
	if module != "" {
		of += ", from " + oneLine(module)
	}
	if said {
		return "R" + of
	}
	return "Target: " + oneLine(target) + "; r" + of
}

// severalTensors reports whether relevance of more than one tensor is shown.
func (d Doc) severalTensors() bool {
	seen := map[string]bool{}
	for _, t := range d.Texts {
		seen[t.Tensor] = true
	}
	for _, m := range d.Images {
		seen[m.Tensor] = true
	}
	return len(seen) > 1
}

// title is the first line of every rendering.
func (d Doc) title() string {
	if d.Title != "" {
		return d.Title
	}
	return "Relevance"
}
