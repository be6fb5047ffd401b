package onnxgo

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"gorgonia.org/tensor"

	importer "github.com/lxtc/lxtc/importer/onnx"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// Model returns the model that onnx-go decoded, before Rewrite. The shapes of
// its inputs are those of the tensors that are set, unknown where none is.
func (b *Backend) Model() (*ir.Model, error) {
	p, err := b.message()
	if err != nil {
		return nil, err
	}
	raw, err := p.Marshal()
	if err != nil {
		return nil, err
	}
	return importer.Decode(raw, importer.Ops(b.opt.Ops))
}

// message says in ONNX what was recorded, so that the importer brings it to the
// spelling of the IR and types it as it would the file.
func (b *Backend) message() (*pb.ModelProto, error) {
	switch {
	case b.err != nil:
		return nil, b.err
	case len(b.nodes) == 0:
		return nil, errors.New("onnxgo: no model was decoded")
	case b.opt.Opset == 0:
		return nil, errors.New("onnxgo: Options.Opset is not set, and onnx-go does not pass it on")
	}
	g := &pb.GraphProto{Name: "onnx-go"}
	for _, v := range b.named() {
		switch {
		case v.made:
		case v.input:
			g.Input = append(g.Input, v.info())
		case v.data != nil:
			t, err := v.tensorProto()
			if err != nil {
				return nil, fmt.Errorf("onnxgo: weight %q: %w", v.name, err)
			}
			g.Initializer = append(g.Initializer, t)
		}
	}
	for _, o := range b.nodes {
		n, err := b.node(o)
		if err != nil {
			return nil, fmt.Errorf("onnxgo: %s: %w", o.name, err)
		}
		g.Node = append(g.Node, n)
	}
	for _, name := range b.outputs() {
		g.Output = append(g.Output, &pb.ValueInfoProto{Name: name})
	}
	return &pb.ModelProto{
		IrVersion:    8,
		ProducerName: "onnx-go",
		OpsetImport:  []*pb.OperatorSetIdProto{{Version: b.opt.Opset}, {Domain: microsoft, Version: 1}},
		Graph:        g,
	}, nil
}

// A name is what all values of that name say together: onnx-go makes another
// value wherever the file lists a name again.
type name struct {
	name  string
	made  bool
	input bool
	given bool
	typed bool          // the file declares its type
	data  tensor.Tensor // set last
}

// named returns what is known of each name, in order.
func (b *Backend) named() []*name {
	var list []*name
	byName := map[string]*name{}
	for _, v := range b.values {
		if v.name == "" {
			continue
		}
		n := byName[v.name]
		if n == nil {
			n = &name{name: v.name, input: b.isInput(v)}
			byName[v.name] = n
			list = append(list, n)
		}
		n.made = n.made || v.made
		n.typed = n.typed || v.early > 0
		if v.data != nil && !n.given {
			n.data, n.given = v.data, v.given
		}
	}
	return list
}

// isInput reports whether the first value of a name is an input of the model.
// onnx-go makes inputs first, then values whose type is declared, among them
// every output, then weights; a weight that is also declared is set twice.
func (b *Backend) isInput(v *Value) bool {
	if b.bound != nil {
		return slices.Contains(b.bound.Input, v.id)
	}
	return !v.made && v.early <= 1 && v.id < b.firstMade
}

// outputs returns the names of the model's outputs, or of all values that may
// be among them.
func (b *Backend) outputs() []string {
	if b.bound != nil {
		var names []string
		for _, id := range b.bound.Output {
			names = append(names, b.values[id].name)
		}
		return names
	}
	read := map[string]bool{}
	for _, o := range b.nodes {
		for _, v := range o.in {
			read[v.name] = true
		}
	}
	var names []string
	for _, v := range b.named() {
		if v.made && (v.typed || !read[v.name]) {
			names = append(names, v.name)
		}
	}
	return names
}

// info describes an input: its element type, and its shape if it was given.
func (n *name) info() *pb.ValueInfoProto {
	t := &pb.TypeProto_Tensor{}
	if n.data != nil {
		elem, _ := elemOf(n.data.Dtype()) // the importer reports an input without a type
		t.ElemType = int32(elem)
	}
	if n.given {
		t.Shape = &pb.TensorShapeProto{}
		for _, d := range n.data.Shape() {
			t.Shape.Dim = append(t.Shape.Dim, &pb.TensorShapeProto_Dimension{
				Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)},
			})
		}
	}
	return &pb.ValueInfoProto{Name: n.name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: t}}}
}

func (n *name) tensorProto() (*pb.TensorProto, error) {
	p, err := tensorProto(n.data)
	if err != nil {
		return nil, err
	}
	p.Name = n.name
	return p, nil
}

func tensorProto(t tensor.Tensor) (*pb.TensorProto, error) {
	x, err := fromTensor(t)
	if err != nil {
		return nil, err
	}
	p := &pb.TensorProto{DataType: int32(x.Elem), RawData: pb.Raw(x.Raw)}
	for _, d := range x.Shape {
		p.Dims = append(p.Dims, int64(d))
	}
	return p, nil
}

// microsoft is the domain of ONNX Runtime's own operators. It keeps simplified,
// which is RMSNormalization by an older name, in ai.onnx.
const (
	microsoft  = "com.microsoft"
	simplified = "SimplifiedLayerNormalization"
)

// node describes an operation. One without operands has a made-up one in
// onnx-go, which is left out.
func (b *Backend) node(o *operation) (*pb.NodeProto, error) {
	n := &pb.NodeProto{OpType: o.name}
	std := b.opt.Ops.Lookup(ir.OpName{Name: o.name})
	if std == nil && o.name != simplified && b.opt.Ops.Lookup(ir.OpName{Domain: microsoft, Name: o.name}) != nil {
		n.Domain = microsoft
	}
	takesNone := o.name == "Constant" || std != nil && len(std.In) == 0
	for _, v := range o.in {
		if !takesNone {
			n.Input = append(n.Input, v.name)
		}
	}
	for _, v := range o.out {
		n.Output = append(n.Output, v.name)
	}
	for _, key := range slices.Sorted(maps.Keys(o.attrs)) {
		a, err := attribute(key, o.attrs[key])
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", key, err)
		}
		n.Attribute = append(n.Attribute, a)
	}
	return n, nil
}

func attribute(name string, value any) (*pb.AttributeProto, error) {
	a := &pb.AttributeProto{Name: name}
	var err error
	switch v := value.(type) {
	case float32:
		a.Type, a.F = pb.AttributeProto_FLOAT, v
	case int64:
		a.Type, a.I = pb.AttributeProto_INT, v
	case string:
		a.Type, a.S = pb.AttributeProto_STRING, []byte(v)
	case []float32:
		a.Type, a.Floats = pb.AttributeProto_FLOATS, v
	case []int64:
		a.Type, a.Ints = pb.AttributeProto_INTS, v
	case []string:
		a.Type = pb.AttributeProto_STRINGS
		for _, s := range v {
			a.Strings = append(a.Strings, []byte(s))
		}
	case tensor.Tensor:
		a.Type = pb.AttributeProto_TENSOR
		a.T, err = tensorProto(v)
	default:
		err = fmt.Errorf("a %T is not supported", value)
	}
	return a, err
}
