package rules

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/lxtc/lxtc/internal/diag"
)

// Parse reads a rule map from text, in which file is the name that positions have.
// A map is lines of
//
//	Op, Op… ["name glob"] [if cond, cond…] => rule[(args)]
//	use MAP[(name=value, …)]
//
// and comments from # to the end of the line. The first line that matches a
// node gives it its rule; "*" is any operator. "use attnlrp" stands for all
// lines of a map that lxtc carries, usually last, so that the lines above it
// override; "use other.rules" for those of a file, which Open and ParseFS read;
// arguments are for all rules that have such a parameter. A number among the
// arguments may be Free: $name, or $name=0.25. Every bad line is reported.
func Parse(file, text string, set Set) (*Map, error) { return parse(nil, file, file, text, set) }

// read adds the lines of a map. Its key is what other maps use it by, and file
// what positions call it.
func (r *reader) read(key, file, text string) {
	r.stack = append(r.stack, key)
	no := 0
	text = strings.TrimPrefix(text, "\ufeff") // some editors put a mark of byte order there
	for raw := range strings.SplitSeq(text, "\n") {
		no++
		line := strings.TrimSpace(stripComment(raw))
		if line == "" {
			continue
		}
		if at, err := r.line(key, file, no, line); err != nil {
			indent := len(raw) - len(strings.TrimLeftFunc(raw, unicode.IsSpace))
			r.errs = append(r.errs, lineError(file, no, raw, indent+at, err))
		}
	}
	r.stack = r.stack[:len(r.stack)-1]
}

// line adds what one line says. On an error it also returns where in the line the
// part to blame begins.
func (r *reader) line(key, file string, no int, line string) (at int, err error) {
	if rest, ok := strings.CutPrefix(line, "use"); ok && (rest == "" || unicode.IsSpace(rune(rest[0]))) {
		start := skipSpace(line, len("use"))
		at, err := r.use(key, fmt.Sprintf("%s:%d", file, no), line[start:])
		return start + at, err
	}
	l, at, err := parseLine(line, r.set)
	if err != nil {
		return at, err
	}
	if err := r.m.conflict(l.Call); err != nil {
		return skipSpace(line, strings.Index(line, "=>")+len("=>")), err
	}
	l.Pos, l.Text = fmt.Sprintf("%s:%d", file, no), line
	r.m.Lines = append(r.m.Lines, l)
	return 0, nil
}

// skipSpace returns the index of the first byte of s from i on that is no
// space.
func skipSpace(s string, i int) int {
	return len(s) - len(strings.TrimLeftFunc(s[i:], unicode.IsSpace))
}

// parseLine reads "Ops [name] [if conds] => rule". On an error it also
// returns where in the line the part to blame begins.
func parseLine(line string, set Set) (l Line, at int, err error) {
	left, right, ok := strings.Cut(line, "=>")
	if !ok {
		return l, 0, errors.New("a line reads `Op, Op… [\"name\"] [if condition…] => rule`, and here is no =>")
	}
	if l.Call, at, err = set.parse(right); err != nil {
		return l, len(left) + len("=>") + at, err
	}
	subject, conds, hasIf := cutWord(left, "if")
	if hasIf {
		if l.If, at, err = parseConds(conds); err != nil {
			return l, len(left) - len(conds) + at, err
		}
	}
	names, name, quoted := strings.Cut(subject, `"`)
	if quoted {
		name, tail, closed := strings.Cut(name, `"`)
		if !closed || strings.TrimSpace(tail) != "" {
			return l, len(names), errors.New("the name glob stands in quotes, after the operators and before `if`")
		}
		l.Name = name
	}
	next := 0
	for op := range strings.SplitSeq(names, ",") {
		at := next + skipSpace(op, 0)
		next += len(op) + 1
		op = strings.TrimSpace(op)
		word, more, several := strings.Cut(op, " ")
		switch _, err := parseCond(strings.TrimSpace(more)); {
		case op == "":
			return l, min(at, len(names)), errors.New("the name of an operator is missing")
		case several && err == nil:
			return l, at + len(word) + 1, fmt.Errorf("a condition stands after `if`: `%s if %s`", word, strings.TrimSpace(more))
		case several || strings.ContainsFunc(op, unicode.IsSpace):
			return l, at, fmt.Errorf("%q is no name of an operator; several are separated by commas", op)
		}
		l.Ops = append(l.Ops, op)
	}
	return l, 0, nil
}

// parseConds reads conditions separated by commas. On an error it also returns
// where the bad one begins.
func parseConds(text string) (conds []Cond, at int, err error) {
	next := 0
	for part := range strings.SplitSeq(text, ",") {
		at = skipSpace(text, next)
		next += len(part) + 1
		part = strings.TrimSpace(part)
		if part == "" {
			return nil, at, errors.New("a condition is missing")
		}
		c, err := parseCond(part)
		if err != nil {
			return nil, at, err
		}
		conds = append(conds, c)
	}
	return conds, 0, nil
}

// cutWord cuts s around the first separate occurrence of word outside quotes.
func cutWord(s, word string) (before, after string, found bool) {
	inQuotes := false
	for i := range s {
		if s[i] == '"' {
			inQuotes = !inQuotes
		}
		if inQuotes || i == 0 || !strings.HasPrefix(s[i:], word) {
			continue
		}
		end := i + len(word)
		if unicode.IsSpace(rune(s[i-1])) && end < len(s) && unicode.IsSpace(rune(s[end])) {
			return s[:i], s[end:], true
		}
	}
	return s, "", false
}

func stripComment(line string) string {
	inQuotes := false
	for i, r := range line {
		switch {
		case r == '"':
			inQuotes = !inQuotes
		case r == '#' && !inQuotes:
			return line[:i]
		}
	}
	return line
}

// topComment returns the comment at the top of a file, without its marks.
func topComment(text string) string {
	var doc []string
	for line := range strings.SplitSeq(text, "\n") {
		rest, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		doc = append(doc, strings.TrimSpace(rest))
	}
	return strings.Join(doc, "\n")
}

// lineError points at column col of a line, counted from 0, with a caret.
func lineError(file string, no int, raw string, col int, err error) *diag.Error {
	col = min(col, len(raw))
	e := diag.Errorf("LX5002", "%w", err).In(fmt.Sprintf("%s:%d:%d", file, no, col+1))
	e.Detail("%s", strings.ReplaceAll(raw, "\t", " "))
	e.Detail("%s^", strings.Repeat(" ", len([]rune(raw[:col]))))
	var inner *diag.Error
	if errors.As(err, &inner) {
		e.Code, e.Msg, e.Hint = cmp.Or(inner.Code, e.Code), inner.Msg, inner.Hint
	}
	return e
}
