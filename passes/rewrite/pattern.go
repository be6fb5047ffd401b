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
	seen := map[string]bool{}
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
			if line, ok := p.lines[string(t)]; ok && !seen[string(t)] {
				seen[string(t)] = true
				visit(line)
			}
		}
	}
	visit(nameTerm(p.root))
	return ops
}

// Size returns the number of operators of a match that takes first choices and
// leaves out what is optional.
func (p *Pattern) Size() int {
	counted := map[string]bool{}
	var visit func(t term) int
	visit = func(t term) int {
		switch t := t.(type) {
		case nameTerm:
			line, ok := p.lines[string(t)]
			if !ok || counted[string(t)] {
				return 0
			}
			counted[string(t)] = true
			return visit(line)
		case altTerm:
			return visit(t[0])
		case opTerm:
			n := 0
			if !t.optional {
				n = 1
			}
			for _, a := range t.args {
				n += visit(a)
			}
			return n
		}
		return 0
	}
	return visit(nameTerm(p.root))
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
		value any // float64 or string
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
	if err := ps.check(); err != nil {
		return nil, err
	}
	return ps.p, nil
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
			text, err := strconv.Unquote(ps.s.TokenText())
			if err != nil {
				ps.fail("%q is not a string", ps.s.TokenText())
			}
			a.value = text
			ps.next()
		default:
			a.value = ps.number()
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

// check reports a line that nothing refers to, which is a spelling mistake, one
// that refers to itself, and a root that need not be an operator.
func (ps *parser) check() error {
	bad := func(format string, args ...any) error {
		return syntaxError{1, 1, fmt.Sprintf(format, args...)}
	}
	used := map[string]bool{}
	open := map[string]bool{}
	var visit func(t term) (circle string)
	visit = func(t term) string {
		switch t := t.(type) {
		case nameTerm:
			name := string(t)
			line, ok := ps.p.lines[name]
			switch {
			case open[name]:
				return name
			case !ok || used[name]:
				return ""
			}
			used[name], open[name] = true, true
			defer delete(open, name)
			return visit(line)
		case altTerm:
			return firstCircle(t, visit)
		case opTerm:
			return firstCircle(t.args, visit)
		}
		return ""
	}
	if name := visit(nameTerm(ps.p.root)); name != "" {
		return bad("%s refers to itself", name)
	}
	if ps.p.mayBind() {
		return bad("the root %s is no operator", ps.p.root)
	}
	var unused []string
	for name := range ps.p.lines {
		if !used[name] {
			unused = append(unused, name)
		}
	}
	if len(unused) > 0 {
		slices.Sort(unused)
		return bad("nothing refers to %s", strings.Join(unused, ", "))
	}
	return nil
}

func firstCircle(ts []term, visit func(term) string) string {
	for _, t := range ts {
		if name := visit(t); name != "" {
			return name
		}
	}
	return ""
}

// mayBind reports whether the root can match a value that no operator of the
// pattern made.
func (p *Pattern) mayBind() bool {
	seen := map[string]bool{}
	var visit func(t term) bool
	visit = func(t term) bool {
		switch t := t.(type) {
		case nameTerm:
			line, ok := p.lines[string(t)]
			if seen[string(t)] {
				return false // it was looked at
			}
			seen[string(t)] = true
			return !ok || visit(line)
		case altTerm:
			return slices.ContainsFunc(t, visit)
		case opTerm:
			return t.optional && visit(t.args[0])
		}
		return true
	}
	return visit(nameTerm(p.root))
}
