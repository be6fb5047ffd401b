package ir

import (
	"cmp"
	"fmt"
	"slices"
)

// Instantiate returns a copy of f's body for one call: attributes of the
// function are replaced by their values, and types follow from the types of the
// call's inputs. The copy has all of f's inputs; one that the call omits is not
// read, and has no type.
func Instantiate(m *Model, f *Func, call *Node) (*Graph, error) {
	if err := f.checkCall(call); err != nil {
		return nil, err
	}
	c := &copier{vals: make(map[*Value]*Value, 2*f.Body.len)}
	c.ref = f.argument(call)
	g := NewGraph(f.Body.Name)
	for i, v := range f.Body.Inputs {
		in := g.Input(v.Name, Type{})
		c.vals[v] = nil
		if arg := call.Input(i); arg != nil {
			// Data is here for inference only: axes and shapes that are constants.
			in.Type, in.Known, in.Data = arg.Type, arg.Known, arg.Data
			c.vals[v] = in
		}
	}
	for n := range f.Body.Nodes() {
		inst := c.node(n)
		for _, v := range inst.Out {
			if v != nil {
				v.Name = g.unique(v.Name)
			}
		}
		g.insertBefore(&g.root, inst)
		if err := m.instantiated(inst); err != nil {
			return nil, err
		}
	}
	for i, v := range f.Body.Outputs {
		out := c.value(v)
		if out == nil {
			return nil, fmt.Errorf("output %d of %s is its input %s, which is omitted", i, f.Op, v)
		}
		g.Outputs = append(g.Outputs, out)
	}
	for _, in := range g.Inputs {
		in.Data = nil
	}
	return g, nil
}

// argument returns what the attributes of f are in a call.
func (f *Func) argument(call *Node) func(Ref) any {
	return func(r Ref) any {
		if v := call.Attrs.Get(r.Name); v != nil {
			return v
		}
		return f.Defaults.Get(r.Name)
	}
}

// instantiated infers the types of a copied node, whose outputs and graphs
// still have those of the original.
func (m *Model) instantiated(n *Node) error {
	for sub := range n.Subgraphs() {
		for inner := range sub.Nodes() {
			if err := m.instantiated(inner); err != nil {
				return err
			}
		}
	}
	for _, v := range n.Out {
		if v != nil {
			v.Type, v.Known = Type{}, nil
		}
	}
	if err := m.infer(n); err != nil {
		return fmt.Errorf("%v: %w", n, err)
	}
	return nil
}

// Inline replaces a call by the nodes of its function or, if there is none, of
// its operator's Body. The values that the call computed stay, with their
// names, aliases and readers; the nodes inherit the call's Origin, Scopes and
// Role. If it fails, the graph is as it was.
//
// An output that is one of the inputs, or the same as another output, goes
// through an Identity. A loop over the nodes of the graph does not visit the new
// nodes, which stand before the call.
func Inline(m *Model, call *Node) error {
	if call.graph == nil {
		return fmt.Errorf("inline %v: it is not in a graph", call)
	}
	in := &inliner{m: m, g: call.graph, call: call, before: call.prev}
	var err error
	if f := m.Func(call.Op); f != nil {
		err = in.function(f)
	} else if op := m.Ops.Lookup(call.Op); op != nil && op.Body != nil {
		err = in.body(op)
	} else {
		err = fmt.Errorf("%s has no body", call.Op)
	}
	if err != nil {
		in.undo()
		return fmt.Errorf("inline %v: %w", call, err)
	}
	in.finish()
	return nil
}

type inliner struct {
	m      *Model
	g      *Graph
	call   *Node
	before *Node   // what the new nodes come after
	types  []Type  // of the call's outputs, before
	known  [][]Dim // likewise
	taken  []bool  // the outputs that have a new definition
}

// function copies a function's body before the call. Its output values become
// those of the call.
func (in *inliner) function(f *Func) error {
	if err := f.checkCall(in.call); err != nil {
		return err
	}
	in.save()
	c := &copier{vals: make(map[*Value]*Value, 2*f.Body.len)}
	c.ref = f.argument(in.call)
	for i, v := range f.Body.Inputs {
		c.vals[v] = in.call.Input(i)
	}
	own := make(map[*Value]int, len(in.call.Out)) // body values that become outputs of the call
	for i, out := range in.call.Out {
		v := f.Body.Outputs[i]
		if _, again := own[v]; out != nil && v.Def != nil && !again {
			own[v] = i
			c.vals[v] = out
		}
	}
	for n := range f.Body.Nodes() {
		inst := c.node(n)
		if inst.Scopes = in.call.Scopes; len(n.Scopes) > 0 {
			inst.Scopes = slices.Concat(in.call.Scopes, n.Scopes)
		}
		for j, v := range n.Out {
			if v == nil {
				continue
			}
			if i, ok := own[v]; ok {
				in.taken[i] = true
				continue
			}
			w := inst.Out[j]
			w.Name, w.Type, w.Known, w.Aliases = in.g.unique(v.Name), Type{}, nil, nil
		}
		in.g.insertBefore(in.call, inst)
		if err := in.inferInlined(inst); err != nil {
			return err
		}
	}
	for i, out := range in.call.Out {
		if out == nil || in.taken[i] {
			continue
		}
		from := c.value(f.Body.Outputs[i])
		if from == nil {
			return fmt.Errorf("output %d is input %s, which is omitted", i, f.Body.Outputs[i])
		}
		if err := in.identity(from, i); err != nil {
			return err
		}
	}
	return nil
}

