package onnx

import (
	"unicode/utf8"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// maxAttrs bounds the attributes of a node: they are searched by name. No
// operator has more than thirty.
const maxAttrs = 1 << 10

// attrs decodes a node's attributes. In the body of a function, one that refers
// to an attribute of the function takes the value the call gives it, or is left
// out with it.
func (d *decoder) attrs(ps []*pb.AttributeProto, sc *scope) (ir.Attrs, error) {
	if len(ps) > maxAttrs {
		return nil, diag.Errorf("LX1011", "%d attributes, more than %d", len(ps), maxAttrs)
	}
	var out ir.Attrs
	for _, p := range ps {
		name := p.GetName()
		if name == "" || out.Has(name) {
			return nil, diag.Errorf("LX1011", "attribute %q is given twice or has no name", name)
		}
		if p.RefAttrName != "" && sc.call == nil {
			return nil, diag.Errorf("LX1011", "attribute %q refers to %q of a function, but is in none", name, p.RefAttrName)
		}
		p := sc.bound(p)
		if p == nil {
			continue
		}
		v, err := d.attr(p, sc)
		if err != nil {
			return nil, wrap("LX1011", err, "attribute %q", name)
		}
		out = append(out, ir.Attr{Name: name, Value: v})
	}
	return out, nil
}

// bound returns the attribute that p is or refers to, nil if the call leaves
// it out.
func (sc *scope) bound(p *pb.AttributeProto) *pb.AttributeProto {
	if p.RefAttrName == "" {
		return p
	}
	if sc.call == nil {
		return nil
	}
	return sc.call.bound[p.RefAttrName]
}

func (d *decoder) attr(p *pb.AttributeProto, sc *scope) (any, error) {
	switch kindOf(p) {
	case pb.AttributeProto_FLOAT:
		return p.F, nil
	case pb.AttributeProto_INT:
		return p.I, nil
	case pb.AttributeProto_STRING:
		return utf8String(p.S)
	case pb.AttributeProto_TENSOR:
		return d.tensor(p.T)
	case pb.AttributeProto_SPARSE_TENSOR:
		return d.sparse(p.SparseTensor)
	case pb.AttributeProto_GRAPH:
		return d.subgraph(p.G, sc)
	case pb.AttributeProto_TYPE_PROTO:
		return typeOf(p.Name, p.Tp)
	case pb.AttributeProto_FLOATS:
		return append([]float32{}, p.Floats...), nil
	case pb.AttributeProto_INTS:
		return append([]int64{}, p.Ints...), nil
	case pb.AttributeProto_STRINGS:
		return each(p.Strings, utf8String)
	case pb.AttributeProto_TENSORS:
		return each(p.Tensors, d.tensor)
	case pb.AttributeProto_GRAPHS:
		return each(p.Graphs, func(g *pb.GraphProto) (*ir.Graph, error) { return d.subgraph(g, sc) })
	}
	return nil, diag.Errorf("LX1011", "its type %d is not supported", p.Type)
}

// kindOf returns the type of an attribute. The first IR version did not write
// it, so that one has to see which field is there.
func kindOf(p *pb.AttributeProto) pb.AttributeProto_AttributeType {
	switch {
	case p.Type != pb.AttributeProto_UNDEFINED:
		return p.Type
	case p.F != 0:
		return pb.AttributeProto_FLOAT
	case p.I != 0:
		return pb.AttributeProto_INT
	case p.S != nil:
		return pb.AttributeProto_STRING
	case p.T != nil:
		return pb.AttributeProto_TENSOR
	case p.G != nil:
		return pb.AttributeProto_GRAPH
	case p.Floats != nil:
		return pb.AttributeProto_FLOATS
	case p.Ints != nil:
		return pb.AttributeProto_INTS
	case p.Strings != nil:
		return pb.AttributeProto_STRINGS
	}
	return pb.AttributeProto_UNDEFINED
}

// subgraph decodes a graph that an attribute holds. It sees the names around
// the node, and the attributes of the function around it.
func (d *decoder) subgraph(p *pb.GraphProto, sc *scope) (*ir.Graph, error) {
	if p == nil {
		return nil, diag.Errorf("LX1011", "no graph is given")
	}
	return d.graph(p, &scope{up: sc, opsets: sc.opsets, call: sc.call})
}

// each decodes the elements of a list.
func each[P, V any](ps []P, decode func(P) (V, error)) ([]V, error) {
	out := make([]V, len(ps))
	for i, p := range ps {
		v, err := decode(p)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func utf8String(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", diag.Errorf("LX1011", "%q is not UTF-8", b)
	}
	return string(b), nil
}
