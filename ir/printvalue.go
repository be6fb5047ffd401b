package ir

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// attr prints "name: type = value".
func (p *printer) attr(a Attr) {
	p.s(quoteWord(a.Name), ": ", kindName(a.Value), " = ")
	switch v := a.Value.(type) {
	case int64:
		p.s(strconv.FormatInt(v, 10))
	case float32:
		p.s(floatText(float64(v), 32))
	case string:
		p.s(quoteString(v))
	case *Tensor:
		p.tensor(v)
	case *Graph:
		p.nested(v)
	case Type:
		p.s(v.String())
	case Ref:
		p.s("@", quoteWord(v.Name))
	case []int64:
		printList(p, v, func(x int64) { p.s(strconv.FormatInt(x, 10)) })
	case []float32:
		printList(p, v, func(x float32) { p.s(floatText(float64(x), 32)) })
	case []string:
		printList(p, v, func(x string) { p.s(quoteString(x)) })
	case []*Tensor:
		printList(p, v, p.tensor)
	case []*Graph:
		printList(p, v, p.nested)
	default:
		p.s(fmt.Sprintf("!%T", v)) // a bug that Verify reports; the text shows where
	}
}

func printList[T any](p *printer, list []T, print func(T)) {
	p.s("[")
	for i, x := range list {
		p.sep(i)
		print(x)
	}
	p.s("]")
}

func (p *printer) nested(g *Graph) {
	if g == nil {
		p.s("!nil")
		return
	}
	p.indent++
	p.graph(g)
	p.indent--
}

func (p *printer) tensor(t *Tensor) {
	if t == nil {
		p.s("!nil")
		return
	}
	p.s(t.TypeOf().String(), " ")
	p.elements(t)
}

// elements prints the elements of a tensor: numbers, or the bits of types that
// ONNX text has no numbers for.
func (p *printer) elements(t *Tensor) {
	if t == nil {
		p.s("!nil")
		return
	}
	if t.Len() > maxElided && !p.opt.Weights {
		p.s("{...}")
		return
	}
	p.s("{")
	defer p.s("}")
	if t.Elem == String {
		for i, s := range t.Strs {
			p.sep(i)
			p.s(quoteString(s))
		}
		return
	}
	le := binary.LittleEndian
	var buf [8]byte
	for i, size := 0, elementSize(t.Elem); (i+1)*size <= len(t.Raw); i++ {
		p.sep(i)
		clear(buf[:])
		copy(buf[:], t.Raw[i*size:(i+1)*size])
		u := le.Uint64(buf[:])
		switch t.Elem {
		case Float, Complex64:
			p.s(floatText(float64(math.Float32frombits(uint32(u))), 32))
		case Double, Complex128:
			p.s(floatText(math.Float64frombits(u), 64))
		case Int8, Int16, Int32, Int64:
			shift := 64 - 8*size
			p.s(strconv.FormatInt(int64(u<<shift)>>shift, 10))
		default:
			p.s(strconv.FormatUint(u, 10))
		}
	}
}

// elementSize returns the bytes of one number of a tensor in text.
func elementSize(d DType) int {
	switch d {
	case Complex64, Complex128:
		return d.Bits() / 16
	}
	return max(d.Bits(), 8) / 8
}

// floatText returns the shortest text that reads back as x and as a float.
func floatText(x float64, bits int) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(x, 'g', -1, bits)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
