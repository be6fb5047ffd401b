// Package rewrite finds patterns in graphs and replaces them.
//
// A pattern is the body of an ONNX text graph with a few additions:
//
//	c = Cast? (x)
//	s = Sqrt (Add (ReduceMean (Pow (c, 2), _), eps))
//	n = Div (c, s) | Mul (c, Reciprocal (s)) | Mul (c, Div (1, s))
//	y = Mul (Cast? (n), w)
//
// The last line is the root. A name on the left of a line stands for what
// that line matches; any other name binds to whatever value is there, and
// binds once: a repeated name is the same value. A number matches a constant
// scalar, "_" any operand, given or omitted. "A | B" tries both sides, "Op? (a)" is
// Op(a) or a itself, "A/B (a)" is one of two operators. The operands of
// commutative operators match in either order. Attributes are written
// Op <name = value> and must then be equal. "Op (a, ...)" leaves further
// operands open; without it they must be omitted.
package rewrite

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/scanner"
)

// A Pattern is a parsed pattern.
type Pattern struct {
	lines map[string]term // by the name on the left
	root  string
	text  string
}

// String returns the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Roots returns the operators that the root of a match can be.
func (p *Pattern) Roots() []string {
	var ops []string
	var visit func(t term)
	visit = func(t term) {
		switch t := t.(type) {
		case opTerm:
			ops = append(ops, t.ops...)
			if t.optional {
				visit(t.args[0])
			}
		case altTerm:
			for _, a := range t {
				visit(a)
			}
		case nameTerm:
			if line, ok := p.lines[string(t)]; ok {
				visit(line)
			}
		}
	}
	visit(p.lines[p.root])
	return ops
}

// A term is one of the following.
type (
	term any

	nameTerm string  // binds, or stands for a line
	numTerm  float64 // a constant scalar
	anyTerm  struct{}
	altTerm  []term
	opTerm   struct {
		ops      []string // any of these
		optional bool     // or the operand itself
		attrs    []attrTerm
		args     []term
		open     bool // further operands are allowed
	}
	attrTerm struct {
		name  string
		value any // int64, float64 or string
	}
)

// MustParse is Parse for patterns in Go code; it panics on a bad one.
func MustParse(text string) *Pattern {
	p, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return p
}

// Parse reads a pattern.
func Parse(text string) (p *Pattern, err error) {
	ps := &parser{p: &Pattern{lines: map[string]term{}, text: strings.TrimSpace(text)}}
	ps.s.Init(strings.NewReader(text))
	ps.s.Mode = scanner.ScanIdents | scanner.ScanInts | scanner.ScanFloats | scanner.ScanStrings
	ps.s.Error = func(*scanner.Scanner, string) {} // bad tokens are reported by whoever meets them
	ps.s.IsIdentRune = func(ch rune, i int) bool {
		return ch == '_' || 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' || i > 0 && ('0' <= ch && ch <= '9' || ch == '.')
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case syntaxError:
			p, err = nil, e
		default:
			panic(e)
		}
	}()
	ps.next()
	for ps.tok != scanner.EOF {
		ps.line()
	}
	if ps.p.root == "" {
		return nil, syntaxError{1, 1, "a pattern has at least one line"}
	}
	return ps.p, ps.checkUse()
}

type syntaxError struct {
	line, col int
	msg       string
}

func (e syntaxError) Error() string { return fmt.Sprintf("pattern:%d:%d: %s", e.line, e.col, e.msg) }

type parser struct {
	s   scanner.Scanner
	tok rune
	p   *Pattern
}

func (ps *parser) next() { ps.tok = ps.s.Scan() }

func (ps *parser) fail(format string, args ...any) {
	panic(syntaxError{ps.s.Position.Line, ps.s.Position.Column, fmt.Sprintf(format, args...)})
}

func (ps *parser) expect(tok rune) string {
	text := ps.s.TokenText()
	if ps.tok != tok {
		ps.fail("want %s, got %q", scanner.TokenString(tok), text)
	}
	ps.next()
	return text
}

func (ps *parser) line() {
	name := ps.expect(scanner.Ident)
	if _, twice := ps.p.lines[name]; twice {
		ps.fail("%s is defined twice", name)
	}
	ps.expect('=')
	ps.p.lines[name] = ps.alternatives()
	ps.p.root = name
}

func (ps *parser) alternatives() term {
	t := ps.term()
	if ps.tok != '|' {
		return t
	}
	alts := altTerm{t}
	for ps.tok == '|' {
		ps.next()
		alts = append(alts, ps.term())
	}
	return alts
}

func (ps *parser) term() term {
	switch ps.tok {
	case '(':
		ps.next()
		t := ps.alternatives()
		ps.expect(')')
		return t
	case '-', scanner.Int, scanner.Float:
		return numTerm(ps.number())
	}
	name := ps.expect(scanner.Ident)
	if name == "_" {
		return anyTerm{}
	}
	op := opTerm{ops: []string{name}}
	for ps.tok == '/' {
		ps.next()
		op.ops = append(op.ops, ps.expect(scanner.Ident))
	}
	if ps.tok == '?' {
		ps.next()
		op.optional = true
	}
	if ps.tok == '<' {
		op.attrs = ps.attrs()
	}
	if ps.tok != '(' {
		if len(op.ops) > 1 || op.optional || op.attrs != nil {
			ps.fail("operator %s wants operands", name)
		}
		return nameTerm(name)
	}
	ps.next()
	for ps.tok != ')' {
		if ps.tok == '.' { // "..."
			for range 3 {
				ps.expect('.')
			}
			op.open = true
			break
		}
		op.args = append(op.args, ps.alternatives())
		if ps.tok != ',' {
			break
		}
		ps.next()
	}
	ps.expect(')')
	if op.optional && len(op.args) != 1 {
		ps.fail("an optional operator has one operand")
	}
	return op
}

func (ps *parser) attrs() (as []attrTerm) {
	ps.expect('<')
	for {
		a := attrTerm{name: ps.expect(scanner.Ident)}
		ps.expect('=')
		switch ps.tok {
		case scanner.String:
			a.value, _ = strconv.Unquote(ps.s.TokenText())
			ps.next()
		default:
			f := ps.number()
			a.value = f
			if f == float64(int64(f)) {
				a.value = int64(f)
			}
		}
		as = append(as, a)
		if ps.tok != ',' {
			break
		}
		ps.next()
	}
	ps.expect('>')
	return as
}

func (ps *parser) number() float64 {
	sign := 1.0
	if ps.tok == '-' {
		ps.next()
		sign = -1
	}
	text := ps.s.TokenText()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || ps.tok != scanner.Int && ps.tok != scanner.Float {
		ps.fail("%q is not a number", text)
	}
	ps.next()
	return sign * f
}

// checkUse reports a line that nothing refers to: a spelling mistake.
func (ps *parser) checkUse() error {
	used := map[string]bool{ps.p.root: true}
	var visit func(t term)
	visit = func(t term) {
		switch t := t.(type) {
		case nameTerm:
			used[string(t)] = true
		case altTerm:
			for _, a := range t {
				visit(a)
			}
		case opTerm:
			for _, a := range t.args {
				visit(a)
			}
		}
	}
	for _, t := range ps.p.lines {
		visit(t)
	}
	var names []string
	for name := range ps.p.lines {
		if !used[name] {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		return syntaxError{1, 1, fmt.Sprintf("nothing refers to %s", strings.Join(names, ", "))}
	}
	return nil
}
