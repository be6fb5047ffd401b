package ir

import (
	"strconv"
	"strings"
)

// defaultOpset is the version of ai.onnx that a text without a header is in:
// the one whose spelling the operators have.
const defaultOpset = 24

// maxDepth bounds how deep graphs may nest in a text.
const maxDepth = 100

// Parse reads a model in the ONNX text syntax: a header, a graph and
// functions. The header may be missing. A text that starts with a function
// (its header has a domain and no ir_version, or it has an attribute list) is
// a list of functions; the main graph is then empty.
//
// Types are inferred where the types of a node's inputs are known; those that
// the text states are kept where they are more precise, and an error where they
// contradict. Every operator must be in ops or be a function of the text.
//
// Of a header, model_version, domain and doc_string are accepted and not kept.
// Not read are types other than tensors, operator overloads and tensors whose
// data lies in other files. Beyond ONNX, Parse
// accepts quotes around attribute names, around the parts of an operator's name
// and around the name of a nested graph, and reads lists of tensors and graphs.
//
// An error in the text is a *SyntaxError.
func Parse(text string, ops *OpSet) (m *Model, err error) {
	p := &parser{lexer: lexer{src: text}}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *SyntaxError:
			m, err = nil, e
		default:
			panic(e) // ours or an operator's bug: not to be taken for a bad text
		}
	}()
	p.advance()
	return p.model(p.file(), ops), nil
}

// What a text says, before names are looked up: functions may follow the
// graphs that call them.
type (
	fileSyntax struct {
		header headerSyntax
		graph  *graphSyntax
		funcs  []*graphSyntax
	}
	headerSyntax struct {
		start    token
		keys     []string
		opsets   map[string]int64
		producer string
		version  string
		domain   string
		doc      string
		metadata [][2]string
	}
	graphSyntax struct {
		name    token
		header  headerSyntax // of a function
		params  []token      // a function's attributes, in order
		attrs   []attrSyntax // those of them that have a default
		isFunc  bool
		inputs  []valueSyntax
		outputs []valueSyntax
		infos   []valueSyntax
		consts  []valueSyntax
		nodes   []nodeSyntax
	}
	valueSyntax struct {
		typ  Type // Undefined if not stated
		name token
		data *Tensor
	}
	nodeSyntax struct {
		label string
		outs  []token
		op    token
		name  OpName
		attrs []attrSyntax
		ins   []token
	}
	attrSyntax struct {
		name  token
		value any // as in Attr, but *graphSyntax and []*graphSyntax for graphs
		pos   int
	}
)

type parser struct {
	lexer
	tok   token // the next one
	depth int
}

func (p *parser) advance() token {
	t := p.tok
	p.tok = p.lexer.next()
	return t
}

func (p *parser) got(kind rune) bool {
	if p.tok.kind != kind {
		return false
	}
	p.advance()
	return true
}

func (p *parser) want(kind rune, what string) token {
	if p.tok.kind != kind {
		p.fail(p.tok.pos, "got %v, want %s", p.tok, what)
	}
	return p.advance()
}

// list reads items separated by commas up to close; a comma may end it.
func (p *parser) list(close rune, item func()) {
	for !p.got(close) {
		item()
		if !p.got(',') {
			p.want(close, "',' or '"+string(close)+"'")
			return
		}
	}
}

// name reads an identifier or a quoted one.
func (p *parser) name(what string) token {
	if p.tok.kind != tokIdent && p.tok.kind != tokString {
		p.fail(p.tok.pos, "got %v, want %s", p.tok, what)
	}
	if p.tok.text == "" {
		p.fail(p.tok.pos, "%s is empty", what)
	}
	return p.advance()
}

func (p *parser) file() *fileSyntax {
	f := &fileSyntax{}
	h := p.header()
	if first := p.graph(h); first.isFunc {
		f.funcs = append(f.funcs, first)
	} else {
		f.header, f.graph = h, first
	}
	for p.tok.kind != tokEOF {
		fn := p.graph(p.header())
		fn.isFunc = true
		f.funcs = append(f.funcs, fn)
	}
	for _, fn := range f.funcs {
		for _, c := range fn.consts {
			p.fail(c.name.pos, "function %s has an initializer; use a Constant node", fn.name)
		}
	}
	return f
}

var headerKeys = []string{
	"ir_version", "opset_import", "producer_name", "producer_version", "domain",
	"model_version", "doc_string", "metadata_props", "overload",
}

func (p *parser) header() headerSyntax {
	h := headerSyntax{start: p.tok}
	if !p.got('<') {
		return h
	}
	p.list('>', func() {
		key := p.want(tokIdent, "a key such as opset_import")
		p.want(':', "':'")
		h.keys = append(h.keys, key.text)
		switch key.text {
		case "ir_version", "model_version":
			p.integer()
		case "opset_import":
			h.opsets = p.opsets()
		case "producer_name":
			h.producer = p.str()
		case "producer_version":
			h.version = p.str()
		case "domain":
			h.domain = p.str()
		case "doc_string":
			h.doc = p.str()
		case "metadata_props":
			p.want('[', "'['")
			p.list(']', func() {
				k := p.str()
				p.want(':', "':'")
				h.metadata = append(h.metadata, [2]string{k, p.str()})
			})
		case "overload":
			p.fail(key.pos, "overloaded functions are not supported")
		default:
			p.fail(key.pos, "unknown key %s%s", key, didYouMean(key.text, headerKeys))
		}
	})
	return h
}

