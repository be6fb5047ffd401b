package onnxgo_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/onnxgo"
	"github.com/lxtc/lxtc/backend/reference"
	importer "github.com/lxtc/lxtc/importer/onnx"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// A graph as plain data, for go-cmp: what both decoders have to agree on.
type (
	graphData struct {
		Inputs, Outputs []string
		Consts          map[string]*ir.Tensor
		Nodes           []nodeData
	}
	nodeData struct {
		Op      string
		In, Out []string
		Attrs   map[string]any
	}
)

// dataOf describes a graph, with the types of values if typed.
func dataOf(g *ir.Graph, typed bool) graphData {
	name := func(v *ir.Value) string {
		if v == nil {
			return ""
		}
		if typed {
			return v.Name + ":" + v.Type.String()
		}
		return v.Name
	}
	names := func(vs []*ir.Value) []string {
		var out []string
		for _, v := range vs {
			out = append(out, name(v))
		}
		return out
	}
	d := graphData{Inputs: names(g.Inputs), Outputs: names(g.Outputs), Consts: map[string]*ir.Tensor{}}
	for _, v := range g.Consts {
		d.Consts[v.Name] = v.Data
	}
	for n := range g.Nodes() {
		nd := nodeData{Op: n.Op.String(), In: names(n.In), Out: names(n.Out), Attrs: map[string]any{}}
		for _, a := range n.Attrs {
			nd.Attrs[a.Name] = a.Value
		}
		d.Nodes = append(d.Nodes, nd)
	}
	return d
}

var sameElements = cmp.Comparer(func(a, b *ir.Tensor) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Elem == b.Elem && cmp.Equal(a.Shape, b.Shape) && bytes.Equal(a.Raw, b.Raw)
})

// models returns the ONNX files of the repository's tests and of the golden
// fixtures, which are not part of it.
func models() []string {
	var files []string
	for _, root := range []string{
		filepath.Join("..", "..", "importer", "onnx", "testdata"),
		filepath.Join("..", "..", "..", "shared", "fixtures"),
	} {
		_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".onnx") {
				files = append(files, path)
			}
			return nil
		})
	}
	return files
}

// decode decodes a file by onnx-go, which panics on some files.
func decode(b []byte, be *onnxgo.Backend) (m *onnx.Model, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("onnx-go panicked: %v", p)
		}
	}()
	m = onnx.NewModel(be)
	return m, m.UnmarshalBinary(b)
}

// beyond reports what of a model onnx-go cannot decode or gets wrong; "" if it
// can read all of it.
func beyond(p *pb.ModelProto) string {
	if len(p.Functions) > 0 {
		return "functions"
	}
	tensors := append([]*pb.TensorProto(nil), p.Graph.Initializer...)
	for _, n := range p.Graph.Node {
		switch {
		case n.Domain != "" && n.Domain != "com.microsoft":
			return "domain " + n.Domain
		case n.Domain != "" && ops.Standard().Lookup(ir.OpName{Name: n.OpType}) != nil:
			return "the domain of " + n.OpType + ", which is a name in two"
		}
		for _, a := range n.Attribute {
			if a.T != nil {
				tensors = append(tensors, a.T)
			}
			if a.G != nil {
				return "a subgraph"
			}
		}
	}
	for _, t := range tensors {
		size := int64(1)
		for _, d := range t.Dims {
			size *= d
		}
		switch elem := ir.DType(t.DataType); {
		case t.DataLocation == pb.TensorProto_EXTERNAL:
			return "external data"
		case size == 0:
			return "a tensor without elements"
		case elem == ir.Bool && t.RawData != nil:
			return "raw bools"
		case elem != ir.Float && elem != ir.Double && elem != ir.Int64 && elem != ir.Int32 && elem != ir.Bool:
			return "elements of type " + elem.String()
		}
	}
	return ""
}

