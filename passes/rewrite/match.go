package rewrite

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// A Match is one occurrence of a pattern.
type Match struct {
	Root  *ir.Node
	Nodes []*ir.Node // what the pattern covers, the root first

	vals map[string]*ir.Value
}

// NewMatch returns a match of nodes, the root first, with names for values.
func NewMatch(nodes []*ir.Node, values map[string]*ir.Value) *Match {
	return &Match{Root: nodes[0], Nodes: nodes, vals: values}
}

// Get returns the value that a name of the pattern is bound to, nil if none.
func (m *Match) Get(name string) *ir.Value { return m.vals[name] }

// Const returns the tensor of a bound constant, or an error that says that it
// is none.
func (m *Match) Const(name string) (*ir.Tensor, error) {
	v := m.vals[name]
	if t := Constant(v); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%s (%s) is not constant", name, v)
}

// Scalar returns the only element of a bound constant, or an error.
func (m *Match) Scalar(name string) (float64, error) {
	t, err := m.Const(name)
	if err != nil {
		return 0, err
	}
	f, ok := t.Item()
	if !ok {
		return 0, fmt.Errorf("%s (%s) has %d elements, want one", name, m.vals[name], t.Len())
	}
	return f, nil
}

// Ints returns the elements of a bound integer constant, or an error.
func (m *Match) Ints(name string) ([]int64, error) {
	t, err := m.Const(name)
	if err != nil {
		return nil, err
	}
	return t.Int64s()
}

// A Failure says why a pattern does not match: how many operators did, and
// what stood in the way of the next.
type Failure struct {
	Matched int
	Reason  string
}

// Error returns the failure in words.
func (f *Failure) Error() string {
	if f.Matched == 1 {
		return fmt.Sprintf("matched 1 operator, then %s", f.Reason)
	}
	return fmt.Sprintf("matched %d operators, then %s", f.Matched, f.Reason)
}

// Match tries the pattern with n as its root.
func (p *Pattern) Match(n *ir.Node, ops *ir.OpSet) (*Match, *Failure) {
	m := &matcher{p: p, ops: ops, vals: map[string]*ir.Value{}, fail: &Failure{Matched: -1}}
	if len(n.Out) == 0 || n.Out[0] == nil {
		return nil, &Failure{Reason: "the node has no output"}
	}
	var found *Match
	ok := m.term(nameTerm(p.root), n.Out[0], func() bool {
		vals := make(map[string]*ir.Value, len(m.vals))
		for k, v := range m.vals {
			vals[k] = v
		}
		found = &Match{Root: n, Nodes: slices.Clone(m.nodes), vals: vals}
		return true
	})
	if !ok {
		return nil, m.fail
	}
	return found, nil
}

// matcher tries terms against values, with a continuation for the rest of the
// pattern, so that a choice made early can be taken back late.
type matcher struct {
	p     *Pattern
	ops   *ir.OpSet
	vals  map[string]*ir.Value
	nodes []*ir.Node
	fail  *Failure
	steps int
}

// maxSteps bounds the work at one root: alternatives multiply, and a model may
// be made to make them do so.
const maxSteps = 20000

func (m *matcher) reject(format string, args ...any) bool {
	if len(m.nodes) > m.fail.Matched { // of equally deep failures the first says most
		*m.fail = Failure{len(m.nodes), fmt.Sprintf(format, args...)}
	}
	return false
}

func (m *matcher) term(t term, v *ir.Value, rest func() bool) bool {
	if m.steps++; m.steps > maxSteps {
		return m.reject("the pattern has too many ways to match here")
	}
	switch t := t.(type) {
	case anyTerm:
		return rest()
	case numTerm:
		f, ok := Constant(v).Item()
		if !ok {
			return m.reject("%s is not the constant %g", v, float64(t))
		}
		if !near(f, float64(t)) {
			return m.reject("%s is %g, not %g", v, f, float64(t))
		}
		return rest()
	case altTerm:
		for _, a := range t {
			if m.term(a, v, rest) {
				return true
			}
		}
		return false
	case nameTerm:
		return m.name(string(t), v, rest)
	case opTerm:
		if m.op(t, v, rest) {
			return true
		}
		return t.optional && m.term(t.args[0], v, rest)
	}
	panic(fmt.Sprintf("rewrite: term %T", t))
}

