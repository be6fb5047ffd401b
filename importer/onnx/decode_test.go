package onnx

import (
	"fmt"
	"testing"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// protoFunction reads "f.Name(a, b) -> y" and the nodes of the body.
func protoFunction(domain, name, inputs, outputs string, nodes ...*pb.NodeProto) *pb.FunctionProto {
	return &pb.FunctionProto{
		Domain: domain, Name: name, Input: protoNames(inputs), Output: protoNames(outputs), Node: nodes,
		OpsetImport: []*pb.OperatorSetIdProto{{Version: 17}, {Domain: "f", Version: 1}},
	}
}

func withFunctions(m *pb.ModelProto, fs ...*pb.FunctionProto) *pb.ModelProto {
	m.Functions = fs
	return m
}

func refAttr(name, of string, kind pb.AttributeProto_AttributeType) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, RefAttrName: of, Type: kind}
}

// branch is a graph without inputs for If.
func branch(output string, nodes ...*pb.NodeProto) *pb.GraphProto {
	return &pb.GraphProto{Name: "branch", Node: nodes, Output: []*pb.ValueInfoProto{protoValue(output)}}
}

func TestDecode(t *testing.T) {
	relu := protoFunction("f", "Twice", "a", "r", protoNode("h = Relu(a)"), protoNode("r = Relu(h)"))
	scaled := protoFunction("f", "Scaled", "a, bias", "r",
		protoNode("h = LeakyRelu(a)", refAttr("alpha", "slope", pb.AttributeProto_FLOAT)), protoNode("r = Clip(h, bias)"))
	scaled.AttributeProto = []*pb.AttributeProto{protoAttr("slope", 0.5)}
	open := protoFunction("f", "Open", "a", "r", protoNode("r = LeakyRelu(a)", refAttr("alpha", "slope", pb.AttributeProto_FLOAT)))
	open.Attribute = []string{"slope"}
	outer := protoFunction("f", "Outer", "a", "r",
		protoNode("h = f.Open(a)", refAttr("slope", "s", pb.AttributeProto_FLOAT)), protoNode("r = f.Twice(h)"))
	outer.Attribute = []string{"s"}
	pass := protoFunction("f", "Pass", "a", "r, q", protoNode("q = Relu(a)"))
	pass.Output = []string{"a", "q"}

	tests := []struct {
		name  string
		model *pb.ModelProto
		opts  []Option
	}{
		{name: "nodes in the wrong order are sorted", model: protoModel(17, "x", "y",
			protoNode("y = Relu(b)"), protoNode("b = Tanh(a)"), protoNode("a = Sigmoid(x)"))},
		{name: "nodes in order stay as they are", model: protoModel(17, "x", "y",
			protoNode("b = Tanh(x)"), protoNode("a = Sigmoid(x)"), protoNode("y = Add(a, b)"))},
		{name: "a symbol reaches the output", model: protoModel(17, "x[B,3]", "y[?,?]", protoNode("y = Relu(x)"))},
		{name: "a symbol of the output does not replace the input's", model: protoModel(17, "x[B,3]", "y[C,3]", protoNode("y = Relu(x)"))},
		{name: "a stale shape yields to inference", model: protoModel(17, "x[2,3]", "y[7,7]", protoNode("y = Relu(x)"))},
		{name: "trailing omitted inputs are dropped", model: protoModel(17, "x", "y", protoNode("y = Clip(x, , )"))},
		{name: "an omitted input before another stays", model: protoModel(17, "x m", "y", protoNode("y = Clip(x, , m)"))},
		{name: "an omitted output", model: protoModel(17, "x[5]", "i:int64", protoNode("k = Constant()", protoAttr("value_ints", []int64{2})),
			protoNode(", i = TopK(x, k)"))},
		{name: "Constant nodes become constants", model: protoModel(17, "x", "y",
			protoNode("a = Constant()", protoAttr("value_float", 1.5)),
			protoNode("b = Constant()", protoAttr("value_floats", []float32{1, 2})),
			protoNode("c = Constant()", protoAttr("value_int", 3)),
			protoNode("d = Constant()", protoAttr("value_ints", []int64{4, 5})),
			protoNode("e = Constant()", protoAttr("value_string", "six")),
			protoNode("f = Constant()", protoAttr("value_strings", []string{"seven", "eight"})),
			protoNode("g = Constant()", protoAttr("value", &pb.TensorProto{DataType: 1, FloatData: []float32{9}})),
			protoNode("h = Constant()", protoAttr("sparse_value", &pb.SparseTensorProto{
				Dims:    []int64{2, 3},
				Values:  &pb.TensorProto{Dims: []int64{2}, DataType: 1, FloatData: []float32{7, 8}},
				Indices: &pb.TensorProto{Dims: []int64{2, 2}, DataType: 7, Int64Data: []int64{0, 1, 1, 2}},
			})),
			protoNode("y = Relu(x)"))},
		{name: "ai.onnx is the domain without a name", model: protoModel(17, "x", "y", protoNode("y = ai.onnx.Relu(x)"))},
		{name: "a function is inlined at each call", model: withFunctions(protoModel(17, "x", "y",
			protoNode("h = f.Twice(x)"), protoNode("y = f.Twice(h)")), relu)},
		{name: "a function's attribute has its default", model: withFunctions(protoModel(17, "x", "y", protoNode("y = f.Scaled(x)")), scaled)},
		{name: "a function's attribute has the call's value", model: withFunctions(protoModel(17, "x b", "y",
			protoNode("y = f.Scaled(x, b)", protoAttr("slope", 0.25))), scaled)},
		{name: "an attribute without a value is left out", model: withFunctions(protoModel(17, "x", "y", protoNode("y = f.Open(x)")), open)},
		{name: "a function calls functions and hands its attribute on", model: withFunctions(protoModel(17, "x", "y",
			protoNode("y = f.Outer(x)", protoAttr("s", 0.125))), outer, open, relu)},
		{name: "a function returns its input", model: withFunctions(protoModel(17, "x", "y z", protoNode("y, z = f.Pass(x)")), pass)},
		{name: "a function has its own operator sets", model: withFunctions(protoModel(20, "x[2,3]", "y", protoNode("y = f.M(x)")),
			protoFunction("f", "M", "a", "r", protoNode("r = ReduceMean(a)", protoAttr("axes", []int64{1}))))},
		{name: "a subgraph reads values around it", opts: []Option{KeepUnknown()}, model: protoModel(17, "c:bool x", "y",
			protoNode("y = Choose(c)",
				protoAttr("then_branch", branch("t", protoNode("t = Relu(later)"))),
				protoAttr("else_branch", branch("x"))),
			protoNode("later = Tanh(x)"))},
		{name: "an operator without a meaning is kept", opts: []Option{KeepUnknown()}, model: func() *pb.ModelProto {
			m := protoModel(17, "x[2]", "y", protoNode("h = my.Thing(x)", protoAttr("n", 3)), protoNode("y = Relu(h)"))
			m.Graph.ValueInfo = []*pb.ValueInfoProto{protoValue("h[4,2]")}
			return m
		}()},
	}
	golden := openGolden(t, "decode.txtar")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := decodeProto(t, tt.model, tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			golden.check(t, tt.name, text(m))
		})
	}
}