// What onnx-go's decoder makes of a file is what ours does: names, order,
// operands, attributes, and every bit of the weights.
func TestSecondDecoder(t *testing.T) {
	compared := 0
	for _, file := range models() {
		t.Run(strings.TrimLeft(filepath.ToSlash(file), "./"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := pb.Unmarshal(b)
			if err != nil {
				t.Fatal(err)
			}
			if why := beyond(p); why != "" {
				t.Skipf("onnx-go cannot decode %s", why)
			}
			want, err := importer.Load(file)
			if err != nil {
				t.Skip(err)
			}
			defer want.Close()
			be := onnxgo.New(reference.New(), onnxgo.Options{Opset: opset(p)})
			m, err := decode(b, be)
			if err != nil {
				t.Fatal(err)
			}
			be.Bind(m)
			static := setZeros(t, m, want)
			got, err := be.Model()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(dataOf(want.Graph, static), dataOf(got.Graph, static), sameElements); d != "" {
				t.Errorf("(-ours +onnx-go's):\n%s", d)
			}
			compared++
		})
	}
	if compared < 10 {
		t.Errorf("only %d models were compared", compared)
	}
}

func opset(p *pb.ModelProto) int64 {
	for _, o := range p.OpsetImport {
		if o.Domain == "" {
			return o.Version
		}
	}
	return 0
}

// setZeros sets m's inputs to zeros of their declared shapes, and of one element
// where a dimension is not a number: onnx-go drops those, and with them the
// rank. It reports whether there is none, so that the types agree.
func setZeros(t *testing.T, m *onnx.Model, want *ir.Model) (static bool) {
	t.Helper()
	static = true
	for _, v := range want.Graph.Inputs {
		var shape []int
		for _, d := range v.Type.Shape {
			n, ok := d.Num()
			if !ok {
				n, static = 1, false
			}
			shape = append(shape, int(n))
		}
		dt, ok := map[ir.DType]tensor.Dtype{
			ir.Float: tensor.Float32, ir.Double: tensor.Float64, ir.Int64: tensor.Int64, ir.Int32: tensor.Int32, ir.Bool: tensor.Bool,
		}[v.Type.Elem]
		if !ok {
			t.Fatalf("input %s is of type %s", v, v.Type)
		}
		n, ok := m.GetNodeByName(v.Name)
		if !ok {
			t.Fatalf("onnx-go has no value %q", v.Name)
		}
		if err := n.(onnx.DataCarrier).SetTensor(tensor.New(tensor.WithShape(shape...), tensor.Of(dt))); err != nil {
			t.Fatal(err)
		}
	}
	return static
}

