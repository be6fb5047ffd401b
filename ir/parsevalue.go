package ir

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// typ reads a type: "float[B,8]", "float" for a scalar, "float[]" for an
// unknown rank.
func (p *parser) typ() Type { return p.typeNamed(p.want(tokIdent, "a type")) }

func (p *parser) typeNamed(word token) Type {
	elem, ok := ParseDType(word.text)
	switch {
	case ok:
	case isTypeWord(word.text):
		p.fail(word.pos, "type %s(…) is not supported, only tensors are", word)
	default:
		p.fail(word.pos, "unknown type %s%s", word, didYouMean(word.text, dtypeNames()))
	}
	t := Type{Elem: elem, Shape: []Dim{}}
	if !p.got('[') {
		return t
	}
	if p.got(']') {
		t.Shape = nil
		return t
	}
	p.list(']', func() { t.Shape = append(t.Shape, p.dim()) })
	return t
}

func (p *parser) dim() Dim {
	switch p.tok.kind {
	case '?':
		p.advance()
		return Unknown
	case tokIdent, tokString:
		return ParseDim(p.advance().text)
	case tokInt:
		pos := p.tok.pos
		n := p.integer()
		if n < 0 {
			p.fail(pos, "dimension %d is negative; ? is an unknown one", n)
		}
		return N(n)
	}
	p.fail(p.tok.pos, "got %v, want a dimension: a number, a symbol or ?", p.tok)
	return Unknown
}

func dtypeNames() []string {
	names := make([]string, 0, len(dtypes))
	for _, d := range dtypes[1:] {
		names = append(names, d.name)
	}
	return names
}

// tensor reads the elements of a constant. Elements of types that Go lacks are
// written as their bits, and those narrower than a byte packed, as ONNX does.
func (p *parser) tensor(t Type, name token) *Tensor {
	pos := p.tok.pos
	shape, static := t.Static()
	switch {
	case t.Elem == Undefined:
		p.fail(pos, "the elements of %s stand without a type", name)
	case !static:
		p.fail(pos, "the elements of %s need a shape in numbers, not %s", name, t)
	case p.tok.kind == '[':
		p.fail(pos, "the elements of %s are in another file, which is not read here", name)
	}
	p.want('{', "'{' and elements")
	if p.tok.kind == '.' || p.tok.kind == '…' {
		p.fail(p.tok.pos, "the elements of %s are left out; print the model with its weights", name)
	}
	d := &Tensor{Elem: t.Elem, Shape: shape}
	count := 0
	if t.Elem == String {
		p.list('}', func() { d.Strs = append(d.Strs, p.str()) })
		count = len(d.Strs)
	} else {
		d.Raw = []byte{}
		p.list('}', func() { d.Raw, count = p.element(d.Raw, t.Elem), count+1 })
	}
	want, ok := literalCount(t.Elem, shape)
	if !ok {
		p.fail(pos, "type %s is too large", t)
	}
	if count != want {
		p.fail(pos, "%s has %d elements, want %d for %s", name, count, want, t)
	}
	return d
}

// literalCount returns how many numbers or strings ONNX text has for a tensor.
func literalCount(elem DType, shape []int) (int, bool) {
	bytes, err := ByteSize(Uint8, shape) // as many as elements
	if err != nil {
		return 0, false
	}
	n := int(bytes)
	switch bits := elem.Bits(); {
	case elem == Complex64, elem == Complex128:
		return 2 * n, true
	case bits > 0 && bits < 8:
		return (n*bits + 7) / 8, true
	}
	return n, true
}

// element reads one number and appends its bytes.
func (p *parser) element(raw []byte, elem DType) []byte {
	le := binary.LittleEndian
	switch elem {
	case Float, Complex64:
		return le.AppendUint32(raw, math.Float32bits(float32(p.float(32))))
	case Double, Complex128:
		return le.AppendUint64(raw, math.Float64bits(p.float(64)))
	}
	bits := max(elem.Bits(), 8)
	what := "an integer"
	if isBits(elem) {
		what += ": the bits of a " + elem.String()
	}
	t := p.want(tokInt, what)
	var n uint64
	var err error
	switch elem {
	case Int8, Int16, Int32, Int64:
		var i int64
		i, err = strconv.ParseInt(t.text, 10, bits)
		n = uint64(i)
	case Bool:
		n, err = strconv.ParseUint(t.text, 10, 1)
	default:
		n, err = strconv.ParseUint(t.text, 10, bits)
	}
	if err != nil {
		p.fail(t.pos, "%s is no %s", t, elem)
	}
	return append(raw, le.AppendUint64(nil, n)[:bits/8]...)
}

// isBits reports whether elements of type d are written as their bits.
func isBits(d DType) bool { return d.Bits() < 8 || !d.IsInt() && d != Bool }

// float reads a number of the given precision.
func (p *parser) float(bits int) float64 {
	t := p.tok
	if t.kind != tokInt && t.kind != tokFloat && !(t.kind == tokIdent && isSpecialFloat(t.text)) {
		p.fail(t.pos, "got %v, want a number", t)
	}
	p.advance()
	x, err := strconv.ParseFloat(t.text, bits)
	if err != nil {
		p.fail(t.pos, "%s is out of range", t)
	}
	return x
}

