package tokenizer

import (
	"unicode/utf8"
)

// span is a byte range of the text given to Encode.
type span struct{ start, end int32 }

// text is a piece of the input while it is normalized and split: its bytes now, and for every byte the span of the
// input it came from. All bytes of a rune have the same span. A text always holds valid UTF-8.
type text struct {
	b     []byte
	at    []span
	start int32 // where in the input this piece began when it was cut
}

// newText takes s as it is, except that bytes that are not UTF-8 become U+FFFD.
func newText(s string) *text {
	t := &text{b: make([]byte, 0, len(s)), at: make([]span, 0, len(s))}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		t.put(r, span{int32(i), int32(i + n)})
		i += n
	}
	return t
}

// put appends a rune with its span.
func (t *text) put(r rune, at span) {
	t.b = utf8.AppendRune(t.b, r)
	for len(t.at) < len(t.b) {
		t.at = append(t.at, at)
	}
}

// cut returns the bytes i to j, which must not be empty.
func (t *text) cut(i, j int) *text {
	return &text{b: t.b[i:j:j], at: t.at[i:j:j], start: t.at[i].start}
}

// span returns the input range of the bytes i to j.
func (t *text) span(i, j int) span {
	return span{t.at[i].start, t.at[j-1].end}
}

func (t *text) ascii() bool {
	for _, c := range t.b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// change is one rune of a rewritten text and what became of the old runes there: 0, it replaces one; 1, it is
// inserted; -n, it replaces one and the n after it are gone.
type change struct {
	r rune
	d int
}

// rewrite replaces the whole text. The first gone runes have no successor. An inserted rune takes the span of the old
// rune before it. Spans go by position, not by identity: where marks were reordered, so is what they point at.
func (t *text) rewrite(changes []change, gone int) {
	if len(t.b) == 0 {
		return
	}
	old := t.b
	skip := func(at, n int) int {
		for ; n > 0 && at < len(old); n-- {
			_, size := utf8.DecodeRune(old[at:])
			at += size
		}
		return at
	}
	out := text{b: make([]byte, 0, len(old)), at: make([]span, 0, len(old)), start: t.start}
	at := skip(0, gone)
	for _, c := range changes {
		switch {
		case c.d > 0 && at == 0:
			out.put(c.r, span{t.at[0].start, t.at[0].start})
		case c.d > 0:
			out.put(c.r, t.at[at-1])
		default:
			out.put(c.r, t.at[min(at, len(old)-1)])
			at = skip(at, 1-c.d)
		}
	}
	*t = out
}

// mapRunes replaces each rune by one other.
func (t *text) mapRunes(f func(rune) rune) {
	out := text{b: make([]byte, 0, len(t.b)), at: make([]span, 0, len(t.b)), start: t.start}
	t.each(func(r rune, at span) { out.put(f(r), at) })
	*t = out
}

// each calls f for every rune.
func (t *text) each(f func(r rune, at span)) {
	for i := 0; i < len(t.b); {
		r, n := utf8.DecodeRune(t.b[i:])
		f(r, t.at[i])
		i += n
	}
}

// keep drops the runes that f does not want. What stays keeps its span.
func (t *text) keep(f func(rune) bool) {
	out := text{b: make([]byte, 0, len(t.b)), at: make([]span, 0, len(t.b)), start: t.start}
	t.each(func(r rune, at span) {
		if f(r) {
			out.put(r, at)
		}
	})
	*t = out
}

// prepend puts s before a text that is not empty, with the span of its first rune.
func (t *text) prepend(s string) {
	if len(t.b) == 0 {
		return
	}
	out := text{b: make([]byte, 0, len(t.b)+len(s)), at: make([]span, 0, len(t.b)+len(s)), start: t.start}
	for _, r := range s {
		out.put(r, t.at[0])
	}
	out.b = append(out.b, t.b...)
	out.at = append(out.at, t.at...)
	*t = out
}

// replace puts s for every match, with the span of the last byte matched.
func (t *text) replace(p pattern, s string) error {
	parts, err := p.find(t.b)
	if err != nil {
		return err
	}
	size := 0
	for _, m := range parts {
		if size += m.end - m.start; m.match {
			size += len(s)
		}
	}
	if size > maxWorking {
		return errTooLong
	}
	out := text{b: make([]byte, 0, size), at: make([]span, 0, size), start: t.start}
	for _, m := range parts {
		if !m.match {
			out.b = append(out.b, t.b[m.start:m.end]...)
			out.at = append(out.at, t.at[m.start:m.end]...)
			continue
		}
		at := span{t.start, t.start}
		if m.end > 0 {
			at = t.at[m.end-1]
		}
		for _, r := range s {
			out.put(r, at)
		}
	}
	*t = out
	return nil
}

// byteLevel writes every byte as the printable rune that stands for it.
func (t *text) byteLevel() {
	out := text{b: make([]byte, 0, 2*len(t.b)), at: make([]span, 0, 2*len(t.b)), start: t.start}
	for i, c := range t.b {
		out.put(byteRune(c), t.at[i])
	}
	*t = out
}
