package tokenizer

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// A splitter cuts pieces of text into smaller ones, none of them empty; it may rewrite them on the way.
type splitter func(*text) ([]*text, error)

// The pattern of GPT-2, which ByteLevel uses.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

func readSplitter(o *object, t *Tokenizer, depth int) splitter {
	if o == nil {
		return func(t *text) ([]*text, error) { return []*text{t}, nil }
	}
	defer o.done()
	switch kind := o.kind(); kind {
	case "Sequence":
		return splitterSequence(o, t, depth)
	case "ByteLevel":
		t.style.byteLevel = true
		return byteLevel(o)
	case "Metaspace":
		return metaspace(o, t)
	case "Split":
		p, b, invert := readPattern(o), readBehavior(o, o.str("behavior")), o.boolean("invert")
		return func(t *text) ([]*text, error) { return t.split(p, b, invert) }
	case "Whitespace":
		return func(t *text) ([]*text, error) { return t.split(words{}, removed, true) }
	case "WhitespaceSplit":
		return func(t *text) ([]*text, error) { return t.split(class(isSpace), removed, false) }
	case "BertPreTokenizer":
		space := func(t *text) ([]*text, error) { return t.split(class(isSpace), removed, false) }
		punct := func(t *text) ([]*text, error) { return t.split(class(isPunct), isolated, false) }
		return chain(space, punct)
	case "Punctuation":
		b := readBehavior(o, o.strOr("behavior", "Isolated"))
		return func(t *text) ([]*text, error) { return t.split(class(isPunct), b, false) }
	case "Digits":
		b := contiguous
		if o.boolean("individual_digits") {
			b = isolated
		}
		return func(t *text) ([]*text, error) { return t.split(class(unicode.IsNumber), b, false) }
	case "CharDelimiterSplit":
		d := literal(readChar(o, "delimiter"))
		return func(t *text) ([]*text, error) { return t.split(d, removed, false) }
	case "FixedLength":
		n := 5
		if o.read("length", &n); n < 1 {
			o.fail("length %d is less than 1", n)
		}
		return func(t *text) ([]*text, error) { return t.chunks(n), nil }
	default:
		o.skipAll()
		o.fail("this pre-tokenizer is not supported")
		return nil
	}
}

// readChar reads a string of one rune.
func readChar(o *object, key string) string {
	s := o.str(key)
	if utf8.RuneCountInString(s) != 1 {
		o.fail("field %q is %q, want one character", key, s)
		return " "
	}
	return s
}

func splitterSequence(o *object, t *Tokenizer, depth int) splitter {
	var steps []splitter
	for _, s := range o.sequence("pretokenizers", depth) {
		steps = append(steps, readSplitter(s, t, depth+1))
	}
	return chain(steps...)
}

// chain applies each splitter to the pieces of the one before.
func chain(steps ...splitter) splitter {
	return func(t *text) ([]*text, error) {
		pieces := []*text{t}
		for _, step := range steps {
			var next []*text
			for _, p := range pieces {
				ps, err := step(p)
				if err != nil {
					return nil, err
				}
				next = append(next, ps...)
			}
			pieces = next
		}
		return pieces, nil
	}
}

func byteLevel(o *object) splitter {
	space, useRegex := o.boolean("add_prefix_space"), o.boolOr("use_regex", true)
	o.boolean("trim_offsets") // the post-processor's
	re, err := compile(gpt2Pattern)
	if err != nil {
		panic(err) // our own constant
	}
	return func(t *text) ([]*text, error) {
		if space && len(t.b) > 0 && t.b[0] != ' ' {
			t.prepend(" ")
		}
		pieces := []*text{t}
		if useRegex {
			var err error
			if pieces, err = t.split(re, isolated, false); err != nil {
				return nil, err
			}
		}
		for _, p := range pieces {
			p.byteLevel()
		}
		return pieces, nil
	}
}

func metaspace(o *object, t *Tokenizer) splitter {
	mark := readChar(o, "replacement")
	t.style.space = mark
	add := true
	hasAdd := o.read("add_prefix_space", &add)
	scheme := "always"
	declared := o.read("prepend_scheme", &scheme)
	split := o.boolOr("split", true)
	o.skip("str_rep") // the replacement again, in old files
	if hasAdd && !add {
		if declared && scheme != "never" {
			o.fail("add_prefix_space is false but prepend_scheme is %q", scheme)
		}
		scheme = "never"
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		o.fail("prepend_scheme %q is unknown", scheme)
	}
	return func(t *text) ([]*text, error) {
		if err := t.replace(literal(" "), mark); err != nil {
			return nil, err
		}
		marked := len(t.b) >= len(mark) && string(t.b[:len(mark)]) == mark
		if !marked && (scheme == "always" || scheme == "first" && t.start == 0) {
			t.prepend(mark)
		}
		if split {
			return t.split(literal(mark), mergedWithNext, false)
		}
		return []*text{t}, nil
	}
}

// behavior says what becomes of the matches of a split.
type behavior int

const (
	removed behavior = iota
	isolated
	contiguous // neighbouring matches stay together
	mergedWithPrevious
	mergedWithNext
)

func readBehavior(o *object, name string) behavior {
	for b, n := range []string{"Removed", "Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext"} {
		if n == name {
			return behavior(b)
		}
	}
	o.fail("behavior %q is unknown", name)
	return removed
}

// split cuts a text at a pattern; invert makes what lies between the matches the matches.
func (t *text) split(p pattern, b behavior, invert bool) ([]*text, error) {
	parts, err := p.find(t.b)
	if err != nil {
		return nil, fmt.Errorf("splitting: %w", err)
	}
	if invert {
		for i := range parts {
			parts[i].match = !parts[i].match
		}
	}
	var out []*text
	for _, m := range b.apply(parts) {
		if m.end > m.start {
			out = append(out, t.cut(m.start, m.end))
		}
	}
	return out, nil
}

// apply returns the parts to keep.
func (b behavior) apply(parts []part) []part {
	var out []part
	before := false // the part before was a match
	merge := func(m part, join bool) {
		if join && len(out) > 0 {
			out[len(out)-1].start = min(out[len(out)-1].start, m.start)
			out[len(out)-1].end = max(out[len(out)-1].end, m.end)
		} else {
			out = append(out, m)
		}
		before = m.match
	}
	switch b {
	case isolated:
		return parts
	case removed:
		for _, m := range parts {
			if !m.match {
				out = append(out, m)
			}
		}
	case contiguous:
		for _, m := range parts {
			merge(m, m.match == before)
		}
	case mergedWithPrevious:
		for _, m := range parts {
			merge(m, m.match && !before)
		}
	case mergedWithNext:
		for i := len(parts) - 1; i >= 0; i-- {
			merge(parts[i], parts[i].match && !before)
		}
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
	}
	return out
}

// chunks cuts a text every n runes.
func (t *text) chunks(n int) []*text {
	var out []*text
	start, count := 0, 0
	for i := 0; i < len(t.b); {
		_, size := utf8.DecodeRune(t.b[i:])
		i += size
		if count++; count == n || i == len(t.b) {
			out = append(out, t.cut(start, i))
			start, count = i, 0
		}
	}
	return out
}
