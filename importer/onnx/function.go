package onnx

import (
	"slices"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// maxCalls bounds how deep functions call functions.
const maxCalls = 64

// A funcKey identifies a model-local function.
type funcKey struct{ domain, name, overload string }

func keyOf(domain, name, overload string) funcKey { return funcKey{domainOf(domain), name, overload} }

func (k funcKey) String() string {
	s := ir.OpName{Domain: k.domain, Name: k.name}.String()
	if k.overload != "" {
		s += ":" + k.overload
	}
	return s
}

// inline decodes the body of f in place of the node n that calls it.
func (d *decoder) inline(f *pb.FunctionProto, key funcKey, c *call, n *pb.NodeProto, sc *scope) error {
	c.key, c.up = key, sc.call
	for up := c.up; up != nil; up = up.up {
		if c.depth++; up.key == key {
			return diag.Errorf("LX1007", "function %s calls itself", key)
		}
	}
	if c.depth > maxCalls {
		return diag.Errorf("LX1007", "functions call functions more than %d deep", maxCalls)
	}
	if len(c.in) > len(f.Input) || len(c.out) > len(f.Output) {
		return diag.Errorf("LX1012", "%d inputs and %d outputs, and function %s has %d and %d",
			len(c.in), len(c.out), key, len(f.Input), len(f.Output))
	}
	const entry = 64 // bytes of a name in a map
	listed := len(f.Input) + len(f.ValueInfo) + len(f.AttributeProto) + len(f.OpsetImport) + len(f.Node)
	if err := d.copies(entry * listed); err != nil {
		return err
	}
	opsets, err := opsetsOf(f.OpsetImport)
	if err != nil {
		return wrap("LX1003", err, "function %s", key)
	}
	if c.bound, err = bind(f, n, sc); err != nil {
		return err
	}
	c.scopes = append(slices.Clip(c.scopes), ir.Scope{Name: dotted(c.name), Class: key.String()})
	inner := &scope{
		graph: sc.graph, taken: sc.taken, opsets: opsets, call: c,
		values: map[string]*ir.Value{}, types: map[string]*pb.TypeProto{},
	}
	for i, name := range f.Input {
		if _, double := inner.values[name]; double || name == "" {
			return diag.Errorf("LX1004", "function %s has input %q twice or without a name", key, name)
		}
		var v *ir.Value
		if i < len(c.in) {
			v = c.in[i]
		}
		inner.values[name] = v
	}
	for _, v := range f.ValueInfo {
		inner.types[v.GetName()] = v.GetType()
	}
	if err := checkBody(f, key); err != nil {
		return err
	}
	// What the function calls a result is called as the node's output is.
	c.names = map[string]string{}
	for i, out := range c.out {
		if _, taken := c.names[f.Output[i]]; out != "" && !taken {
			c.names[f.Output[i]] = sc.rename(out)
		}
	}
	if err := d.body(f.Node, inner); err != nil {
		return wrap("LX1012", err, "in function %s", key)
	}
	return d.results(f, c, inner, sc)
}

// bind gives the function's attributes their values: the call's, else the
// default. A value that refers to an attribute of the function around is
// followed.
func bind(f *pb.FunctionProto, n *pb.NodeProto, sc *scope) (map[string]*pb.AttributeProto, error) {
	bound := map[string]*pb.AttributeProto{}
	for _, a := range f.AttributeProto {
		bound[a.GetName()] = a
	}
	for _, a := range n.Attribute {
		v := sc.bound(a)
		if v == nil {
			continue
		}
		if v.RefAttrName != "" || v.G != nil || v.Graphs != nil {
			return nil, diag.Errorf("LX1011", "attribute %q of a function is a graph, or refers to no attribute", a.GetName())
		}
		bound[a.GetName()] = v
	}
	return bound, nil
}

// checkBody reports names that a function defines twice.
func checkBody(f *pb.FunctionProto, key funcKey) error {
	defined := map[string]bool{}
	for _, name := range f.Input {
		defined[name] = true
	}
	for _, n := range f.Node {
		for _, name := range n.GetOutput() {
			if name != "" && defined[name] {
				return diag.Errorf("LX1004", "function %s defines %q twice", key, name)
			}
			defined[name] = true
		}
	}
	return nil
}

// results makes the outputs of the call mean the results of the body. A result
// that has another name already, an input of the function for instance, gets
// the output's name by an Identity.
func (d *decoder) results(f *pb.FunctionProto, c *call, inner, sc *scope) error {
	for i, out := range c.out {
		if out == "" {
			continue
		}
		v, ok := inner.values[f.Output[i]]
		if !ok {
			return undefined(inner, f.Output[i], "output of function "+c.key.String())
		}
		if v == nil {
			return diag.Errorf("LX1012", "output %d is the input %q of function %s, which is omitted", i, f.Output[i], c.key)
		}
		name := sc.rename(out)
		if v.Name == name {
			sc.values[out] = v
			continue
		}
		id := &call{op: ir.OpName{Name: "Identity"}, in: []*ir.Value{v}, out: []string{out}, scopes: c.scopes}
		if err := d.emit(sc, id); err != nil {
			return err
		}
	}
	return nil
}

// prefix goes before the names of values inside the function.
func (c *call) prefix() string {
	if c.name == "" {
		return ""
	}
	return c.name + "/"
}
