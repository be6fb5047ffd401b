package tokenizer

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// A pattern cuts bytes into matches and what lies between, in order and without gaps.
type pattern interface {
	find(b []byte) ([]part, error)
}

type part struct {
	start, end int
	match      bool
}

// readPattern reads a field "pattern", {"String": …} or {"Regex": …}.
func readPattern(o *object) pattern {
	p := o.child("pattern")
	defer p.done()
	if _, ok := p.fields["String"]; ok {
		s := p.str("String")
		if s == "" {
			p.fail("String is empty")
		}
		return literal(s)
	}
	re, err := compile(p.str("Regex"))
	if err != nil {
		p.fail("%v", err)
	}
	return re
}

// literal matches a string that is not empty.
type literal string

func (p literal) find(b []byte) ([]part, error) {
	var parts []part
	last := 0
	for {
		i := bytes.Index(b[last:], []byte(p))
		if i < 0 || p == "" {
			return appendRest(parts, last, len(b)), nil
		}
		parts = append(appendRest(parts, last, last+i), part{last + i, last + i + len(p), true})
		last += i + len(p)
	}
}

// class matches single runes.
type class func(rune) bool

func (p class) find(b []byte) ([]part, error) {
	var parts []part
	last := 0
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if p(r) {
			parts = append(appendRest(parts, last, i), part{i, i + n, true})
			last = i + n
		}
		i += n
	}
	return appendRest(parts, last, len(b)), nil
}

// words matches the pattern \w+|[^\w\s]+ of the Whitespace pre-tokenizer.
type words struct{}

func (words) find(b []byte) ([]part, error) {
	const space, word, other = 0, 1, 2
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return word
		case isSpace(r):
			return space
		}
		return other
	}
	var parts []part
	last := -1
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if k := kind(r); k != last {
			parts = append(parts, part{i, i, k != space})
			last = k
		}
		i += n
		parts[len(parts)-1].end = i
	}
	return parts, nil
}

func appendRest(parts []part, start, end int) []part {
	if start == end {
		return parts
	}
	return append(parts, part{start, end, false})
}

// regex matches a regular expression.
type regex struct{ re *regexp2.Regexp }

// compile takes a pattern in the syntax of Oniguruma, which the library uses.
func compile(onig string) (regex, error) {
	s, err := translate(onig)
	if err != nil {
		return regex{}, fmt.Errorf("regular expression %q: %w", onig, err)
	}
	re, err := regexp2.Compile(s, regexp2.Multiline) // Oniguruma's ^ and $ are those of lines
	if err != nil {
		return regex{}, fmt.Errorf("regular expression %q: %w", onig, err)
	}
	re.MatchTimeout = regexTime // it backtracks
	return regex{re}, nil
}

func (p regex) find(b []byte) ([]part, error) {
	runes := []rune(string(b))
	at := make([]int, len(runes)+1) // byte offset of each rune
	for i, r := range runes {
		at[i+1] = at[i] + utf8.RuneLen(r)
	}
	var parts []part
	last, matched := 0, false
	m, err := p.re.FindRunesMatch(runes)
	for m != nil && err == nil {
		start, end := at[m.Index], at[m.Index+m.Length]
		// Oniguruma's iterator takes no empty match where the last match ended.
		if start < end || !matched || start != last {
			parts = append(appendRest(parts, last, start), part{start, end, true})
			last, matched = end, true
		}
		m, err = p.re.FindNextMatch(m)
	}
	return appendRest(parts, last, len(b)), err
}
