package ir

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A SyntaxError says where and why a text is not a model.
type SyntaxError struct {
	Line, Col int // from 1; Col counts characters
	Msg       string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg) }

// A token is a piece of text. Kind is the character itself for punctuation.
type token struct {
	kind rune
	pos  int    // byte offset
	text string // the characters; of a string, what they mean
}

const (
	tokEOF    rune = -1 - iota
	tokIdent       // a letter or _, then also digits
	tokString      // in double quotes; a backslash makes the next character literal
	tokInt
	tokFloat
	tokArrow // =>
)

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "the end"
	case tokString:
		return quoteString(t.text)
	}
	return t.text
}

// A lexer cuts a text into tokens.
type lexer struct {
	src string
	pos int
	end int // of the last token
}

// fail panics with a SyntaxError at the given offset; Parse recovers it.
func (l *lexer) fail(pos int, format string, args ...any) {
	line, col := l.place(pos)
	panic(&SyntaxError{line, col, fmt.Sprintf(format, args...)})
}

// place returns the line and the column of an offset.
func (l *lexer) place(pos int) (line, col int) {
	before := l.src[:min(pos, len(l.src))]
	line = strings.Count(before, "\n") + 1
	col = utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return line, col
}

// next returns the next token, skipping white space and comments.
func (l *lexer) next() token {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case strings.IndexByte(" \t\n\v\f\r", c) >= 0:
			l.pos++
		case c == '#':
			l.skip(func(c byte) bool { return c != '\n' })
		default:
			t := l.token(c)
			l.end = l.pos
			return t
		}
	}
	return token{kind: tokEOF, pos: l.end}
}

func (l *lexer) token(c byte) token {
	t := token{pos: l.pos}
	switch {
	case c == '"':
		t.kind, t.text = tokString, l.quoted()
		return t
	case isLetter(c):
		t.kind = tokIdent
		l.skip(func(c byte) bool { return isLetter(c) || isDigit(c) })
	case isDigit(c), c == '-':
		t.kind = l.number()
	case strings.HasPrefix(l.src[l.pos:], "=>"):
		t.kind = tokArrow
		l.pos += 2
	default:
		r, size := utf8.DecodeRuneInString(l.src[l.pos:])
		t.kind = r
		l.pos += size
	}
	t.text = l.src[t.pos:l.pos]
	return t
}

// number reads -?digits(.digits?)?(e±digits)? or -inf, -nan.
func (l *lexer) number() rune {
	start, kind := l.pos, tokInt
	if l.src[l.pos] == '-' {
		l.pos++
		if l.skip(isLetter) > 0 {
			if !isSpecialFloat(l.src[start+1 : l.pos]) {
				l.fail(start, "got %q, want a number", l.src[start:l.pos])
			}
			return tokFloat
		}
	}
	if l.skip(isDigit) == 0 {
		l.fail(start, "got %q, want a number", "-")
	}
	if l.peek() == '.' {
		kind = tokFloat
		l.pos++
		l.skip(isDigit)
	}
	if c := l.peek(); c == 'e' || c == 'E' {
		kind = tokFloat
		l.pos++
		if c := l.peek(); c == '+' || c == '-' {
			l.pos++
		}
		if l.skip(isDigit) == 0 {
			l.fail(start, "%q has an exponent without digits", l.src[start:l.pos])
		}
	}
	return kind
}

func (l *lexer) quoted() string {
	start := l.pos
	var sb strings.Builder
	for l.pos++; l.pos < len(l.src); l.pos++ {
		switch c := l.src[l.pos]; c {
		case '"':
			l.pos++
			return sb.String()
		case '\\':
			if l.pos++; l.pos < len(l.src) {
				sb.WriteByte(l.src[l.pos])
			}
		default:
			sb.WriteByte(c)
		}
	}
	l.fail(start, "a string starts here and does not end")
	return ""
}

// skip passes over characters and returns how many.
func (l *lexer) skip(ok func(byte) bool) int {
	start := l.pos
	for l.pos < len(l.src) && ok(l.src[l.pos]) {
		l.pos++
	}
	return l.pos - start
}

func (l *lexer) peek() byte {
	if l.pos < len(l.src) {
		return l.src[l.pos]
	}
	return 0
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

// isSpecialFloat reports whether s is a number made of letters.
func isSpecialFloat(s string) bool {
	switch strings.ToLower(s) {
	case "inf", "infinity", "nan":
		return true
	}
	return false
}

// isTypeWord reports whether s starts a type.
func isTypeWord(s string) bool {
	switch s {
	case "seq", "map", "optional", "sparse_tensor", "opaque":
		return true
	}
	_, ok := ParseDType(s)
	return ok
}

// quoteName returns a name as text: quoted unless it is an identifier that no
// place of the grammar takes for something else.
func quoteName(s string) string {
	if isIdent(s) && !isTypeWord(s) && !isSpecialFloat(s) {
		return s
	}
	return quoteString(s)
}

// quoteString puts s in quotes. ONNX text has one escape: a backslash makes
// the next character literal, so that line breaks stand as they are.
func quoteString(s string) string {
	if !strings.ContainsAny(s, `"\`) {
		return `"` + s + `"`
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// quoteWord is quoteName for a place where no type and no number can stand.
func quoteWord(s string) string {
	if isIdent(s) {
		return s
	}
	return quoteString(s)
}

// identifier returns the identifier most like s that is no other word.
func identifier(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !isLetter(c) && !isDigit(c) {
			b[i] = '_'
		}
	}
	s = string(b)
	if s == "" || isDigit(s[0]) || isTypeWord(s) || isSpecialFloat(s) {
		s = "_" + s
	}
	return s
}
