package ir

import (
	"cmp"
	"maps"
	"slices"
)

// An Op says what an operator means. Everything the compiler knows about an
// operator is in its Op: to add an operator, write one.
type Op struct {
	Name  OpName
	Since int64  // version of its domain that has this spelling
	Doc   string // one line, no period

	In, Out     []Param
	Commutative bool // the first two inputs may be swapped
	Moves       bool // copies, drops or repeats elements without computing

	// Fused says that the operator stands for several that relevance rules
	// treat one by one, such as a whole attention. It has a Body, and the expand
	// pass inlines it before anything looks at what the model means. Its VJP is
	// nil, or fails: some bodies can be built only where enough is known of the
	// shapes, and the operator stays where it is not.
	// A composite with a rule of its own, such as RMSNormalization, is not fused.
	Fused bool

	// Opaque says that nothing is known of the operator but that it is there: the
	// importer makes such ones if it is told to carry unknown operators along.
	Opaque bool

	// Infer returns the types of the outputs. The builder has checked arity
	// and presence of inputs; ranks and dimensions may be unknown.
	Infer func(n *Node) ([]Type, error)

	// Known returns the elements of small integer outputs as far as they
	// follow from the types and known elements of the inputs: what makes shape
	// arithmetic (Shape, Gather, Concat, …) transparent. Nil, or nil entries,
	// where nothing is known.
	Known func(n *Node) [][]Dim

	// VJP returns, for every input i with want[i], the derivative of
	// <dy, op(in)> with respect to it; nil elsewhere. An entry of dy is nil if
	// nothing arrives at that output. VJP is nil for an operator through which
	// nothing flows, such as Shape or Greater.
	VJP func(b *Builder, n *Node, dy []*Value, want []bool) []*Value

	// Secant returns f(x)/x for an elementwise function with f(0) = 0,
	// continued to x = 0: the factor of the identity rule in gradient form. Its
	// shape broadcasts to that of x.
	Secant func(b *Builder, n *Node) *Value

	// Freeze is VJP with the normalizing factor held constant: for operators
	// that divide by a statistic of their input, such as LayerNormalization.
	Freeze func(b *Builder, n *Node, dy *Value) *Value

	// Body says what the operator is in terms of others; nil for a primitive.
	Body func(b *Builder, n *Node) []*Value
}

// A Param describes one input or output of an operator.
type Param struct {
	Name     string
	Optional bool
	Variadic bool // the last one only: any number, at least one
}

// P returns a list of parameters: "x" is required, "x?" optional, "x*" variadic.
func P(names ...string) []Param {
	ps := make([]Param, len(names))
	for i, s := range names {
		switch s[len(s)-1] {
		case '?':
			ps[i] = Param{Name: s[:len(s)-1], Optional: true}
		case '*':
			ps[i] = Param{Name: s[:len(s)-1], Variadic: true}
		default:
			ps[i] = Param{Name: s}
		}
	}
	return ps
}

// Arity returns the least and largest number of inputs; max is -1 if there is
// no limit.
func Arity(ps []Param) (min, max int) {
	for i, p := range ps {
		if !p.Optional {
			min = i + 1
		}
		if p.Variadic {
			return min, -1
		}
	}
	return min, len(ps)
}

// An OpSet is an immutable set of operators.
type OpSet struct {
	over *OpSet // what ops adds to
	ops  map[OpName]*Op
}

// NewOpSet returns the given operators as a set. A later one replaces an
// earlier one of the same name.
func NewOpSet(ops ...*Op) *OpSet { return (*OpSet)(nil).With(ops...) }

// With returns s and the given operators.
func (s *OpSet) With(ops ...*Op) *OpSet {
	m := make(map[OpName]*Op, len(ops))
	for _, op := range ops {
		m[op.Name] = op
	}
	t := &OpSet{over: s, ops: m}
	if s != nil && len(s.ops) <= 64 && s.over != nil { // keep chains of small additions short
		merged := maps.Clone(s.ops)
		maps.Copy(merged, m)
		t = &OpSet{over: s.over, ops: merged}
	}
	return t
}

// Lookup returns the operator, or nil.
func (s *OpSet) Lookup(name OpName) *Op {
	for ; s != nil; s = s.over {
		if op := s.ops[name]; op != nil {
			return op
		}
	}
	return nil
}

// All returns the operators sorted by domain and name.
func (s *OpSet) All() []*Op {
	m := map[OpName]*Op{}
	for ; s != nil; s = s.over {
		for name, op := range s.ops {
			if m[name] == nil {
				m[name] = op
			}
		}
	}
	return slices.SortedFunc(maps.Values(m), func(a, b *Op) int {
		return cmp.Or(cmp.Compare(a.Name.Domain, b.Name.Domain), cmp.Compare(a.Name.Name, b.Name.Name))
	})
}
