package ir

import (
	"errors"
	"fmt"
	"slices"
)

// maxViolations is how many violations Verify lists.
const maxViolations = 50

// Verify reports every broken invariant of m, each naming its place: the first
// fifty, joined. The invariants are those of the package comment and
//
//   - a node has the inputs and outputs that its operator allows, and attributes
//     of types that exist, each once;
//   - what its operator infers does not contradict the types of its outputs;
//   - a constant has as many bytes as its type needs;
//   - outputs of a graph are its own values;
//   - functions come after those they call, have no constants, and refer to
//     attributes they declare; calls have attributes that are declared.
//
// Types are not checked where inference does not know enough, as in a
// function's body.
func Verify(m *Model) error {
	v := &verifier{m: m, funcs: map[OpName]*Func{}, checked: map[OpName]bool{}, nodes: map[*Node]bool{}, counted: map[*Value]map[Use]bool{}}
	for _, f := range m.Funcs {
		v.funcs[f.Op] = f
	}
	for _, f := range m.Funcs {
		v.function(f)
	}
	v.where, v.f = "", nil
	if m.Graph == nil {
		v.bad("there is no main graph")
	} else {
		v.graph(m.Graph, nil)
	}
	v.uses()
	if n := len(v.errs); n > maxViolations {
		v.errs = append(v.errs[:maxViolations], fmt.Errorf("and %d more", n-maxViolations))
	}
	return errors.Join(v.errs...)
}

type verifier struct {
	m       *Model
	f       *Func  // the function being checked, nil for the main graph
	where   string // "function lxt.F: " or ""
	funcs   map[OpName]*Func
	checked map[OpName]bool         // functions seen so far
	nodes   map[*Node]bool          // of f or the main graph, with the graphs within
	values  []*Value                // likewise
	counted map[*Value]map[Use]bool // the uses of values that have many
	errs    []error
}

func (v *verifier) bad(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s%w", v.where, fmt.Errorf(format, args...)))
}

func (v *verifier) function(f *Func) {
	v.where, v.f = fmt.Sprintf("function %s: ", f.Op), f
	if v.checked[f.Op] {
		v.bad("it is defined twice")
	}
	v.checked[f.Op] = true
	if v.m.Ops.Lookup(f.Op) == nil {
		v.bad("its operator is unknown")
	}
	for i, name := range f.Attrs {
		if slices.Contains(f.Attrs[:i], name) {
			v.bad("attribute %s is declared twice", name)
		}
	}
	for _, a := range f.Defaults {
		if !slices.Contains(f.Attrs, a.Name) {
			v.bad("attribute %s has a default but is not declared", a.Name)
		}
	}
	if f.Body == nil {
		v.bad("it has no body")
		return
	}
	for _, c := range f.Body.Consts {
		v.bad("%s is a constant; a function needs a Constant node for it", c)
	}
	v.graph(f.Body, nil)
	v.uses()
}

// A frame is a graph being checked within those around it.
type frame struct {
	up   *frame
	g    *Graph
	seen map[*Value]bool // defined so far
	all  map[*Value]bool // defined anywhere in g
}

// defines reports whether val is defined at this point, and whether it is
// anywhere in the graphs around.
func (fr *frame) defines(val *Value) (now, ever bool) {
	for ; fr != nil; fr = fr.up {
		now = now || fr.seen[val]
		ever = ever || fr.all[val]
	}
	return now, ever
}

func (v *verifier) graph(g *Graph, up *frame) {
	if !v.links(g) {
		return // the list cannot be walked
	}
	fr := &frame{up: up, g: g, seen: map[*Value]bool{}, all: map[*Value]bool{}}
	v.names(fr)
	for _, val := range g.Inputs {
		if val == nil {
			continue // reported with the names
		}
		fr.seen[val] = true
		if val.Def != nil || val.Data != nil {
			v.bad("input %s is also a constant or the output of a node", val)
		}
		if val.Default == nil {
			continue
		}
		if _, err := Refine(val.Type, val.Default.TypeOf()); err != nil || val.Default.Elem != val.Type.Elem {
			v.bad("input %s is %s and its default %s", val, val.Type, val.Default.TypeOf())
		}
	}
	for _, val := range g.Consts {
		if val != nil {
			fr.seen[val] = true
			v.constant(val)
		}
	}
	for n := range g.Nodes() {
		v.node(n, fr)
	}
	for i, val := range g.Outputs {
		switch now, _ := up.defines(val); {
		case val == nil:
			v.bad("output %d of graph %s is nil", i, g.Name)
		case fr.seen[val]:
		case now:
			v.bad("output %s of graph %s is a value of a graph around it", val, g.Name)
		default:
			v.bad("output %s of graph %s is not one of its values", val, g.Name)
		}
	}
}

// links checks the list of nodes.
func (v *verifier) links(g *Graph) bool {
	count := 0
	for n := g.root.next; n != &g.root; n = n.next {
		if n == nil || n.graph != g || n.prev == nil || n.prev.next != n || n.next == nil || n.next.prev != n || count > g.len {
			v.bad("the list of nodes of graph %s is broken after %d of %d", g.Name, count, g.len)
			return false
		}
		count++
	}
	if count != g.len {
		v.bad("graph %s has %d nodes and counts %d", g.Name, count, g.len)
	}
	return true
}

// names checks that the values of a graph are one value each, under one name.
func (v *verifier) names(fr *frame) {
	byName := map[string]bool{}
	for val := range fr.g.Values() {
		if val == nil {
			v.bad("an input or constant of graph %s is nil", fr.g.Name)
			continue
		}
		if fr.all[val] {
			v.bad("value %s is defined twice", val)
			continue
		}
		fr.all[val] = true
		switch {
		case val.Name == "":
			v.bad("a value of type %s has no name", val.Type)
		case byName[val.Name]:
			v.bad("two values are called %s", val)
		case !fr.g.taken(val.Name):
			v.bad("graph %s does not know that the name %s is taken; use Rename", fr.g.Name, val)
		}
		byName[val.Name] = true
		v.values = append(v.values, val)
	}
}