func (h headerSyntax) has(key string) bool {
	for _, k := range h.keys {
		if k == key {
			return true
		}
	}
	return false
}

func (p *parser) opsets() map[string]int64 {
	m := map[string]int64{}
	p.want('[', "'['")
	p.list(']', func() {
		domain := p.str()
		p.want(':', "':'")
		m[canonicalDomain(domain)] = p.integer()
	})
	return m
}

// canonicalDomain returns "" for the long name of the standard domain.
func canonicalDomain(s string) string {
	if s == "ai.onnx" {
		return ""
	}
	return s
}

func (p *parser) str() string { return p.want(tokString, "a string in quotes").text }

func (p *parser) integer() int64 {
	t := p.want(tokInt, "an integer")
	n, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil {
		p.fail(t.pos, "%s does not fit an int64", t.text)
	}
	return n
}

// graph reads a graph or a function; h is what stood before it.
func (p *parser) graph(h headerSyntax) *graphSyntax {
	return p.graphNamed(p.name("the name of a graph"), h)
}

func (p *parser) graphNamed(name token, h headerSyntax) *graphSyntax {
	if p.depth++; p.depth > maxDepth {
		p.fail(name.pos, "graphs are nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()

	g := &graphSyntax{name: name, header: h}
	g.isFunc = h.has("domain") && !h.has("ir_version") || p.tok.kind == '<'
	if p.depth > 1 && p.tok.kind == '<' {
		p.fail(p.tok.pos, "got <, want the inputs of graph %s", name)
	}
	if p.got('<') {
		p.list('>', func() {
			param := p.name("an attribute")
			g.params = append(g.params, param)
			if p.tok.kind == ':' || p.tok.kind == '=' {
				g.attrs = append(g.attrs, p.attrNamed(param))
			}
		})
	}
	if p.got('(') {
		p.list(')', func() {
			v := p.value()
			if p.got('=') {
				v.data = p.tensor(v.typ, v.name)
			}
			g.inputs = append(g.inputs, v)
		})
	}
	p.want(tokArrow, "'=>'")
	p.want('(', "'('")
	p.list(')', func() { g.outputs = append(g.outputs, p.value()) })
	if p.got('<') {
		p.list('>', func() {
			v := p.value()
			if !p.got('=') {
				g.infos = append(g.infos, v)
				return
			}
			v.data = p.tensor(v.typ, v.name)
			g.consts = append(g.consts, v)
		})
	}
	p.want('{', "'{'")
	for !p.got('}') {
		g.nodes = append(g.nodes, p.node())
	}
	return g
}

// value reads a name with a type, or without.
func (p *parser) value() valueSyntax {
	var v valueSyntax
	if p.tok.kind == tokIdent {
		word := p.advance()
		if !isTypeWord(word.text) && p.tok.kind != tokIdent && p.tok.kind != tokString && p.tok.kind != '[' {
			v.name = word
			return v
		}
		v.typ = p.typeNamed(word)
	}
	v.name = p.name("the name of a value")
	return v
}

func (p *parser) node() nodeSyntax {
	var n nodeSyntax
	if p.got('[') {
		if p.tok.kind == tokIdent || p.tok.kind == tokString {
			n.label = p.advance().text
		}
		p.want(']', "']'")
	}
	n.outs = p.names()
	p.want('=', "'=' and an operator, or '}'")
	n.op, n.name = p.opName()
	n.attrs = p.attrs()
	p.want('(', "'(' and inputs")
	n.ins = p.names()
	p.want(')', "',' or ')'")
	if len(n.attrs) == 0 {
		n.attrs = p.attrs()
	}
	return n
}

// names reads the inputs or outputs of a node. An omitted one is "" or nothing
// before a comma; a comma may end the list.
func (p *parser) names() []token {
	var list []token
	for {
		switch p.tok.kind {
		case tokIdent, tokString:
			list = append(list, p.advance())
		case ',':
			list = append(list, token{kind: tokString, pos: p.tok.pos})
		default:
			return list
		}
		if !p.got(',') {
			return list
		}
	}
}

// opName reads "Add" or "com.microsoft.Gelu".
func (p *parser) opName() (token, OpName) {
	first := p.name("an operator")
	parts := []string{first.text}
	for p.got('.') {
		parts = append(parts, p.name("an operator").text)
	}
	if p.tok.kind == ':' {
		p.fail(p.tok.pos, "overloaded functions are not supported")
	}
	last := len(parts) - 1
	return first, OpName{canonicalDomain(strings.Join(parts[:last], ".")), parts[last]}
}
