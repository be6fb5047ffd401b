package ir

import (
	"maps"
	"slices"
)

// maxExpansion bounds the number of nodes that the functions of a text stand
// for when they are expanded, so that inference ends.
const maxExpansion = 1 << 17

// model turns a parsed text into a model: functions first, callees before
// callers.
func (p *parser) model(f *fileSyntax, ops *OpSet) *Model {
	h := f.header
	m := &Model{Opsets: map[string]int64{}, Ops: ops, Producer: h.producer, Metadata: h.metadata}
	if h.version != "" {
		m.Producer = h.producer + " " + h.version
	}
	for _, fn := range f.funcs {
		maps.Copy(m.Opsets, fn.header.opsets)
	}
	maps.Copy(m.Opsets, h.opsets)
	if _, ok := m.Opsets[""]; !ok {
		m.Opsets[""] = defaultOpset
	}
	r := &resolver{parser: p, m: m, state: map[OpName]funcState{}, syntax: map[OpName]*graphSyntax{}}
	for _, fn := range f.funcs {
		name := fn.opName()
		if r.syntax[name] != nil {
			p.fail(fn.name.pos, "function %s is defined twice", name)
		}
		r.syntax[name] = fn
	}
	for _, fn := range f.funcs {
		r.function(fn)
	}
	m.Graph = NewGraph("")
	if f.graph != nil {
		m.Graph, _ = r.graph(f.graph, nil, nil)
	}
	return m
}

func (g *graphSyntax) opName() OpName {
	return OpName{canonicalDomain(g.header.domain), g.name.text}
}

// A resolver looks up names and builds graphs.
type resolver struct {
	*parser
	m      *Model
	syntax map[OpName]*graphSyntax
	state  map[OpName]funcState
}

// funcState says how far a function is built, and what it expands to.
type funcState struct {
	open, done bool
	size       int
}

// function adds a function and, before it, those that it calls.
func (r *resolver) function(fn *graphSyntax) {
	name := fn.opName()
	if r.state[name].done {
		return
	}
	r.state[name] = funcState{open: true}
	f := &Func{Op: name, Doc: fn.header.doc}
	for _, param := range fn.params {
		if slices.Contains(f.Attrs, param.text) {
			r.fail(param.pos, "attribute %s of function %s is declared twice", param, name)
		}
		f.Attrs = append(f.Attrs, param.text)
	}
	f.Defaults, _ = r.attrs(fn.attrs, nil, nil)
	for _, a := range fn.attrs {
		if _, ok := a.value.(Ref); ok {
			r.fail(a.pos, "the default of attribute %s is another attribute", a.name)
		}
	}
	body, calls := r.graph(fn, nil, f)
	f.Body = body
	r.m.AddFunc(f, FuncOp(f, r.m.Ops))
	r.state[name] = funcState{done: true, size: body.Len() + calls}
}

// A scope holds the values that a graph defines, within those around it.
type scope struct {
	up   *scope
	vals map[string]*Value
	pos  map[string]int // where each name is defined, from the start
}

func (s *scope) find(name string) *Value {
	for ; s != nil; s = s.up {
		if v := s.vals[name]; v != nil {
			return v
		}
	}
	return nil
}

func (s *scope) names() []string {
	var names []string
	for ; s != nil; s = s.up {
		names = append(names, slices.Sorted(maps.Keys(s.vals))...)
	}
	return names
}

// graph builds a graph within a scope and a function, either of which may be
// nil, and returns it with the number of nodes that its calls stand for.
func (r *resolver) graph(gs *graphSyntax, up *scope, f *Func) (*Graph, int) {
	g := NewGraph(gs.name.text)
	s := &scope{up: up, vals: map[string]*Value{}, pos: map[string]int{}}
	for _, in := range gs.inputs {
		r.define(s, in.name)
		v := g.Input(in.name.text, in.typ)
		v.Default = in.data
		s.vals[in.name.text] = v
	}
	for _, c := range gs.consts {
		r.define(s, c.name)
		s.vals[c.name.text] = g.Const(c.name.text, c.data)
	}
	for _, n := range gs.nodes {
		for _, out := range n.outs {
			if out.text != "" {
				r.define(s, out)
			}
		}
	}
	stated := r.stated(gs, s)
	calls := 0
	for i := range gs.nodes {
		if calls += r.node(g, &gs.nodes[i], s, f, stated); calls > maxExpansion {
			r.fail(gs.nodes[i].op.pos, "the functions that are called here expand to more than %d nodes", maxExpansion)
		}
	}
	for _, out := range gs.outputs {
		v := s.vals[out.name.text]
		switch {
		case v == nil && s.find(out.name.text) != nil:
			r.fail(out.name.pos, "output %s is a value of a graph around this one; make it go through an Identity", out.name)
		case v == nil:
			r.fail(out.name.pos, "output %s is not defined%s", out.name, didYouMean(out.name.text, s.names()))
		}
		g.Outputs = append(g.Outputs, v)
	}
	return g, calls
}

func (r *resolver) define(s *scope, name token) {
	if pos, ok := s.pos[name.text]; ok {
		line, col := r.place(pos)
		r.fail(name.pos, "%s is defined twice, first at %d:%d", name, line, col)
	}
	s.pos[name.text] = name.pos
}

