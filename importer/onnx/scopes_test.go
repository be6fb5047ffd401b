package onnx

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

func TestScopes(t *testing.T) {
	props := func(kv ...string) []*pb.StringStringEntryProto {
		var ps []*pb.StringStringEntryProto
		for i := 0; i < len(kv); i += 2 {
			ps = append(ps, &pb.StringStringEntryProto{Key: kv[i], Value: kv[i+1]})
		}
		return ps
	}
	tests := []struct {
		name string
		node pb.NodeProto
		want []ir.Scope
	}{
		{
			"PyTorch's lists, without the node itself",
			pb.NodeProto{MetadataProps: props(
				pb.KeyClasses, "['Net', 'torch.nn.modules.linear.Linear', 'aten.linear.default']",
				pb.KeyScopes, "['', 'fc', 'linear']")},
			[]ir.Scope{{Class: "Net"}, {Name: "fc", Class: "torch.nn.modules.linear.Linear"}},
		},
		{"lists of different lengths have no classes", pb.NodeProto{MetadataProps: props(
			pb.KeyClasses, "['Net']", pb.KeyScopes, "['', 'fc', 'linear']")}, []ir.Scope{{}, {Name: "fc"}}},
		{"PyTorch's word for no module", pb.NodeProto{MetadataProps: props(
			pb.KeyClasses, "['_empty_nn_module_stack_from_metadata_hook', 'aten.sym_size.int']",
			pb.KeyScopes, "['_empty_nn_module_stack_from_metadata_hook', 'sym_size_int_4']")}, nil},
		{
			"PyTorch's namespace",
			pb.NodeProto{MetadataProps: props(
				pb.KeyNamespace, ": Net/fc: torch.nn.modules.linear.Linear/linear: aten.linear.default")},
			[]ir.Scope{{Class: "Net"}, {Name: "fc", Class: "torch.nn.modules.linear.Linear"}},
		},
		{
			"TorchScript's names",
			pb.NodeProto{Name: "/m/layers.0/mlp/MatMul"},
			[]ir.Scope{{Name: "m"}, {Name: "m.layers.0"}, {Name: "m.layers.0.mlp"}},
		},
		{"a name that is no path", pb.NodeProto{Name: "MatMul_12"}, nil},
		{"no name", pb.NodeProto{}, nil},
		{"metadata that are no list", pb.NodeProto{Name: "/a/b", MetadataProps: props(pb.KeyScopes, "nonsense")}, []ir.Scope{{Name: "a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, scopesOf(&tt.node)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestFunctionsAreScopes(t *testing.T) {
	call := protoNode("y = f.Twice(x)")
	call.Name = "/net/twice"
	body := protoNode("r = Relu(a)")
	body.Name = "/act/Relu"
	m, err := decodeProto(t, withFunctions(protoModel(17, "x", "y", call), protoFunction("f", "Twice", "a", "r", body)))
	if err != nil {
		t.Fatal(err)
	}
	want := []ir.Scope{{Name: "net"}, {Name: "net.twice", Class: "f.Twice"}, {Name: "act"}}
	for n := range m.Graph.Nodes() {
		if d := cmp.Diff(want, n.Scopes); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestSymbols(t *testing.T) {
	tests := []struct {
		text string
		want ir.Dim
	}{
		{"batch", ir.Sym("batch")},
		{"2*batch*seq", ir.Dim{Sym: "batch*seq", N: 2}},
		{"seq*batch", ir.Dim{Sym: "batch*seq", N: 1}},
		{"s0 * 4", ir.Dim{Sym: "s0", N: 4}},
		{"seq + 1", ir.Sym("seq + 1")},
		{"2*seq + 1", ir.Sym("2·seq + 1")},
		{"floor(seq/2)", ir.Sym("floor(seq/2)")},
		{"8", ir.N(8)},
		{"", ir.Unknown},
		{"-1*s0", ir.Sym("-1·s0")},
	}
	for _, tt := range tests {
		if got := symbol(tt.text); got != tt.want {
			t.Errorf("symbol %q is %+v, want %+v", tt.text, got, tt.want)
		}
	}
}
