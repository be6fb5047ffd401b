package onnx

import (
	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// An encoder turns a model into a message.
type encoder struct {
	m      *ir.Model
	plan   *plan
	opsets map[string]int64
}

// names are what the values of a graph are called in the file. ONNX does not
// let a subgraph use a name of the graph around it, which ir does.
type names struct {
	up    *names
	of    map[*ir.Value]string
	inner map[*ir.Value]string // other names of values whose own one is taken
}

// newNames names the values of g, which no graph is around.
func newNames(g *ir.Graph) *names {
	return (&names{inner: ir.InnerNames(g)}).within(g)
}

// within names the values of a graph inside the one that ns names.
func (ns *names) within(g *ir.Graph) *names {
	out := &names{up: ns, of: map[*ir.Value]string{}, inner: ns.inner}
	for v := range g.Values() {
		out.of[v] = v.Name
		if name, ok := ns.inner[v]; ok {
			out.of[v] = name
		}
	}
	return out
}

// find returns the name of v; ok is false if no graph around has it.
func (ns *names) find(v *ir.Value) (name string, ok bool) {
	for ; ns != nil; ns = ns.up {
		if name, ok := ns.of[v]; ok {
			return name, true
		}
	}
	return "", false
}

// list returns the names of values, "" for nil.
func (ns *names) list(vs []*ir.Value) ([]string, error) {
	out := make([]string, len(vs))
	for i, v := range vs {
		if v == nil {
			continue
		}
		name, ok := ns.find(v)
		if !ok {
			return nil, diag.Errorf("LX4003", "value %s is not in the graph", v)
		}
		out[i] = name
	}
	return out, nil
}

// graph encodes a graph whose values ns names.
func (e *encoder) graph(g *ir.Graph, ns *names) (*pb.GraphProto, error) {
	out := &pb.GraphProto{Name: g.Name}
	for _, v := range g.Inputs {
		out.Input = append(out.Input, valueInfo(ns.of[v], v.Type))
		if v.Default != nil { // an initializer of an input's name is its default
			t := e.tensor(v.Default)
			t.Name = ns.of[v]
			out.Initializer = append(out.Initializer, t)
		}
	}
	for _, v := range g.Consts {
		if v.Data == nil {
			return nil, diag.Errorf("LX4003", "constant %s has no data", v)
		}
		t := e.tensor(v.Data)
		t.Name = ns.of[v]
		out.Initializer = append(out.Initializer, t)
	}
	listed := map[*ir.Value]bool{}
	for _, v := range g.Outputs {
		name, ok := ns.find(v)
		switch {
		case !ok:
			return nil, diag.Errorf("LX4003", "output %s is not in the graph", v)
		case listed[v]:
			return nil, diag.Errorf("LX4003", "output %s is listed twice", v)
		}
		listed[v] = true
		out.Output = append(out.Output, valueInfo(name, v.Type))
	}
	var err error
	if out.Node, err = e.nodes(g, ns); err != nil {
		return nil, err
	}
	for n := range g.Nodes() {
		for _, v := range n.Out {
			if v != nil && !listed[v] && v.Type.Elem != ir.Undefined {
				out.ValueInfo = append(out.ValueInfo, valueInfo(ns.of[v], v.Type))
			}
		}
	}
	return out, nil
}

func (e *encoder) nodes(g *ir.Graph, ns *names) ([]*pb.NodeProto, error) {
	out := make([]*pb.NodeProto, 0, g.Len())
	for n := range g.Nodes() {
		p, err := e.node(n, ns)
		if err != nil {
			if de, ok := err.(*diag.Error); ok && de.Node == "" {
				de.At(n.String(), n.Op.String())
			}
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func (e *encoder) node(n *ir.Node, ns *names) (*pb.NodeProto, error) {
	p := &pb.NodeProto{OpType: n.Op.Name, Domain: n.Op.Domain, Name: n.Name, MetadataProps: metadata(n)}
	var err error
	if p.Input, err = ns.list(n.In); err != nil {
		return nil, err
	}
	if p.Output, err = ns.list(n.Out); err != nil {
		return nil, err
	}
	for _, a := range n.Attrs {
		ap, err := e.attr(a, ns)
		if err != nil {
			return nil, err
		}
		p.Attribute = append(p.Attribute, ap)
	}
	return p, nil
}

// metadata says where a node comes from. PyTorch's lists end with the node
// itself.
func metadata(n *ir.Node) []*pb.StringStringEntryProto {
	var out []*pb.StringStringEntryProto
	add := func(key, value string) {
		if value != "" {
			out = append(out, &pb.StringStringEntryProto{Key: key, Value: value})
		}
	}
	if len(n.Scopes) > 0 {
		var scopes, classes []string
		for _, s := range n.Scopes {
			scopes, classes = append(scopes, s.Name), append(classes, s.Class)
		}
		add(pb.KeyClasses, pb.PythonList(append(classes, n.Op.String())))
		add(pb.KeyScopes, pb.PythonList(append(scopes, n.Name)))
	}
	add(pb.KeyOrigin, n.Origin)
	add(pb.KeyRole, n.Role)
	add(pb.KeyRule, n.Rule)
	add(pb.KeyRuleAt, n.RuleAt)
	return out
}

// function encodes f. A function has no initializers, so its constants become
// Constant nodes.
func (e *encoder) function(f *ir.Func) (*pb.FunctionProto, error) {
	ns := newNames(f.Body)
	out := &pb.FunctionProto{Name: f.Op.Name, Domain: f.Op.Domain, DocString: f.Doc}
	var err error
	if out.Input, err = ns.list(f.Body.Inputs); err != nil {
		return nil, err
	}
	if out.Output, err = ns.list(f.Body.Outputs); err != nil {
		return nil, err
	}
	for _, name := range f.Attrs {
		if !f.Defaults.Has(name) {
			out.Attribute = append(out.Attribute, name)
		}
	}
	for _, a := range f.Defaults {
		p, err := e.attr(a, ns)
		if err != nil {
			return nil, err
		}
		out.AttributeProto = append(out.AttributeProto, p)
	}
	for _, v := range f.Body.Consts {
		out.Node = append(out.Node, &pb.NodeProto{
			OpType: "Constant", Output: []string{ns.of[v]},
			Attribute: []*pb.AttributeProto{{Name: "value", Type: pb.AttributeProto_TENSOR, T: e.tensor(v.Data)}},
		})
	}
	nodes, err := e.nodes(f.Body, ns)
	if err != nil {
		return nil, err
	}
	out.Node = append(out.Node, nodes...)
	out.OpsetImport = opsetImport(e.domains(f))
	return out, nil
}

// domains returns the versions of the domains that f's body uses.
func (e *encoder) domains(f *ir.Func) map[string]int64 {
	used := map[string]int64{"": e.opsets[""]}
	for g := range graphs(f.Body) {
		for n := range g.Nodes() {
			used[n.Op.Domain] = e.opsets[n.Op.Domain]
		}
	}
	return used
}