// stated collects the types that the text gives for values: as outputs and in
// the list of values. Those of inputs and constants are checked here.
func (r *resolver) stated(gs *graphSyntax, s *scope) map[string]valueSyntax {
	types := map[string]valueSyntax{}
	for _, v := range slices.Concat(gs.infos, gs.outputs) {
		old, ok := types[v.name.text]
		if !ok {
			old.typ = Type{}
			if def := s.vals[v.name.text]; def != nil {
				old.typ = def.Type
			}
		}
		typ, err := Refine(old.typ, v.typ)
		if err != nil {
			r.fail(v.name.pos, "%s is stated to be %s here and %s elsewhere", v.name, v.typ, old.typ)
		}
		v.typ = typ
		types[v.name.text] = v
	}
	for _, v := range gs.infos {
		if _, ok := s.pos[v.name.text]; !ok {
			r.fail(v.name.pos, "%s has a type but is not defined%s", v.name, didYouMean(v.name.text, slices.Sorted(maps.Keys(s.pos))))
		}
	}
	return types
}

// node builds one node and returns the number of nodes that its calls stand
// for.
func (r *resolver) node(g *Graph, ns *nodeSyntax, s *scope, f *Func, stated map[string]valueSyntax) int {
	size := 0
	if callee := r.syntax[ns.name]; callee != nil {
		if r.state[ns.name].open {
			r.fail(ns.op.pos, "function %s calls itself", ns.name)
		}
		r.function(callee)
		size = r.state[ns.name].size
	}
	op := r.m.Ops.Lookup(ns.name)
	if op == nil {
		r.fail(ns.op.pos, "unknown operator %s%s", ns.name, r.suggestOp(ns.name))
	}
	if _, ok := r.m.Opsets[ns.name.Domain]; !ok && ns.name.Domain != "" {
		r.m.Opsets[ns.name.Domain] = 1
	}
	n := &Node{Op: ns.name, Name: ns.label}
	for _, in := range ns.ins {
		n.In = append(n.In, r.lookup(s, in))
	}
	attrs, inner := r.attrs(ns.attrs, s, f)
	n.Attrs = attrs
	for _, out := range ns.outs {
		if out.text == "" {
			n.Out = append(n.Out, nil)
			continue
		}
		n.Out = append(n.Out, &Value{Name: out.text, Type: stated[out.text].typ})
	}
	g.Append(n)
	err := op.CheckInputs(n)
	if err == nil {
		err = op.checkOutputs(n)
	}
	if err == nil {
		err = r.m.infer(n)
	}
	if err != nil {
		r.fail(ns.op.pos, "%v: %v", n, err)
	}
	for _, v := range n.Out {
		if v != nil {
			s.vals[v.Name] = v
		}
	}
	return size + inner
}

// suggestOp returns a did-you-mean: the operator of that name in another
// domain, or one of a similar name.
func (r *resolver) suggestOp(name OpName) string {
	known := slices.SortedFunc(maps.Keys(r.syntax), compareOpNames)
	for _, op := range r.m.Ops.All() {
		known = append(known, op.Name)
	}
	names := make([]string, len(known))
	for i, k := range known {
		if k.Name == name.Name {
			return ", did you mean " + k.String() + "?"
		}
		names[i] = k.String()
	}
	return didYouMean(name.String(), names)
}

// lookup returns the value that a node reads, nil for an omitted input.
func (r *resolver) lookup(s *scope, name token) *Value {
	if name.text == "" {
		return nil
	}
	v := s.find(name.text)
	if v != nil {
		return v
	}
	for t := s; t != nil; t = t.up {
		if pos, ok := t.pos[name.text]; ok {
			line, _ := r.place(pos)
			r.fail(name.pos, "%s is read before the node that computes it, in line %d", name, line)
		}
	}
	r.fail(name.pos, "%s is not defined%s", name, didYouMean(name.text, s.names()))
	return nil
}

// attrs builds attributes and the graphs in them, and returns the number of
// nodes of those graphs and their calls.
func (r *resolver) attrs(list []attrSyntax, s *scope, f *Func) (Attrs, int) {
	var as Attrs
	size := 0
	nested := func(gs *graphSyntax) *Graph {
		g, n := r.graph(gs, s, f)
		size += g.Len() + n
		return g
	}
	for _, a := range list {
		if as.Has(a.name.text) {
			r.fail(a.name.pos, "attribute %s is given twice", a.name)
		}
		v := a.value
		switch x := v.(type) {
		case *graphSyntax:
			v = nested(x)
		case []*graphSyntax:
			gs := make([]*Graph, len(x))
			for i := range x {
				gs[i] = nested(x[i])
			}
			v = gs
		case Ref:
			r.checkRef(a, x, f)
		}
		as = append(as, Attr{a.name.text, v})
	}
	return as, size
}

func (r *resolver) checkRef(a attrSyntax, ref Ref, f *Func) {
	switch {
	case f == nil:
		r.fail(a.pos, "@%s stands outside a function", ref.Name)
	case !slices.Contains(f.Attrs, ref.Name):
		r.fail(a.pos, "function %s has no attribute %s%s", f.Op, ref.Name, didYouMean(ref.Name, f.Attrs))
	}
	if def := f.Defaults.Get(ref.Name); def != nil && kindName(def) != kindName(ref) {
		r.fail(a.pos, "attribute %s of function %s is of type %s, not %s", ref.Name, f.Op, kindName(def), kindName(ref))
	}
}