// filled returns a float tensor with numbers around zero.
func filled(shape ...int) *tensor.Dense {
	n := 1
	for _, d := range shape {
		n *= d
	}
	data := make([]float32, n)
	for i := range data {
		data[i] = float32(i%7)/2 - 1.5
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
}

// reference output of the model at file for x.
func direct(t *testing.T, file string, x *tensor.Dense) map[string]*ir.Tensor {
	t.Helper()
	m, err := importer.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	s, err := backend.Open(reference.New(), m, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(context.Background(), map[string]*ir.Tensor{
		m.Graph.Inputs[0].Name: ir.Of(x.Data().([]float32), x.Shape()...),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// testdata of the importer, by name.
func testdata(name string) string {
	return filepath.Join("..", "..", "importer", "onnx", "testdata", name+".onnx")
}

func TestRun(t *testing.T) {
	tests := []struct {
		name  string
		opset int64
		shape []int
	}{
		{"softmax_11", 11, []int{2, 3, 4}}, // what onnx-go's own backend gets wrong
		{"reduce_17", 17, []int{2, 3, 4}},
		{"split_13", 13, []int{6, 3}},
		{"topk_9", 9, []int{3, 5}},
		{"clip_7", 7, []int{9}},
		{"pad_10", 10, []int{2, 3}},
		{"batchnorm_8", 8, []int{2, 3, 4}},
		{"unsorted", 17, []int{5, 3}},
	}
	for _, tt := range tests {
		for _, bound := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, bound %t", tt.name, bound), func(t *testing.T) {
				b, err := os.ReadFile(testdata(tt.name))
				if err != nil {
					t.Fatal(err)
				}
				be := onnxgo.New(reference.New(), onnxgo.Options{Opset: tt.opset})
				defer be.Close()
				m, err := decode(b, be)
				if err != nil {
					t.Fatal(err)
				}
				if bound {
					be.Bind(m)
				}
				x := filled(tt.shape...)
				if err := m.SetInput(0, x); err != nil {
					t.Fatal(err)
				}
				if err := be.Run(); err != nil {
					t.Fatal(err)
				}
				outs, err := m.GetOutputTensors()
				if err != nil {
					t.Fatal(err)
				}
				want := direct(t, testdata(tt.name), x)
				names := map[string]bool{}
				for i, id := range m.Output {
					name := be.Node(id).(onnx.Namer).GetName()
					names[name] = true
					w := want[name]
					if got := fmt.Sprint(outs[i].Shape()); got != fmt.Sprint(tensor.Shape(w.Shape)) {
						t.Errorf("%s has shape %s, want %v", name, got, w.Shape)
					}
					floats, err := w.Float64s()
					if err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(floats, float64s(outs[i])); d != "" {
						t.Errorf("%s (-want +got):\n%s", name, d)
					}
				}
				for name := range want {
					if _, ok := be.Result(name); !ok || !names[name] {
						t.Errorf("output %s is missing", name)
					}
				}
			})
		}
	}
}

func float64s(t tensor.Tensor) []float64 {
	var out []float64
	switch data := t.Data().(type) {
	case []float32:
		for _, x := range data {
			out = append(out, float64(x))
		}
	case []int64:
		for _, x := range data {
			out = append(out, float64(x))
		}
	}
	return out
}

func TestRunAgain(t *testing.T) {
	b, err := os.ReadFile(testdata("unsorted"))
	if err != nil {
		t.Fatal(err)
	}
	compiled := 0
	be := onnxgo.New(reference.New(), onnxgo.Options{Opset: 17, Rewrite: func(m *ir.Model) (*ir.Model, error) {
		compiled++
		return m, nil
	}})
	defer be.Close()
	m, err := decode(b, be)
	if err != nil {
		t.Fatal(err)
	}
	if err := be.Run(); err == nil || !strings.Contains(err.Error(), `input "x" is not set`) {
		t.Errorf("running without an input: %v", err)
	}
	for _, rows := range []int{2, 2, 5} {
		if err := m.SetInput(0, filled(rows, 3)); err != nil {
			t.Fatal(err)
		}
		if err := be.Run(); err != nil {
			t.Fatal(err)
		}
		outs, err := m.GetOutputTensors()
		if err != nil || outs[0].Shape()[0] != rows {
			t.Errorf("%d rows give %v, %v", rows, outs[0].Shape(), err)
		}
	}
	if compiled != 2 {
		t.Errorf("compiled %d times for two shapes", compiled)
	}
}

// Rewriting may add outputs, which onnx-go does not know.
func TestRewrite(t *testing.T) {
	b, err := os.ReadFile(testdata("clip_7"))
	if err != nil {
		t.Fatal(err)
	}
	be := onnxgo.New(reference.New(), onnxgo.Options{Opset: 7, Rewrite: func(m *ir.Model) (*ir.Model, error) {
		b := m.At(m.Graph, nil)
		y := b.Named("twice", b.Add(m.Graph.Outputs[0], m.Graph.Outputs[0]))
		m.Graph.Outputs = append(m.Graph.Outputs, y)
		return m, b.Err()
	}})
	defer be.Close()
	m, err := decode(b, be)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.SetInput(0, filled(9)); err != nil {
		t.Fatal(err)
	}
	if err := be.Run(); err != nil {
		t.Fatal(err)
	}
	got, ok := be.Result("twice")
	if !ok {
		t.Fatal("there is no result twice")
	}
	if x, err := got.Float64s(); err != nil || x[0] != -1 {
		t.Errorf("twice the clipped -1.5 is %v, %v; want -1", x, err)
	}
}

// protoValue declares a float value of the given dimensions.
func protoValue(name string, dims ...int64) *pb.ValueInfoProto {
	s := &pb.TensorShapeProto{}
	for _, d := range dims {
		s.Dim = append(s.Dim, &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{
		Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: 1, Shape: s}},
	}}
}

// One operand twice, operands left out, and a Constant, whose operand onnx-go
// makes up.
func TestOperands(t *testing.T) {
	p := &pb.ModelProto{IrVersion: 8, OpsetImport: []*pb.OperatorSetIdProto{{Version: 17}}, Graph: &pb.GraphProto{
		Name: "g", Input: []*pb.ValueInfoProto{protoValue("x", 3)}, Output: []*pb.ValueInfoProto{protoValue("y", 3)},
		Node: []*pb.NodeProto{
			{OpType: "Mul", Input: []string{"x", "x"}, Output: []string{"s"}},
			{OpType: "Constant", Output: []string{"one"}, Attribute: []*pb.AttributeProto{{Name: "value_float", Type: pb.AttributeProto_FLOAT, F: 1}}},
			{OpType: "Clip", Input: []string{"s", "", "one"}, Output: []string{"y"}},
		},
	}}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	be := onnxgo.New(reference.New(), onnxgo.Options{Opset: 17})
	defer be.Close()
	m, err := decode(b, be)
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.New(tensor.WithShape(3), tensor.WithBacking([]float32{-0.5, 0, 3}))
	if err := m.SetInput(0, x); err != nil {
		t.Fatal(err)
	}
	if err := be.Run(); err != nil {
		t.Fatal(err)
	}
	outs, err := m.GetOutputTensors()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float64{0.25, 0, 1}, float64s(outs[0])); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestOpsetIsNeeded(t *testing.T) {
	b, err := os.ReadFile(testdata("unsorted"))
	if err != nil {
		t.Fatal(err)
	}
	be := onnxgo.New(reference.New(), onnxgo.Options{})
	if _, err := decode(b, be); err != nil {
		t.Fatal(err)
	}
	if _, err := be.Model(); err == nil || !strings.Contains(err.Error(), "Opset") {
		t.Errorf("error %v, want one that asks for Opset", err)
	}
}

// Old files list weights among the inputs. Where one comes first, onnx-go's
// SetInput finds it in place of the input.
func TestWeightsBeforeInputs(t *testing.T) {
	p := &pb.ModelProto{IrVersion: 3, OpsetImport: []*pb.OperatorSetIdProto{{Version: 8}}, Graph: &pb.GraphProto{
		Name: "g", Input: []*pb.ValueInfoProto{protoValue("w", 2), protoValue("x", 2)}, Output: []*pb.ValueInfoProto{protoValue("y", 2)},
		Initializer: []*pb.TensorProto{{Name: "w", Dims: []int64{2}, DataType: 1, FloatData: []float32{10, 20}}},
		Node:        []*pb.NodeProto{{OpType: "Add", Input: []string{"x", "w"}, Output: []string{"y"}}},
	}}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	be := onnxgo.New(reference.New(), onnxgo.Options{Opset: 8})
	defer be.Close()
	m, err := decode(b, be)
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.New(tensor.WithShape(2), tensor.WithBacking([]float32{1, 2}))
	if err := m.SetInput(0, x); err == nil || !strings.Contains(err.Error(), `"w" is not an input`) {
		t.Errorf("setting a weight: %v", err)
	}
	n, ok := m.GetNodeByName("x")
	if !ok {
		t.Fatal("there is no x")
	}
	if err := n.(onnx.DataCarrier).SetTensor(x); err != nil {
		t.Fatal(err)
	}
	if err := be.Run(); err != nil {
		t.Fatal(err)
	}
	outs, err := m.GetOutputTensors()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float64{11, 22}, float64s(outs[0])); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