// chain is n functions each of which calls the next one twice.
func chain(n int) []*pb.FunctionProto {
	var fs []*pb.FunctionProto
	for i := range n {
		call := fmt.Sprintf("f.F%d", i+1)
		if i == n-1 {
			call = "Relu"
		}
		fs = append(fs, protoFunction("f", fmt.Sprintf("F%d", i), "a", "r",
			protoNode("h = "+call+"(a)"), protoNode("r = "+call+"(h)")))
	}
	return fs
}

func TestDecodeRefuses(t *testing.T) {
	good := func() *pb.ModelProto { return protoModel(17, "x", "y", protoNode("y = Relu(x)")) }
	with := func(change func(m *pb.ModelProto)) *pb.ModelProto {
		m := good()
		change(m)
		return m
	}
	sequence := &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{}}}
	tests := []struct {
		name, code, want string
		model            *pb.ModelProto
	}{
		{"no graph", "LX1002", "no graph", with(func(m *pb.ModelProto) { m.Graph = nil })},
		{"no IR version", "LX1002", "no IR version", with(func(m *pb.ModelProto) { m.IrVersion = 0 })},
		{"a newer IR", "LX1003", "IR version 15", with(func(m *pb.ModelProto) { m.IrVersion = 15 })},
		{"an operator set too old", "LX1003", "version 6", protoModel(6, "x", "y", protoNode("y = Relu(x)"))},
		{"an operator set too new", "LX1003", "version 29", protoModel(29, "x", "y", protoNode("y = Relu(x)"))},
		{"two versions of one domain", "LX1003", "versions 17 and 18", with(func(m *pb.ModelProto) {
			m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: "ai.onnx", Version: 18})
		})},
		{"an output that nothing makes", "LX1004", `no value is called "z"`, protoModel(17, "x", "z", protoNode("y = Relu(x)"))},
		{"an input that nothing makes", "LX1004", "did you mean abc", protoModel(17, "abc", "y", protoNode("y = Relu(abd)"))},
		{"a name made twice", "LX1004", `defines "y" twice`, protoModel(17, "x", "y", protoNode("y = Relu(x)"), protoNode("y = Tanh(x)"))},
		{"an input made again", "LX1004", `defines "x" twice`, protoModel(17, "x", "x", protoNode("x = Relu(x)"))},
		{"an input listed twice", "LX1004", `defines "x" twice`, protoModel(17, "x x", "y", protoNode("y = Relu(x)"))},
		{"an input without a name", "LX1004", "without a name", with(func(m *pb.ModelProto) { m.Graph.Input[0].Name = "" })},
		{"an output listed twice", "LX1004", "twice", protoModel(17, "x", "y y", protoNode("y = Relu(x)"))},
		{"an initializer given twice", "LX1004", `defines "w" twice`, with(func(m *pb.ModelProto) {
			w := &pb.TensorProto{Name: "w", Dims: []int64{0}, DataType: 1}
			m.Graph.Initializer = []*pb.TensorProto{w, w}
		})},
		{
			"a circle", "LX1004", "2 nodes read each other's outputs in a circle: a <- b",
			protoModel(17, "x", "y", protoNode("a = Add(x, b)"), protoNode("b = Relu(a)"), protoNode("y = Relu(b)")),
		},
		{"a node that reads itself", "LX1004", "in a circle: a", protoModel(17, "x", "a", protoNode("a = Add(x, a)"))},
		{"a function that calls itself", "LX1007", "calls itself", withFunctions(protoModel(17, "x", "y", protoNode("y = f.F(x)")),
			protoFunction("f", "F", "a", "r", protoNode("r = f.F(a)")))},
		{"functions that call each other", "LX1007", "f.F calls itself", withFunctions(protoModel(17, "x", "y", protoNode("y = f.F(x)")),
			protoFunction("f", "F", "a", "r", protoNode("r = f.G(a)")), protoFunction("f", "G", "a", "r", protoNode("r = f.F(a)")))},
		{
			"functions that double 40 times", "LX1007", "more than 262144 nodes",
			withFunctions(protoModel(17, "x", "y", protoNode("y = f.F0(x)")), chain(40)...),
		},
		{"functions 70 deep", "LX1007", "more than 64 deep", withFunctions(protoModel(17, "x", "y", protoNode("y = f.F0(x)")), chain(70)...)},
		{"a function defined twice", "LX1004", "defined twice", withFunctions(good(), chain(1)[0], chain(1)[0])},
		{"a function with a name made twice", "LX1004", `defines "r" twice`, withFunctions(protoModel(17, "x", "y", protoNode("y = f.F(x)")),
			protoFunction("f", "F", "a", "r", protoNode("r = Relu(a)"), protoNode("r = Relu(a)")))},
		{"a function called with too many inputs", "LX1012", "2 inputs", withFunctions(protoModel(17, "x", "y", protoNode("y = f.F0(x, x)")), chain(1)...)},
		{"a function whose result is not made", "LX1004", `"q"`, withFunctions(protoModel(17, "x", "y", protoNode("y = f.F(x)")),
			protoFunction("f", "F", "a", "q", protoNode("r = Relu(a)")))},
		{"a sequence", "LX1008", "sequence", with(func(m *pb.ModelProto) { m.Graph.Input[0].Type = sequence })},
		{"an input without a type", "LX1008", "no element type", with(func(m *pb.ModelProto) { m.Graph.Input[0].Type = nil })},
		{"element types that contradict", "LX1012", "double", protoModel(17, "x", "y:double", protoNode("y = Relu(x)"))},
		{"inputs that do not fit", "LX1012", "broadcast", protoModel(17, "a[2] b[3]", "y", protoNode("y = Add(a, b)"))},
		{"an input too many", "LX1012", "inputs", protoModel(17, "x", "y", protoNode("y = Relu(x, x)"))},
		{"a required input left out", "LX1012", "missing", protoModel(17, "x", "y", protoNode("y = Add(, x)"))},
		{"an attribute given twice", "LX1011", "twice", protoModel(17, "x", "y", protoNode("y = Elu(x)", protoAttr("alpha", 1.0), protoAttr("alpha", 1.0)))},
		{
			"an attribute of a function outside one", "LX1011", "is in none",
			protoModel(17, "x", "y", protoNode("y = Elu(x)", refAttr("alpha", "a", pb.AttributeProto_FLOAT))),
		},
		{"text that is not UTF-8", "LX1011", "UTF-8", protoModel(17, "x", "y", protoNode("y = Gelu(x)", protoAttr("approximate", "\xff")))},
		{"a Constant without a value", "LX1011", "Constant", protoModel(17, "x", "y", protoNode("y = Constant()"))},
		{"a Constant of a graph", "LX1011", "is no constant", protoModel(17, "x", "y", protoNode("y = Constant()", protoAttr("value", branch("q", protoNode("q = Relu(x)")))))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeProto(t, tt.model)
			wantCode(t, err, tt.code, tt.want)
		})
	}
}