func (v *verifier) constant(val *Value) {
	switch {
	case val.Data == nil:
		v.bad("constant %s has no data", val)
	case val.Def != nil:
		v.bad("constant %s is also the output of %v", val, val.Def)
	default:
		if t := val.Data.TypeOf(); !t.Equal(val.Type) {
			v.bad("constant %s is %s and its data %s", val, val.Type, t)
		}
		if err := val.Data.check(); err != nil {
			v.bad("constant %s: %w", val, err)
		}
	}
}

// check reports a number of bytes or strings that does not fit the type.
func (t *Tensor) check() error {
	if t.Elem == String {
		if len(t.Strs) != t.Len() {
			return fmt.Errorf("%d strings for %s", len(t.Strs), t.TypeOf())
		}
		return nil
	}
	want, err := ByteSize(t.Elem, t.Shape)
	if err == nil && int64(len(t.Raw)) != want {
		err = fmt.Errorf("%d bytes for %s, want %d", len(t.Raw), t.TypeOf(), want)
	}
	return err
}

func (v *verifier) node(n *Node, fr *frame) {
	v.nodes[n] = true
	for i, val := range n.In {
		if val != nil {
			v.input(n, i, val, fr)
		}
	}
	for _, val := range n.Out {
		if val != nil && val.Def != n {
			v.bad("%v: its output %s is defined by %v", n, val, val.Def)
		}
		if val != nil && val.Data != nil {
			v.bad("%v: its output %s has data", n, val)
		}
	}
	v.attrs(n, fr)
	v.operator(n)
	for _, val := range n.Out {
		if val != nil {
			fr.seen[val] = true
		}
	}
}

func (v *verifier) input(n *Node, i int, val *Value, fr *frame) {
	now, ever := fr.defines(val)
	switch {
	case now:
	case ever:
		v.bad("%v: input %d (%s) is read before it is computed", n, i, val)
	default:
		v.bad("%v: input %d (%s) is not a value of its graph", n, i, val)
	}
	if !v.counts(val, Use{n, i}) {
		v.bad("%v: input %d (%s) was not set by SetInput", n, i, val)
	}
}

func (v *verifier) attrs(n *Node, fr *frame) {
	for i, a := range n.Attrs {
		for _, b := range n.Attrs[:i] {
			if a.Name == b.Name {
				v.bad("%v: attribute %s is given twice", n, a.Name)
			}
		}
		if s := v.attr(a.Value, fr); s != "" {
			v.bad("%v: attribute %s %s", n, a.Name, s)
		}
	}
	f := v.funcs[n.Op]
	if f == nil {
		return
	}
	for _, a := range n.Attrs {
		if !slices.Contains(f.Attrs, a.Name) {
			v.bad("%v: function %s declares no attribute %s", n, f.Op, a.Name)
		}
	}
}

// attr says what is wrong with an attribute value, and checks graphs in it.
func (v *verifier) attr(value any, fr *frame) string {
	switch x := value.(type) {
	case Ref:
		switch {
		case v.f == nil:
			return fmt.Sprintf("is @%s, outside a function", x.Name)
		case !slices.Contains(v.f.Attrs, x.Name):
			return fmt.Sprintf("is @%s, which the function does not declare", x.Name)
		}
	case *Tensor:
		if x == nil {
			return "is a nil tensor"
		}
		if err := x.check(); err != nil {
			return "has " + err.Error()
		}
	case []*Tensor:
		for _, t := range x {
			if s := v.attr(t, fr); s != "" {
				return s
			}
		}
	case *Graph:
		if x == nil {
			return "is a nil graph"
		}
		v.graph(x, fr)
	case []*Graph:
		for _, g := range x {
			if s := v.attr(g, fr); s != "" {
				return s
			}
		}
	}
	if kindName(value) == "" {
		return fmt.Sprintf("has a value of type %T, which attributes do not have", value)
	}
	return ""
}

// operator checks a node against what its operator allows and infers.
func (v *verifier) operator(n *Node) {
	if v.funcs[n.Op] != nil && !v.checked[n.Op] {
		v.bad("%v: it calls a function that comes later", n)
		return
	}
	if v.f != nil && n.Op == v.f.Op {
		v.bad("%v: the function calls itself", n)
		return
	}
	op := v.m.Ops.Lookup(n.Op)
	if op == nil {
		v.bad("%v: unknown operator", n)
		return
	}
	if err := op.CheckInputs(n); err != nil {
		v.bad("%v: %w", n, err)
		return
	}
	if err := op.checkOutputs(n); err != nil {
		v.bad("%v: %w", n, err)
		return
	}
	if !inferable(n) {
		return
	}
	types, err := op.Infer(n)
	switch {
	case err != nil:
		v.bad("%v: %w", n, err)
		return
	case len(n.Out) > len(types):
		v.bad("%v: %d outputs, want at most %d", n, len(n.Out), len(types))
		return
	}
	for i, val := range n.Out {
		if val == nil {
			continue
		}
		if _, err := Refine(val.Type, types[i]); err != nil {
			v.bad("%v: output %d (%s): %w", n, i, val, err)
		}
	}
}

// checkOutputs reports more outputs than the operator can have.
func (op *Op) checkOutputs(n *Node) error {
	if _, hi := Arity(op.Out); hi >= 0 && len(n.Out) > hi {
		return fmt.Errorf("%d outputs, want at most %d", len(n.Out), hi)
	}
	return nil
}
