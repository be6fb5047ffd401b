package ir

import (
	"io"
	"maps"
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

func modelText(m *Model, opt PrintOptions) string {
	p := &printer{opt: opt, m: m}
	opsets := maps.Clone(m.Opsets)
	if opsets == nil {
		opsets = map[string]int64{}
	}
	if _, ok := opsets[""]; !ok {
		opsets[""] = defaultOpset
	}
	used := map[string]bool{}
	if m.Graph != nil {
		domains(m.Graph, used)
	}
	for _, f := range m.Funcs {
		used[f.Op.Domain] = true
		domains(f.Body, used)
	}
	for d := range used {
		if _, ok := opsets[d]; !ok {
			opsets[d] = 1
		}
	}
	p.header(m, opsets)
	g := m.Graph
	if g == nil {
		g = NewGraph("")
	}
	p.names = InnerNames(g)
	p.graph(g)
	p.s("\n")
	p.m = nil // functions have no types
	for _, f := range m.Funcs {
		p.names = InnerNames(f.Body)
		p.funcHeader(f, opsets)
		p.s(quoteName(f.Op.Name), " ")
		p.params(f)
		p.function(f.Body)
	}
	return p.String()
}

// domains collects the domains of the operators in g.
func domains(g *Graph, used map[string]bool) {
	for n := range g.Nodes() {
		used[n.Op.Domain] = true
		for sub := range n.Subgraphs() {
			domains(sub, used)
		}
	}
}

// irVersion returns the version of the ONNX file format that came with a
// version of ai.onnx; 10 is the first with the types and functions we use.
func irVersion(opset int64) int64 {
	switch {
	case opset <= 22:
		return 10
	case opset <= 24:
		return opset - 12
	}
	return 13
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

func (p *printer) header(m *Model, opsets map[string]int64) {
	p.s("<ir_version: ", strconv.FormatInt(irVersion(opsets[""]), 10), ", ")
	p.opsets(opsets)
	if m.Producer != "" {
		p.s(", producer_name: ", quoteString(m.Producer))
	}
	for i, kv := range m.Metadata {
		p.s(map[bool]string{true: ",\n metadata_props: [", false: ", "}[i == 0])
		p.s(quoteString(kv[0]), ": ", quoteString(kv[1]))
	}
	if len(m.Metadata) > 0 {
		p.s("]")
	}
	p.s(">\n")
}

func (p *printer) opsets(opsets map[string]int64) {
	p.s("opset_import: [")
	for i, d := range slices.Sorted(maps.Keys(opsets)) {
		p.sep(i)
		p.s(quoteString(d), " : ", strconv.FormatInt(opsets[d], 10))
	}
	p.s("]")
}

func (p *printer) funcHeader(f *Func, opsets map[string]int64) {
	used := map[string]bool{"": true, f.Op.Domain: true}
	domains(f.Body, used)
	own := maps.Clone(opsets)
	maps.DeleteFunc(own, func(d string, _ int64) bool { return !used[d] })
	p.s("\n<domain: ", quoteString(f.Op.Domain), ", ")
	p.opsets(own)
	if f.Doc != "" {
		p.s(", doc_string: ", quoteString(f.Doc))
	}
	p.s(">\n")
}

// params prints the attributes of a function.
func (p *printer) params(f *Func) {
	for i, name := range f.Attrs {
		p.s(map[bool]string{true: "<", false: ", "}[i == 0])
		if def := f.Defaults.Get(name); def != nil {
			p.attr(Attr{name, def})
		} else {
			p.s(quoteName(name))
		}
	}
	if len(f.Attrs) > 0 {
		p.s("> ")
	}
}

// function prints a body; values have no types in it.
func (p *printer) function(g *Graph) {
	p.s("(")
	p.list(g.Inputs)
	p.s(") => (")
	p.list(g.Outputs)
	p.s(") {")
	p.body(g)
	p.s("\n")
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
	p.indent++
	sep := "<"
	for _, v := range g.Consts {
		p.s(map[bool]string{true: "", false: ","}[sep == "<"])
		p.line()
		p.s(sep, p.valueType(v).String(), " ", p.name(v), " = ")
		p.elements(v.Data)
		sep = " "
	}
	for _, v := range p.precise(g) {
		p.s(map[bool]string{true: "", false: ","}[sep == "<"])
		p.line()
		p.s(sep, v.Type.String(), " ", p.name(v))
		sep = " "
	}
	p.indent--
	if sep == " " {
		p.s(">")
		p.line()
		p.s("{")
	} else {
		p.s(" {")
	}
	p.body(g)
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
		p.s(map[bool]string{true: " <", false: ", "}[i == 0])
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

func (p *printer) sep(i int) {
	if i > 0 {
		p.s(", ")
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

// opText returns the name of an operator, its parts in quotes where ONNX text
// has no way to write them.
func opText(o OpName) string {
	s := quoteWord(o.Name)
	if o.Domain == "" {
		return s
	}
	parts := strings.Split(o.Domain, ".")
	for i, part := range parts {
		parts[i] = quoteWord(part)
	}
	return strings.Join(parts, ".") + "." + s
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
