package ir

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

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
		if f.Body != nil {
			domains(f.Body, used)
		}
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
		if f.Body == nil {
			continue
		}
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

func (p *printer) header(m *Model, opsets map[string]int64) {
	p.s("<ir_version: ", strconv.FormatInt(irVersion(opsets[""]), 10), ", ")
	p.opsets(opsets)
	if m.Producer != "" {
		p.s(", producer_name: ", quoteString(m.Producer))
	}
	for i, kv := range m.Metadata {
		p.between(i, ",\n metadata_props: [", ", ")
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
		p.between(i, "<", ", ")
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
