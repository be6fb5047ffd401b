package tokenizer

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// translate rewrites a regular expression from Oniguruma's syntax to that of regexp2 (.NET's). What the two read
// alike passes through, what they read differently is spelled out, and what is not known to be one or the other is an
// error, since a pattern that splits a little differently gives ids that look right.
func translate(p string) (string, error) {
	if len(p) > maxLiteral {
		return "", fmt.Errorf("longer than %d bytes", maxLiteral)
	}
	t := &translator{in: []rune(p)}
	if strings.HasPrefix(p, "(?i)") {
		t.i, t.fold = 4, true
	}
	for t.i < len(t.in) {
		if err := t.next(); err != nil {
			return "", fmt.Errorf("at character %d: %w", t.i+1, err)
		}
	}
	if len(t.groups) > 0 {
		return "", fmt.Errorf("unclosed group")
	}
	return t.out.String(), nil
}

type translator struct {
	in     []rune
	i      int
	out    strings.Builder
	fold   bool // case-insensitive here
	atom   int  // where the last thing that can be repeated began in out, -1 if there is none
	letter rune // the last letter, if it was a literal under fold
	groups []group
}

type group struct {
	start int
	fold  bool
}

var groupOpeners = []string{"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}

func (t *translator) next() error {
	r := t.in[t.i]
	letter := t.letter
	t.letter = 0
	switch r {
	case '(':
		return t.open()
	case ')':
		if len(t.groups) == 0 {
			return fmt.Errorf("unopened group")
		}
		g := t.groups[len(t.groups)-1]
		t.groups = t.groups[:len(t.groups)-1]
		t.fold, t.atom = g.fold, g.start
		t.emit(")")
	case '|':
		t.atom = -1
		t.emit("|")
	case '^', '$':
		t.atom = -1
		t.emit(string(r))
	case '.':
		t.atom = t.out.Len()
		t.emit(".")
	case '*', '+', '?', '{':
		return t.quantifier()
	case '[':
		return t.class()
	case '\\':
		t.atom = t.out.Len()
		return t.escape()
	default:
		return t.literal(r, letter)
	}
	return nil
}

// emit writes s for the rune at i and steps over it.
func (t *translator) emit(s string) {
	t.out.WriteString(s)
	t.i++
}

// has tells whether the input goes on with s.
func (t *translator) has(s string) bool {
	return strings.HasPrefix(string(t.in[t.i:min(len(t.in), t.i+len(s))]), s)
}

func (t *translator) open() error {
	t.groups = append(t.groups, group{t.out.Len(), t.fold})
	t.atom = -1
	if t.has("(?i:") {
		t.fold = true
		t.out.WriteString("(?:")
		t.i += len("(?i:")
		return nil
	}
	for _, o := range groupOpeners {
		if t.has(o) {
			t.out.WriteString(o)
			t.i += len(o)
			return nil
		}
	}
	if t.has("(?") || t.has("(*") {
		return fmt.Errorf("group %q is not supported", string(t.in[t.i:min(len(t.in), t.i+3)]))
	}
	t.emit("(?:") // nobody reads captures
	return nil
}

var interval = regexp.MustCompile(`^\{(\d*)(,?)(\d*)\}`)

// quantifier handles *, +, ?, {n,m}, each lazy with a ? after it and all but the last possessive with a +.
func (t *translator) quantifier() error {
	if t.atom < 0 || t.out.Len() == t.atom {
		return fmt.Errorf("nothing to repeat")
	}
	q, counted := string(t.in[t.i]), t.in[t.i] == '{'
	if counted {
		m := interval.FindStringSubmatch(string(t.in[t.i:min(len(t.in), t.i+16)]))
		if m == nil || m[1]+m[3] == "" {
			return fmt.Errorf("a brace that is no repetition")
		}
		t.i += len(m[0])
		if m[1] == "" {
			m[1] = "0"
		}
		q = "{" + m[1] + m[2] + m[3] + "}"
	} else {
		t.i++
	}
	switch {
	case t.has("*"), t.has("{"), counted && t.has("+"), counted && t.has("?") && !strings.Contains(q, ","):
		return fmt.Errorf("a repetition of a repetition")
	case t.has("?"):
		q += "?"
		t.i++
	case t.has("+"):
		t.i++
		s := t.out.String()
		t.out.Reset()
		t.out.WriteString(s[:t.atom] + "(?>" + s[t.atom:] + q + ")")
		q = ""
	}
	t.out.WriteString(q)
	t.atom = -1
	return nil
}

// Under case folding Oniguruma also matches these as one rune: ß, ﬀ, ﬁ, ﬂ, ﬆ.
const foldedPairs = "ss ff fi fl st"

func (t *translator) literal(r, before rune) error {
	t.atom = t.out.Len()
	if !t.fold || !unicode.IsLetter(r) {
		t.emit(quote(r))
		return nil
	}
	if strings.Contains(foldedPairs, strings.ToLower(string([]rune{before, r}))) {
		return fmt.Errorf("the letters %c%c without case are not supported", before, r)
	}
	t.letter = r
	t.emit("[" + folded(r) + "]")
	return nil
}

// folded lists the runes equal to r but for case, "sSſ" for s.
func folded(r rune) string {
	s := quote(r)
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		s += quote(f)
	}
	return s
}

// quote writes a rune so that it is a literal inside a class and out.
func quote(r rune) string {
	switch {
	case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r > 0xFFFF:
		return string(r)
	}
	return fmt.Sprintf(`\u%04X`, r)
}