func TestUnknownOperatorsAreListed(t *testing.T) {
	m := withFunctions(protoModel(17, "x", "y",
		protoNode("a = my.Rare(x)"), protoNode("b = my.Often(a)"), protoNode("c = my.Often(b)"), protoNode("y = f.F(c)")),
		protoFunction("f", "F", "a", "r", protoNode("r = Mystery(a)")))
	_, err := decodeProto(t, m)
	wantCode(t, err, "LX1010", "3 operators have no meaning here")
	for _, want := range []string{
		"my.Often version 1: 2 nodes, for instance b\n\tMystery version 17: 1 nodes, for instance r\n\tmy.Rare version 1: 1 nodes, for instance a",
	} {
		wantCode(t, err, "LX1010", want)
	}
}

func TestWhatTheBytesAreInstead(t *testing.T) {
	for bytes, want := range map[string]string{
		"":                                      "empty",
		"version https://git-lfs.github.com/v1": "git lfs pull",
		"PK\x03\x04":                            "ZIP",
		"\x1f\x8b\x08":                          "gzip",
		"not a model":                           "damaged",
	} {
		_, err := Decode([]byte(bytes))
		wantCode(t, err, "LX1002", want)
	}
}

func TestWeightsAmongInputsAreConstants(t *testing.T) {
	m := protoModel(8, "x[2] w[2]", "y", protoNode("y = Add(x, w)"))
	m.Graph.Initializer = []*pb.TensorProto{{Name: "w", Dims: []int64{2}, DataType: 1, FloatData: []float32{1, 2}}}
	got, err := decodeProto(t, m)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Graph.Inputs) != 1 || len(got.Graph.Consts) != 1 || got.Graph.Consts[0].Name != "w" {
		t.Errorf("inputs %v and constants %v, want x and w", got.Graph.Inputs, got.Graph.Consts)
	}
}