// attrs reads a node's attributes, if there are any.
func (p *parser) attrs() []attrSyntax {
	var as []attrSyntax
	if p.got('<') {
		p.list('>', func() { as = append(as, p.attrNamed(p.name("an attribute"))) })
	}
	return as
}

// An attrKind is a type that an attribute can have, as ONNX text names it, with
// its zero value.
type attrKind struct {
	name string
	zero any
}

var attrKinds = []attrKind{
	{"int", int64(0)},
	{"float", float32(0)},
	{"string", ""},
	{"tensor", (*Tensor)(nil)},
	{"graph", (*Graph)(nil)},
	{"type_proto", Type{}},
	{"ints", []int64(nil)},
	{"floats", []float32(nil)},
	{"strings", []string(nil)},
	{"tensors", []*Tensor(nil)},
	{"graphs", []*Graph(nil)},
}

func attrKindNames() []string {
	names := make([]string, len(attrKinds))
	for i, k := range attrKinds {
		names[i] = k.name
	}
	return names
}

// kindName returns the name of an attribute value's type, "" for a type that
// attributes do not have.
func kindName(v any) string {
	switch v := v.(type) {
	case int64:
		return "int"
	case float32:
		return "float"
	case string:
		return "string"
	case *Tensor:
		return "tensor"
	case *Graph, *graphSyntax:
		return "graph"
	case Type:
		return "type_proto"
	case []int64:
		return "ints"
	case []float32:
		return "floats"
	case []string:
		return "strings"
	case []*Tensor:
		return "tensors"
	case []*Graph, []*graphSyntax:
		return "graphs"
	case Ref:
		return kindName(v.Kind)
	}
	return ""
}

// attrNamed reads the rest of an attribute: ": type = value", the type being
// optional where the value shows it.
func (p *parser) attrNamed(name token) attrSyntax {
	a := attrSyntax{name: name}
	kind := ""
	if p.got(':') {
		t := p.want(tokIdent, "an attribute type")
		kind = t.text
		if names := attrKindNames(); !slices.Contains(names, kind) {
			p.fail(t.pos, "unknown attribute type %s%s", t, didYouMean(kind, names))
		}
	}
	p.want('=', "'='")
	a.pos = p.tok.pos
	if p.tok.kind == '@' {
		a.value = p.ref(name, kind)
		return a
	}
	if p.got('[') {
		a.value = p.attrList(name, kind)
	} else {
		a.value = p.attrValue(name, kind)
	}
	if got := kindName(a.value); kind != "" && got != kind {
		p.fail(a.pos, "attribute %s is of type %s, want %s", name, got, kind)
	}
	return a
}

func (p *parser) ref(name token, kind string) Ref {
	pos := p.advance().pos
	r := Ref{Name: p.name("an attribute of the function").text}
	for _, k := range attrKinds {
		if k.name == kind {
			r.Kind = k.zero
		}
	}
	if r.Kind == nil {
		p.fail(pos, "@%s needs a type, as in %s: float = @%s", quoteName(r.Name), name, quoteName(r.Name))
	}
	return r
}

// attrValue reads one value. Kind, if not "", is the type it should have; an
// integer may stand for a float.
func (p *parser) attrValue(name token, kind string) any {
	t := p.tok
	switch {
	case kind == "float" && t.kind == tokInt, t.kind == tokFloat, t.kind == tokIdent && isSpecialFloat(t.text):
		return float32(p.float(32))
	case t.kind == tokInt:
		return p.integer()
	case t.kind == tokString:
		p.advance()
		if p.tok.kind == '(' || p.tok.kind == tokArrow { // a graph with a quoted name
			return p.graphNamed(t, headerSyntax{})
		}
		return t.text
	case t.kind == tokIdent && isTypeWord(t.text):
		typ := p.typ()
		if p.tok.kind == tokIdent || p.tok.kind == tokString { // the name of a tensor means nothing
			p.advance()
		} else if p.tok.kind != '{' && p.tok.kind != '=' {
			return typ
		}
		p.got('=')
		return p.tensor(typ, name)
	case t.kind == tokIdent:
		return p.graph(headerSyntax{})
	}
	p.fail(t.pos, "got %v, want the value of attribute %s", t, name)
	return nil
}

// attrList reads values up to ']'.
func (p *parser) attrList(name token, kind string) any {
	elem := ""
	if n := len(kind); n > 0 && kind[n-1] == 's' {
		elem = kind[:n-1]
	}
	var list []any
	pos := p.tok.pos
	p.list(']', func() {
		pos = p.tok.pos
		v := p.attrValue(name, elem)
		if len(list) == 0 && elem == "" {
			elem = kindName(v)
		}
		if got := kindName(v); got != elem {
			p.fail(pos, "an element of attribute %s is of type %s, want %s", name, got, elem)
		}
		list = append(list, v)
	})
	switch elem {
	case "int":
		return listOf[int64](list)
	case "float":
		return listOf[float32](list)
	case "string":
		return listOf[string](list)
	case "tensor":
		return listOf[*Tensor](list)
	case "graph":
		return listOf[*graphSyntax](list)
	case "":
		p.fail(pos, "attribute %s is an empty list; write its type, as in %s: ints = []", name, name)
	}
	p.fail(pos, "attribute %s is a list of %ss, which ONNX text does not have", name, elem)
	return nil
}

func listOf[T any](list []any) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = v.(T)
	}
	return out
}
