package onnx

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// A scope is what the names in a list of nodes mean: those of a graph, of a
// subgraph inside it, or of the body of a function, whose nodes go to the graph
// that calls it.
type scope struct {
	up     *scope // around a subgraph
	graph  *ir.Graph
	opsets map[string]int64
	values map[string]*ir.Value // nil for an omitted input of a function
	types  map[string]*pb.TypeProto
	taken  map[string]int // names in graph that generated names must avoid, and the next suffix to try

	call *call // of the function whose body this is, or which is around the subgraph
}

// lookup returns the value that name means here; ok is false if nothing does.
func (sc *scope) lookup(name string) (v *ir.Value, ok bool) {
	for s := sc; s != nil; s = s.up {
		if v, ok := s.values[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// visible returns all names that mean something here.
func (sc *scope) visible() []string {
	all := map[string]bool{}
	for s := sc; s != nil; s = s.up {
		for name := range s.values {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// fresh returns a name like the given one that nothing in the graph has.
func (sc *scope) fresh(name string) string {
	i := sc.taken[name]
	if i == 0 {
		sc.taken[name] = 2
		return name
	}
	for ; ; i++ {
		if unique := name + "_" + strconv.Itoa(i); sc.taken[unique] == 0 {
			sc.taken[name], sc.taken[unique] = i+1, 2
			return unique
		}
	}
}

// graph decodes p into a new graph. Of sc it takes what surrounds p.
func (d *decoder) graph(p *pb.GraphProto, sc *scope) (*ir.Graph, error) {
	sc.graph = ir.NewGraph(p.Name)
	sc.values = map[string]*ir.Value{}
	sc.types = map[string]*pb.TypeProto{}
	for _, vs := range [][]*pb.ValueInfoProto{p.ValueInfo, p.Output} {
		for _, v := range vs {
			sc.types[v.GetName()] = v.GetType()
		}
	}
	var err error
	if sc.taken, err = definitions(p); err != nil {
		return nil, err
	}
	if err := d.inputs(p, sc); err != nil {
		return nil, err
	}
	if err := d.initializers(p, sc); err != nil {
		return nil, err
	}
	if err := d.body(p.Node, sc); err != nil {
		return nil, err
	}
	return sc.graph, d.outputs(p, sc)
}

// definitions returns the names that p defines. An input may also be an
// initializer, which then gives its value; every other double is an error.
func definitions(p *pb.GraphProto) (map[string]int, error) {
	defined := map[string]int{}
	define := func(name, what string) error {
		if name == "" {
			return diag.Errorf("LX1004", "graph %q has %s without a name", p.Name, what)
		}
		if defined[name] > 0 {
			return diag.Errorf("LX1004", "graph %q defines %q twice, the second time as %s", p.Name, name, what)
		}
		defined[name] = 2
		return nil
	}
	inputs := map[string]bool{}
	for _, t := range p.Initializer {
		if err := define(t.GetName(), "an initializer"); err != nil {
			return nil, err
		}
	}
	for _, s := range p.SparseInitializer {
		if err := define(s.GetValues().GetName(), "a sparse initializer"); err != nil {
			return nil, err
		}
	}
	for _, v := range p.Input {
		name := v.GetName()
		if defined[name] > 0 && !inputs[name] {
			inputs[name] = true
			continue
		}
		if err := define(name, "an input"); err != nil {
			return nil, err
		}
		inputs[name] = true
	}
	for _, n := range p.Node {
		what := "an output of " + label(n)
		for _, name := range n.GetOutput() {
			if name == "" {
				continue
			}
			if err := define(name, what); err != nil {
				return nil, err
			}
		}
	}
	return defined, nil
}

// inputs adds p's inputs but those with an initializer. Files before IR version
// 4 list every weight as an input; later ones mean that the caller may override
// it, which nothing here needs but the free parameters of a rewritten model.
func (d *decoder) inputs(p *pb.GraphProto, sc *scope) error {
	weights := map[string]bool{}
	for _, t := range p.Initializer {
		weights[t.GetName()] = !isParameter(t.GetName(), sc)
	}
	for _, s := range p.SparseInitializer {
		weights[s.GetValues().GetName()] = true
	}
	for _, v := range p.Input {
		if weights[v.GetName()] {
			continue
		}
		t, err := typeOf(v.GetName(), v.GetType())
		if err != nil {
			return err
		}
		if t.Elem == ir.Undefined && sc.up == nil {
			return diag.Errorf("LX1008", "input %q has no element type", v.GetName())
		}
		sc.values[v.GetName()] = sc.graph.Input(v.GetName(), t)
	}
	return nil
}

// isParameter reports whether an input of this name is a free parameter of a
// rule map, which lxtc writes as $name; its initializer is its default.
func isParameter(name string, sc *scope) bool { return strings.HasPrefix(name, "$") && sc.up == nil }

func (d *decoder) initializers(p *pb.GraphProto, sc *scope) error {
	for _, t := range p.Initializer {
		data, err := d.tensor(t)
		if err != nil {
			return err
		}
		if in := sc.values[t.Name]; in != nil { // a parameter
			in.Default, in.Type = data, data.TypeOf()
			continue
		}
		sc.values[t.Name] = sc.graph.Const(t.Name, data)
	}
	for _, s := range p.SparseInitializer {
		data, err := d.sparse(s)
		if err != nil {
			return err
		}
		name := s.GetValues().GetName()
		sc.values[name] = sc.graph.Const(name, data)
	}
	return nil
}

// outputs finds p's outputs. A subgraph may return a value of the graph around
// it, which becomes one of its own by an Identity.
func (d *decoder) outputs(p *pb.GraphProto, sc *scope) error {
	seen := map[string]bool{}
	for _, o := range p.Output {
		name := o.GetName()
		if seen[name] {
			return diag.Errorf("LX1004", "graph %q has output %q twice", p.Name, name)
		}
		seen[name] = true
		v, ok := sc.lookup(name)
		if !ok {
			return undefined(sc, name, "output of graph "+strconv.Quote(p.Name))
		}
		if _, own := sc.values[name]; !own {
			c := &call{op: ir.OpName{Name: "Identity"}, in: []*ir.Value{v}, out: []string{sc.fresh(name)}}
			if err := d.emit(sc, c); err != nil {
				return err
			}
			v = sc.values[c.out[0]]
		}
		declared, err := typeOf(name, o.GetType())
		if err != nil {
			return err
		}
		if v.Data == nil {
			if v.Type, err = merge(v.Type, declared); err != nil {
				return wrap("LX1012", err, "output %q", name)
			}
		}
		sc.graph.Outputs = append(sc.graph.Outputs, v)
	}
	return nil
}

// undefined is the error for a name that means nothing.
func undefined(sc *scope, name, where string) *diag.Error {
	return diag.Errorf("LX1004", "%s: no value is called %q%s", where, name, diag.DidYouMean(name, sc.visible()))
}