// The free parameters of a rewritten model stay inputs, with their defaults.
func TestFreeParametersAreInputs(t *testing.T) {
	m := protoModel(8, "x[2] $gamma[]", "y", protoNode("y = Mul(x, $gamma)"))
	m.Graph.Initializer = []*pb.TensorProto{{Name: "$gamma", DataType: 1, FloatData: []float32{0.25}}}
	got, err := decodeProto(t, m)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Graph.Inputs) != 2 || len(got.Graph.Consts) != 0 || !ir.Of([]float32{0.25}).Equal(got.Graph.Inputs[1].Default) {
		t.Errorf("inputs %v and constants %v, want x and $gamma = 0.25", got.Graph.Inputs, got.Graph.Consts)
	}
}

func TestOpsetsAreThoseOfTheSpelling(t *testing.T) {
	m, err := decodeProto(t, protoModel(11, "x[2,3]", "y", protoNode("y = ReduceMean(x)", protoAttr("axes", []int64{1}))))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Opsets[""]; got != 18 {
		t.Errorf("ai.onnx %d for a ReduceMean with axes as an input, want 18", got)
	}
	if op := m.Ops.Lookup(ir.OpName{Name: "ReduceMean"}); op.Since != 18 {
		t.Errorf("ReduceMean has been spelled so since %d", op.Since)
	}
}
