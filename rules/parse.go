package rules

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/lxtc/lxtc/internal/diag"
)

// Parse reads a rule map. A file is lines of
//
//	Op, Op… ["name glob"] [if cond, cond…] => rule[(args)]
//	use MAP
//
// and comments from # to the end of the line. The first line that matches a
// node gives it its rule; "*" is any operator. "use attnlrp" stands for all
// lines of a map that lxtc carries, usually last, so that the lines above it
// override. A number among the arguments may be Free: $name, or $name=0.25.
// Every bad line is reported.
func Parse(file, text string, set Set) (*Map, error) {
	return parse(file, text, set, nil)
}

func parse(file, text string, set Set, using []string) (*Map, error) {
	m := &Map{Name: strings.TrimSuffix(file, ".rules"), Doc: topComment(text)}
	var errs []error
	no := 0
	for raw := range strings.SplitSeq(text, "\n") {
		no++
		indent := len(raw) - len(strings.TrimLeftFunc(raw, unicode.IsSpace))
		line := strings.TrimSpace(stripComment(raw))
		if line == "" {
			continue
		}
		if name, ok := strings.CutPrefix(line, "use "); ok {
			used, err := use(strings.TrimSpace(name), set, using)
			if err != nil {
				errs = append(errs, lineError(file, no, raw, indent+skipSpace(line, len("use ")), err))
				continue
			}
			for _, l := range used.Lines {
				if err := m.conflict(l.Call); err != nil {
					errs = append(errs, lineError(file, no, raw, indent, err))
				}
				m.Lines = append(m.Lines, l)
			}
			continue
		}
		l, at, err := parseLine(line, set)
		if err == nil {
			at, err = skipSpace(line, strings.Index(line, "=>")+len("=>")), m.conflict(l.Call)
		}
		if err != nil {
			errs = append(errs, lineError(file, no, raw, indent+at, err))
			continue
		}
		l.Pos, l.Text = fmt.Sprintf("%s:%d", file, no), line
		m.Lines = append(m.Lines, l)
	}
	return m, errors.Join(errs...)
}

// skipSpace returns the index of the first byte of s from i on that is no
// space.
func skipSpace(s string, i int) int {
	return len(s) - len(strings.TrimLeftFunc(s[i:], unicode.IsSpace))
}

func use(name string, set Set, using []string) (*Map, error) {
	for _, u := range using {
		if u == name {
			return nil, fmt.Errorf("map %s uses itself", name)
		}
	}
	text, err := Source(name)
	if err != nil {
		return nil, fmt.Errorf("%w%s (there are %s)", err, diag.DidYouMean(name, Builtin()), strings.Join(Builtin(), ", "))
	}
	return parse(name+".rules", text, set, append(using, name))
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
	for op := range strings.SplitSeq(names, ",") {
		op = strings.TrimSpace(op)
		if op == "" || strings.ContainsFunc(op, unicode.IsSpace) {
			return l, 0, errors.New("operators are names separated by commas")
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
func lineError(file string, no int, raw string, col int, err error) error {
	col = min(col, len(raw))
	e := diag.Errorf("LX5002", "%w", err).In(fmt.Sprintf("%s:%d:%d", file, no, col+1))
	e.Detail("%s", strings.ReplaceAll(raw, "\t", " "))
	e.Detail("%s^", strings.Repeat(" ", len([]rune(raw[:col]))))
	var inner *diag.Error
	if errors.As(err, &inner) {
		e.Code, e.Msg, e.Hint = inner.Code, inner.Msg, inner.Hint
	}
	return e
}
