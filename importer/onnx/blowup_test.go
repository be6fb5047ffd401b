package onnx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// Small files that ask for much memory or time are refused, or cost no more
// than their own size. Each of these took gigabytes or minutes without a bound.
func TestBlowUpsAreRefused(t *testing.T) {
	long := strings.Repeat("n", 1<<20)
	twice := func(f *pb.FunctionProto, attrs ...*pb.AttributeProto) *pb.ModelProto {
		var nodes []*pb.NodeProto
		for i := range 2000 {
			nodes = append(nodes, protoNode(fmt.Sprintf("y%d = f.F(x)", i), attrs...))
		}
		m := protoModel(21, "x[2]", "y0", nodes...)
		m.Functions = []*pb.FunctionProto{f}
		return m
	}
	function := func(nodes ...*pb.NodeProto) *pb.FunctionProto {
		return &pb.FunctionProto{
			Name: "F", Domain: "f", Input: []string{"a"}, Output: []string{"b"}, Node: nodes,
			OpsetImport: []*pb.OperatorSetIdProto{{Version: 21}},
		}
	}
	named := function(protoNode(long+" = Neg(a)"), protoNode("b = Neg("+long+")"))
	ints := function(protoNode("b = Relu(a)", protoAttr("unread", make([]int64, 1<<17))))
	listed := function(protoNode("b = Relu(a)"))
	for i := range 1 << 14 {
		listed.ValueInfo = append(listed.ValueInfo, protoValue(fmt.Sprintf("v%d", i)))
	}
	var attrs []*pb.AttributeProto
	for i := range maxAttrs + 1 {
		attrs = append(attrs, protoAttr(fmt.Sprint("a", i), 1))
	}
	deep := protoModel(21, "x", "y")
	deep.Graph.Initializer = []*pb.TensorProto{{Name: "axes", Dims: []int64{40}, DataType: 7}}
	for i := range 40 {
		deep.Graph.Initializer[0].Int64Data = append(deep.Graph.Initializer[0].Int64Data, int64(i))
	}
	deep.Graph.Input = []*pb.ValueInfoProto{protoValue("x[2]")}
	deep.Graph.Node = []*pb.NodeProto{protoNode("h = Unsqueeze(x, axes)"), protoNode("y = Unsqueeze(h, axes)")}
	tests := []struct {
		name, code, want string
		in               *pb.ModelProto
	}{
		{"a long name in a function that is called often", "LX1007", "copies", twice(named)},
		{"a long attribute in a function that is called often", "LX1007", "copies", twice(ints)},
		{"many declared types in a function that is called often", "LX1007", "copies", twice(listed)},
		{"a million attributes", "LX1011", "attributes", protoModel(21, "x", "y", protoNode("y = Relu(x)", attrs...))},
		{"an input of many dimensions", "LX1008", "dimensions", protoModel(21, "x["+strings.Repeat("1,", 64)+"1]", "y", protoNode("y = Relu(x)"))},
		{"a result of many dimensions", "LX1012", "dimensions", deep},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeProto(t, tt.in)
			wantCode(t, err, tt.code, tt.want)
		})
	}
}

func TestLongNamesAreCheap(t *testing.T) {
	path := strings.Repeat("a/", 1<<18) + "n"
	scopes := scopesOfName(path)
	if len(scopes) != 1<<18 {
		t.Fatalf("%d scopes, want %d", len(scopes), 1<<18)
	}
	if d := cmp.Diff("a.a.a", scopes[2].Name); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	n := protoNode("y = Relu(missing" + path + ")")
	m := protoModel(21, "missing"+path+"s", "y", n)
	_, err := decodeProto(t, m)
	wantCode(t, err, "LX1004", "no value is called")
}

// Each Flatten squares the dimension and the product of its symbols.
func TestSymbolsDoNotDouble(t *testing.T) {
	m := protoModel(21, "x[N,1] z[1,N]", "y")
	left, right := "x", "z"
	for i := range 60 {
		square, flat, col := fmt.Sprintf("s%d", i), fmt.Sprintf("f%d", i), fmt.Sprintf("c%d", i)
		m.Graph.Node = append(m.Graph.Node,
			protoNode(square+" = MatMul("+left+","+right+")"),
			protoNode(flat+" = Flatten("+square+")", protoAttr("axis", 0)),
			protoNode(col+" = Transpose("+flat+")"))
		left, right = col, flat
	}
	m.Graph.Node = append(m.Graph.Node, protoNode("y = Relu("+left+")"))
	got, err := decodeProto(t, m)
	if err != nil {
		t.Fatal(err)
	}
	want := []ir.Dim{ir.Unknown, ir.N(1)}
	if d := cmp.Diff(want, got.Graph.Outputs[0].Type.Shape); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
