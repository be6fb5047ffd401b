package ir

import (
	"maps"
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// Hash returns a hash of everything in m that a pass can change: nodes, their
// order, attributes, names, types, roles, functions. Big tensors count by where
// their bytes lie, not by the bytes, so that hashes can be compared within one
// run of a program only. A model and its clone have the same hash.
func Hash(m *Model) uint64 {
	h := &hasher{sum: 14695981039346656037, ids: map[*Value]int{}}
	for _, d := range slices.Sorted(maps.Keys(m.Opsets)) {
		h.string(d)
		h.int(m.Opsets[d])
	}
	h.string(m.Producer)
	for _, kv := range m.Metadata {
		h.string(kv[0])
		h.string(kv[1])
	}
	if m.Graph != nil {
		h.graph(m.Graph)
	}
	for _, f := range m.Funcs {
		h.name(f.Op)
		h.string(f.Doc)
		h.strings(f.Attrs)
		h.attrs(f.Defaults)
		if f.Body != nil {
			h.graph(f.Body)
		}
	}
	return h.sum
}

// A hasher mixes numbers into a sum, in the manner of FNV-1a but a word at a
// time.
type hasher struct {
	sum uint64
	ids map[*Value]int
}

func (h *hasher) word(x uint64) {
	h.sum = bits.RotateLeft64((h.sum^x)*0x9e3779b97f4a7c15, 29)
}

func (h *hasher) int(x int64) { h.word(uint64(x)) }

func (h *hasher) string(s string) {
	h.int(int64(len(s)))
	for len(s) >= 8 {
		h.word(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		s = s[8:]
	}
	var last uint64
	for i := range len(s) {
		last = last<<8 | uint64(s[i])
	}
	h.word(last)
}

func (h *hasher) strings(ss []string) {
	h.int(int64(len(ss)))
	for _, s := range ss {
		h.string(s)
	}
}

func (h *hasher) name(o OpName) {
	h.string(o.Domain)
	h.string(o.Name)
}

func (h *hasher) graph(g *Graph) {
	h.string(g.Name)
	h.values(g.Inputs, h.define)
	h.values(g.Consts, h.define)
	h.int(int64(g.len))
	for n := range g.Nodes() {
		h.node(n)
	}
	h.values(g.Outputs, h.use)
}

func (h *hasher) values(vs []*Value, one func(*Value)) {
	h.int(int64(len(vs)))
	for _, v := range vs {
		one(v)
	}
}

func (h *hasher) define(v *Value) {
	if v == nil {
		h.int(-1)
		return
	}
	h.ids[v] = len(h.ids) + 1
	h.string(v.Name)
	h.typ(v.Type)
	h.strings(v.Aliases)
	h.dims(v.Known)
	for _, t := range []*Tensor{v.Data, v.Default} {
		if t != nil {
			h.tensor(t)
		}
	}
}

func (h *hasher) use(v *Value) {
	if v == nil {
		h.int(-1)
		return
	}
	h.int(int64(h.ids[v]))
}

func (h *hasher) node(n *Node) {
	h.name(n.Op)
	h.string(n.Name)
	h.string(n.Origin)
	h.string(n.Rule)
	h.string(n.RuleAt)
	h.string(n.Role)
	h.int(int64(len(n.Scopes)))
	for _, s := range n.Scopes {
		h.string(s.Name)
		h.string(s.Class)
	}
	h.values(n.In, h.use)
	h.attrs(n.Attrs)
	h.values(n.Out, h.define)
}

func (h *hasher) typ(t Type) {
	h.int(int64(t.Elem))
	h.dims(t.Shape)
}

func (h *hasher) dims(ds []Dim) {
	if ds == nil {
		h.int(-1)
		return
	}
	h.int(int64(len(ds)))
	for _, d := range ds {
		h.string(d.Sym)
		h.int(d.N)
	}
}

func (h *hasher) tensor(t *Tensor) {
	if t == nil {
		h.int(-1)
		return
	}
	h.int(int64(t.Elem))
	for _, d := range t.Shape {
		h.int(int64(d))
	}
	h.strings(t.Strs)
	if len(t.Raw) > 64 {
		h.int(int64(len(t.Raw)))
		h.word(uint64(uintptr(unsafe.Pointer(&t.Raw[0]))))
		return
	}
	h.string(string(t.Raw))
}

func (h *hasher) attrs(as Attrs) {
	h.int(int64(len(as)))
	for _, a := range as {
		h.string(a.Name)
		h.string(kindName(a.Value))
		h.attr(a.Value)
	}
}

func (h *hasher) attr(v any) {
	switch v := v.(type) {
	case int64:
		h.int(v)
	case float32:
		h.word(uint64(math.Float32bits(v)))
	case string:
		h.string(v)
	case Type:
		h.typ(v)
	case Ref:
		h.string("@" + v.Name)
	case *Tensor:
		h.tensor(v)
	case *Graph:
		if v != nil {
			h.graph(v)
		}
	case []int64:
		h.int(int64(len(v)))
		for _, x := range v {
			h.int(x)
		}
	case []float32:
		h.int(int64(len(v)))
		for _, x := range v {
			h.word(uint64(math.Float32bits(x)))
		}
	case []string:
		h.strings(v)
	case []*Tensor:
		h.int(int64(len(v)))
		for _, t := range v {
			h.tensor(t)
		}
	case []*Graph:
		h.int(int64(len(v)))
		for _, g := range v {
			h.attr(g)
		}
	}
}
