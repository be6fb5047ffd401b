package ir

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// A Model is a main graph, the functions its nodes may call, and the version
// of each operator domain it was written against.
type Model struct {
	Graph  *Graph
	Funcs  []*Func          // callees before callers; names are unique
	Opsets map[string]int64 // by domain; "" is ai.onnx
	Ops    *OpSet           // what every operator means, functions included

	File     string      // where the model came from, for messages; "" if nowhere
	Producer string      // the exporter, as the file names it
	Metadata [][2]string // key and value pairs of the file, in its order
	Closer   func() error
}

// A Func gives an operator its meaning in terms of other operators.
type Func struct {
	Op    OpName
	Body  *Graph
	Attrs []string // attributes that Body refers to by Ref
	Doc   string

	// Defaults are the values of attributes that a call may leave out. One of
	// Attrs that is in neither is left out of the nodes that refer to it.
	Defaults Attrs
}

// A Graph is an ordered list of nodes between inputs and outputs.
type Graph struct {
	Name    string
	Inputs  []*Value
	Outputs []*Value
	Consts  []*Value // weights and other initializers

	root  Node // sentinel of the circular node list
	len   int
	names map[string]int // names in use, and the next suffix to try

	repeated map[string]*Tensor // what Builder.Repeated made
}

// A Node applies an operator to values. It owns its outputs.
type Node struct {
	Op    OpName
	In    []*Value // nil for an omitted optional input; write through SetInput
	Out   []*Value
	Attrs Attrs

	Name   string  // label from the file, "" if none
	Origin string  // what made this node: "" for the file, else "pass/rule <- node"
	Scopes []Scope // the modules around it in the source program, outermost first
	Role   string  // what recognize saw it as, such as "attention.scores"; "" if nothing
	Rule   string  // the relevance rule that swap bound to it, with its arguments; "" if none
	RuleAt string  // the line of the rule map that says so, such as "attnlrp.rules:12"

	graph      *Graph
	prev, next *Node
}

// A Scope is one module of the source program: its path and its class.
type Scope struct{ Name, Class string }

// A Value is one tensor. It has at most one definition and any number of uses.
type Value struct {
	Name    string
	Type    Type
	Def     *Node    // nil for an input or constant
	Data    *Tensor  // non-nil for a constant
	Default *Tensor  // what an input of the main graph is if a run does not give it; nil if it must
	Known   []Dim    // elements of a small integer tensor, as far as they are known; nil if not
	Aliases []string // other names of the same tensor in the file, from nodes that were removed

	uses []Use
}

// A Use is one place where a value is read: Node.In[Index].
type Use struct {
	Node  *Node
	Index int
}

// OpName names an operator. Domain "" is ai.onnx.
type OpName struct{ Domain, Name string }

// ParseOpName reads what String writes: "Add" or "com.microsoft.Gelu".
func ParseOpName(s string) OpName {
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		return OpName{s[:i], s[i+1:]}
	}
	return OpName{"", s}
}

func (o OpName) String() string {
	if o.Domain == "" {
		return o.Name
	}
	return o.Domain + "." + o.Name
}

// Uses returns the places that read v, in the order they were made.
func (v *Value) Uses() []Use { return slices.Clone(v.uses) }

// NumUses returns the number of places that read v.
func (v *Value) NumUses() int { return len(v.uses) }

// IsConst reports whether v is known before the graph runs.
func (v *Value) IsConst() bool { return v != nil && v.Data != nil }

// Named reports whether name is v's name or one of its aliases.
func (v *Value) Named(name string) bool { return v.Name == name || slices.Contains(v.Aliases, name) }

func (v *Value) String() string {
	if v == nil {
		return "_"
	}
	return v.Name
}

// Input returns input i, or nil if it is omitted.
func (n *Node) Input(i int) *Value {
	if i < len(n.In) {
		return n.In[i]
	}
	return nil
}

// Graph returns the graph that holds n, or nil if n was removed.
func (n *Node) Graph() *Graph { return n.graph }

// Scope returns the innermost scope around n that has a class, and whether
// there is one.
func (n *Node) Scope() (Scope, bool) {
	for _, s := range slices.Backward(n.Scopes) {
		if s.Class != "" {
			return s, true
		}
	}
	return Scope{}, false
}

// String names n for messages: its operator with its label or first output.
func (n *Node) String() string {
	switch {
	case n.Name != "":
		return fmt.Sprintf("%s[%s]", n.Op, n.Name)
	case len(n.Out) > 0 && n.Out[0] != nil:
		return fmt.Sprintf("%s->%s", n.Op, n.Out[0])
	}
	return n.Op.String()
}

// NewGraph returns an empty graph.
func NewGraph(name string) *Graph {
	g := &Graph{Name: name, names: map[string]int{}}
	g.root.prev, g.root.next = &g.root, &g.root
	return g
}

// Nodes yields nodes in order. The yielded node may be removed, and nodes may
// be inserted anywhere, while ranging: those placed after it are visited.
func (g *Graph) Nodes() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for n := g.root.next; n != &g.root; {
			next := n.next
			if !yield(n) {
				return
			}
			if n.graph == g { // still here: follow its new neighbour
				next = n.next
			}
			n = next
		}
	}
}

// Backward yields nodes from last to first, with the same freedom as Nodes.
func (g *Graph) Backward() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for n := g.root.prev; n != &g.root; {
			prev := n.prev
			if !yield(n) {
				return
			}
			if n.graph == g {
				prev = n.prev
			}
			n = prev
		}
	}
}

// Len returns the number of nodes.
func (g *Graph) Len() int { return g.len }

// Values yields every value of g once: inputs, constants, then node outputs
// in node order.
func (g *Graph) Values() iter.Seq[*Value] {
	return func(yield func(*Value) bool) {
		for _, vs := range [][]*Value{g.Inputs, g.Consts} {
			for _, v := range vs {
				if !yield(v) {
					return
				}
			}
		}
		for n := range g.Nodes() {
			for _, v := range n.Out {
				if v != nil && !yield(v) {
					return
				}
			}
		}
	}
}

// Find returns the value with the given name or alias, or nil.
func (g *Graph) Find(name string) *Value {
	var alias *Value
	for v := range g.Values() {
		switch {
		case v.Name == name:
			return v
		case alias == nil && slices.Contains(v.Aliases, name):
			alias = v
		}
	}
	return alias
}

// IsOutput reports whether v is an output of g.
func (g *Graph) IsOutput(v *Value) bool { return slices.Contains(g.Outputs, v) }

// Func returns the model's function of the given name, or nil.
func (m *Model) Func(name OpName) *Func {
	for _, f := range m.Funcs {
		if f.Op == name {
			return f
		}
	}
	return nil
}

// AddFunc adds f to the model and its operator to the model's operators.
func (m *Model) AddFunc(f *Func, op *Op) {
	m.Funcs = append(m.Funcs, f)
	m.Ops = m.Ops.With(op)
	if m.Opsets == nil {
		m.Opsets = map[string]int64{}
	}
	if _, ok := m.Opsets[f.Op.Domain]; !ok {
		m.Opsets[f.Op.Domain] = 1
	}
}

// Close releases what the model's tensors refer to, such as mapped files. The
// model must not be used after it.
func (m *Model) Close() error {
	if m.Closer == nil {
		return nil
	}
	c := m.Closer
	m.Closer = nil
	return c()
}
