package ir

import (
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxElided is the number of elements above which a tensor is printed as
// {...} unless weights are asked for.
const maxElided = 32

// PrintOptions say what Print adds to the bare structure.
type PrintOptions struct {
	Weights  bool // the elements of big constants; without them, they read {...} and Parse refuses the text
	Comments bool // after each node, what it was recognized as and what made it, as a # comment
}

// Print writes m in the ONNX text syntax, which Parse and onnx.parser read.
//
// The text has the types of inputs, outputs and constants, and of other values
// where they say more than the operators infer. It has the labels of nodes but,
// as ONNX text has no place for them, not their scopes, nor aliases of values.
// NaNs lose their payload.
func Print(w io.Writer, m *Model, opt PrintOptions) error {
	_, err := io.WriteString(w, modelText(m, opt))
	return err
}

// Text returns the text of m without big weights.
func (m *Model) Text() string { return modelText(m, PrintOptions{}) }

// GraphText returns the text of g without big weights and with the types of
// inputs, outputs and constants only.
func GraphText(g *Graph) string {
	p := &printer{names: InnerNames(g)}
	p.graph(g)
	p.s("\n")
	return p.String()
}

// FuncText returns the text of f without its name and with its values renamed
// in order: two functions that compute the same in the same way have the same
// text. Constants are whole.
func FuncText(f *Func) string {
	p := &printer{opt: PrintOptions{Weights: true}, names: map[*Value]string{}, anonymous: true}
	p.number(f.Body)
	p.params(f)
	p.function(f.Body)
	return p.String()
}

type printer struct {
	strings.Builder
	opt       PrintOptions
	m         *Model            // to know what is inferred; nil if no types are wanted
	names     map[*Value]string // for values that have another name in the text
	anonymous bool              // leave out labels and the names of graphs
	indent    int
}

func (p *printer) s(ss ...string) {
	for _, s := range ss {
		p.WriteString(s)
	}
}

func (p *printer) line() {
	p.s("\n", strings.Repeat("  ", p.indent))
}

func (p *printer) graph(g *Graph) {
	name := g.Name
	if p.anonymous {
		name = "g"
	}
	if p.indent > 0 { // no quotes are possible within a node
		name = identifier(name)
	}
	if name == "" {
		name = "_"
	}
	p.s(quoteName(name), " (")
	p.typed(g.Inputs)
	p.s(") => (")
	p.typed(g.Outputs)
	p.s(")")
	if p.details(g) {
		p.line()
		p.s("{")
	} else {
		p.s(" {")
	}
	p.body(g)
}

// details prints constants and types of values, a line each, and reports
// whether there are any.
func (p *printer) details(g *Graph) bool {
	typed := p.precise(g)
	p.indent++
	next := func(i int) {
		if i > 0 {
			p.s(",")
		}
		p.line()
		p.between(i, "<", " ")
	}
	for i, v := range g.Consts {
		next(i)
		if v == nil {
			p.s("!nil")
			continue
		}
		p.s(p.valueType(v).String(), " ", p.name(v), " = ")
		p.elements(v.Data)
	}
	for i, v := range typed {
		next(len(g.Consts) + i)
		p.s(v.Type.String(), " ", p.name(v))
	}
	p.indent--
	some := len(g.Consts)+len(typed) > 0
	if some {
		p.s(">")
	}
	return some
}

func (p *printer) body(g *Graph) {
	p.indent++
	for n := range g.Nodes() {
		p.line()
		p.node(n)
	}
	p.indent--
	p.line()
	p.s("}")
}

func (p *printer) node(n *Node) {
	if n.Name != "" && !p.anonymous {
		p.s("[", quoteName(n.Name), "] ")
	}
	p.list(n.Out)
	p.s(" = ", opText(n.Op))
	for i, a := range n.Attrs {
		p.between(i, " <", ", ")
		p.attr(a)
	}
	if len(n.Attrs) > 0 {
		p.s(">")
	}
	p.s(" (")
	p.list(n.In)
	p.s(")")
	if p.opt.Comments {
		p.comment(n)
	}
}

func (p *printer) comment(n *Node) {
	var parts []string
	for _, s := range []string{n.Role, n.Origin} {
		if s != "" {
			parts = append(parts, strings.Join(strings.Fields(s), " "))
		}
	}
	if len(parts) > 0 {
		p.s("  # ", strings.Join(parts, "; "))
	}
}

// sep prints a comma before all but the first of a list.
func (p *printer) sep(i int) { p.between(i, "", ", ") }

// between prints what comes before element i of a list.
func (p *printer) between(i int, first, other string) {
	if i == 0 {
		p.s(first)
	} else {
		p.s(other)
	}
}

// list prints names; "" is an omitted value.
func (p *printer) list(vs []*Value) {
	for i, v := range vs {
		p.sep(i)
		p.s(p.name(v))
	}
}

// typed prints names with their types, as far as those are known.
func (p *printer) typed(vs []*Value) {
	for i, v := range vs {
		p.sep(i)
		if v != nil && v.Type.Elem != Undefined {
			p.s(v.Type.String(), " ")
		}
		p.s(p.name(v))
		if v != nil && v.Default != nil {
			p.s(" = ")
			p.elements(v.Default)
		}
	}
}

func (p *printer) name(v *Value) string {
	if v == nil {
		return `""`
	}
	if s, ok := p.names[v]; ok {
		return quoteName(s)
	}
	return quoteName(v.Name)
}

// number gives the values of g and of the graphs within it names by their
// place.
func (p *printer) number(g *Graph) {
	name := func(v *Value) {
		if p.names[v] == "" {
			p.names[v] = "v" + strconv.Itoa(len(p.names))
		}
	}
	for _, v := range slices.Concat(g.Inputs, g.Consts) {
		name(v)
	}
	for n := range g.Nodes() {
		for sub := range n.Subgraphs() {
			p.number(sub)
		}
		for _, v := range n.Out {
			if v != nil {
				name(v)
			}
		}
	}
}

func (p *printer) valueType(v *Value) Type {
	if v.Data != nil {
		return v.Data.TypeOf()
	}
	return v.Type
}

// precise returns the values of which more is known than their operators infer
// and the list of outputs says.
func (p *printer) precise(g *Graph) []*Value {
	if p.m == nil {
		return nil
	}
	var vs []*Value
	for n := range g.Nodes() {
		types := p.m.inferred(n)
		for i, v := range n.Out {
			if v == nil || v.Type.Elem == Undefined || g.IsOutput(v) {
				continue
			}
			if i >= len(types) || !types[i].Equal(v.Type) {
				vs = append(vs, v)
			}
		}
	}
	return vs
}

// inferred returns the types that n's operator infers, nil if it cannot.
func (m *Model) inferred(n *Node) []Type {
	op := m.Ops.Lookup(n.Op)
	if op == nil || !inferable(n) || op.CheckInputs(n) != nil {
		return nil
	}
	types, err := op.Infer(n)
	if err != nil {
		return nil
	}
	return types
}