// near compares constants as exporters write them, half floats included.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-3*math.Abs(b) }

func (m *matcher) name(name string, v *ir.Value, rest func() bool) bool {
	if bound, ok := m.vals[name]; ok {
		if bound != v {
			return m.reject("%s is %s here and %s before", name, v, bound)
		}
		return rest()
	}
	if v == nil {
		return m.reject("operand %s is omitted", name)
	}
	bindThen := func() bool {
		m.vals[name] = v
		if rest() {
			return true
		}
		delete(m.vals, name)
		return false
	}
	if line, ok := m.p.lines[name]; ok {
		return m.term(line, v, bindThen)
	}
	return bindThen()
}

func (m *matcher) op(t opTerm, v *ir.Value, rest func() bool) bool {
	if v == nil {
		return m.reject("an operand is omitted, want %s", t.ops[0])
	}
	n := v.Def
	switch {
	case n == nil:
		return m.reject("%s is no result of a node, want %s", v, t.ops[0])
	case !slices.Contains(t.ops, n.Op.String()):
		return m.reject("%s is %s, not %s", v, n.Op, t.ops[0])
	case n.Out[0] != v:
		return m.reject("%s is not the first output of %s", v, n.Op)
	}
	for _, a := range t.attrs {
		if err := sameAttr(n, a); err != nil {
			return m.reject("%v: %v", n, err)
		}
	}
	if len(n.In) > len(t.args) && !t.open {
		for _, extra := range n.In[len(t.args):] {
			if extra != nil {
				return m.reject("%v has %d operands, want %d", n, len(n.In), len(t.args))
			}
		}
	}
	m.nodes = append(m.nodes, n)
	if m.operands(t.args, n.In, rest) {
		return true
	}
	if op := m.ops.Lookup(n.Op); op != nil && op.Commutative && len(t.args) == 2 && len(n.In) == 2 {
		if m.operands(t.args, []*ir.Value{n.In[1], n.In[0]}, rest) {
			return true
		}
	}
	m.nodes = m.nodes[:len(m.nodes)-1]
	return false
}

func (m *matcher) operands(args []term, in []*ir.Value, rest func() bool) bool {
	if len(args) == 0 {
		return rest()
	}
	var v *ir.Value
	if len(in) > 0 {
		v, in = in[0], in[1:]
	}
	return m.term(args[0], v, func() bool { return m.operands(args[1:], in, rest) })
}

// sameAttr compares an attribute with what a pattern wants. One that is left
// out has no value, whatever its default is.
func sameAttr(n *ir.Node, a attrTerm) error {
	switch want := a.value.(type) {
	case float64:
		got := math.NaN()
		switch v := n.Attrs.Get(a.name).(type) {
		case int64:
			got = float64(v)
		case float32:
			got = float64(v)
		}
		if !near(got, want) {
			return fmt.Errorf("attribute %s is not %g", a.name, want)
		}
	case string:
		if got := n.Attrs.String(a.name, ""); got != want {
			return fmt.Errorf("attribute %s is %q, not %q", a.name, got, want)
		}
	}
	return nil
}

// Constant returns the data of a constant or of a Constant node, else nil.
func Constant(v *ir.Value) *ir.Tensor {
	switch {
	case v == nil:
		return nil
	case v.Data != nil:
		return v.Data
	case v.Def != nil && v.Def.Op == ir.OpName{Name: "Constant"}:
		return v.Def.Attrs.Tensor("value")
	}
	return nil
}