// inferInlined is instantiated for a node of which some outputs are the call's,
// and keep what is known of them.
func (in *inliner) inferInlined(n *Node) error {
	for sub := range n.Subgraphs() {
		for inner := range sub.Nodes() {
			if err := in.m.instantiated(inner); err != nil {
				return err
			}
		}
	}
	if err := in.m.infer(n); err != nil {
		return fmt.Errorf("%v: %w", n, err)
	}
	return nil
}

// body builds an operator's body before the call.
func (in *inliner) body(op *Op) error {
	b := in.m.At(in.g, in.call)
	b.Origin, b.Scopes = in.call.Origin, in.call.Scopes
	outs := op.Body(b, in.call)
	if b.err != nil {
		return b.err
	}
	if len(outs) < len(in.call.Out) {
		return fmt.Errorf("its body has %d outputs, want %d", len(outs), len(in.call.Out))
	}
	in.save()
	for i, out := range in.call.Out {
		if out == nil {
			continue
		}
		if !in.isNew(outs[i]) || slices.Contains(in.call.Out, outs[i]) {
			if err := in.identity(outs[i], i); err != nil {
				return err
			}
			continue
		}
		if err := in.adopt(outs[i], i); err != nil {
			return err
		}
		for j := range outs { // the same value again is the adopted one
			if j > i && outs[j] == outs[i] {
				outs[j] = out
			}
		}
	}
	return nil
}

// isNew reports whether a node built in place of the call computes v.
func (in *inliner) isNew(v *Value) bool {
	for n := in.before.next; n != in.call; n = n.next {
		if v.Def == n {
			return true
		}
	}
	return false
}

// adopt makes the call's output i stand where v, an output of a new node, does.
func (in *inliner) adopt(v *Value, i int) error {
	out := in.call.Out[i]
	t, err := Refine(out.Type, v.Type)
	if err != nil {
		return fmt.Errorf("output %d (%s): %w", i, out, err)
	}
	out.Type = t
	if out.Known == nil {
		out.Known = v.Known
	}
	in.taken[i] = true
	out.Def = v.Def
	out.Def.Out[slices.Index(v.Def.Out, v)] = out
	in.g.ReplaceUses(v, out)
	in.g.free(v.Name)
	return nil
}

// identity makes an Identity of v compute the call's output i.
func (in *inliner) identity(v *Value, i int) error {
	n := &Node{Op: OpName{Name: "Identity"}, In: []*Value{nil}, Out: []*Value{in.call.Out[i]}, Scopes: in.call.Scopes}
	n.SetInput(0, v)
	n.Out[0].Def = n
	in.taken[i] = true
	in.g.insertBefore(in.call, n)
	return in.inferInlined(n)
}

// save remembers what undo restores.
func (in *inliner) save() {
	in.taken = make([]bool, len(in.call.Out))
	in.types = make([]Type, len(in.call.Out))
	in.known = make([][]Dim, len(in.call.Out))
	for i, v := range in.call.Out {
		if v != nil {
			in.types[i], in.known[i] = v.Type, v.Known
		}
	}
}

// undo takes the new nodes out again.
func (in *inliner) undo() {
	for n := in.call.prev; n != in.before; {
		prev := n.prev
		in.g.unlink(n)
		for _, v := range n.Out {
			if v != nil && !slices.Contains(in.call.Out, v) {
				in.g.free(v.Name)
			}
		}
		n = prev
	}
	for i := range in.taken {
		if v := in.call.Out[i]; v != nil {
			v.Def, v.Type, v.Known = in.call, in.types[i], in.known[i]
		}
	}
}

// finish removes the call and lets the new nodes inherit from it. The one that
// computes the first output takes its label if it has none of its own.
func (in *inliner) finish() {
	call := in.call
	for n := in.before.next; n != call; n = n.next {
		n.Origin = cmp.Or(call.Origin, n.Origin)
		n.Role = cmp.Or(call.Role, n.Role)
		if n.Name != "" && call.Name != "" {
			n.Name = call.Name + "/" + n.Name
		}
	}
	if len(call.Out) > 0 && call.Out[0] != nil {
		def := call.Out[0].Def
		def.Name = cmp.Or(def.Name, call.Name)
	}
	in.g.unlink(call)
	call.Out = nil
}
