package onnx

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
)

// mixed has two operators without a meaning, two nodes that are refused for
// one reason, one for another, and some that only follow those.
func mixed() *pb.ModelProto {
	m := protoModel(17, "x[2] z[3]", "y",
		protoNode("a = my.Snake(x)"), protoNode("b = my.Snake(a)"),
		protoNode("c = Add(x, z)"), protoNode("d = Add(x, z)"),
		protoNode("e = Mul(c, d)"), // of unknown type, which follows
		protoNode("f = Elu(x)", protoAttr("alpha", 1.0), protoAttr("alpha", 1.0)),
		protoNode("g = Clip(f, z)"),
		protoNode("y = Other(e, g, b)"))
	return m
}

func TestEverythingUnsupportedIsListed(t *testing.T) {
	_, err := decodeProto(t, mixed())
	want := `2 operators have no meaning here [LX1010]
	Add version 17: 2 nodes, for instance c: dimensions 2 and 3 do not broadcast
	my.Snake version 1: 2 nodes, for instance a
	Elu version 17: 1 nodes, for instance f: attribute "alpha" is given twice or has no name
	Other version 17: 1 nodes, for instance y
	help: export with other options, or give these operators a meaning, or keep them as they are`
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Errorf("error (-want +got):\n%s", d)
	}
	var u *UnsupportedError
	if !errors.As(err, &u) || len(u.Operators) != 4 {
		t.Fatalf("%T does not list four kinds of operators", err)
	}
	if got := u.Operators[0]; got.Code != "LX1012" || len(got.Nodes) != 2 {
		t.Errorf("first is %+v, want two nodes of code LX1012", got)
	}
}

func TestRefusedOperatorsAreListed(t *testing.T) {
	m := mixed()
	m.Graph.Node = m.Graph.Node[2:6]
	m.Graph.Output[0].Name = "f"
	_, err := decodeProto(t, m)
	want := `node c (Add): dimensions 2 and 3 do not broadcast [LX1012]
	Add version 17: 2 nodes, for instance c: dimensions 2 and 3 do not broadcast
	Elu version 17: 1 nodes, for instance f: attribute "alpha" is given twice or has no name`
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Errorf("error (-want +got):\n%s", d)
	}
}

// What follows is of no type, or of the one that the file declares.
func TestCollectCarriesEverythingAlong(t *testing.T) {
	var list []Unsupported
	m, err := Decode(protoBytes(t, mixed()), Collect(&list))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 4 || m.Graph.Len() != 8 {
		t.Errorf("%d kinds in %d nodes, want 4 in 8", len(list), m.Graph.Len())
	}
	for _, u := range list {
		for _, n := range u.Nodes {
			if n.Graph() != m.Graph {
				t.Errorf("%v is not in the graph", n)
			}
		}
	}
}

// The way out is that of the operator's kind.
func TestWaysOut(t *testing.T) {
	for _, c := range []struct{ domain, op, want string }{
		{"com.microsoft.nchwc", "Conv", "ORT_ENABLE_EXTENDED"},
		{"com.ms.internal.nhwc", "Resize", "for the CPU"},
		{"ai.onnx.ml", "TreeEnsemble", "export the network without them"},
		{"com.microsoft", "BeamSearch", "without the search"},
		{"com.microsoft", "DynamicQuantizeLSTM", "op_types_to_quantize"},
		{"", "StringSplit", "it prepares inputs"},
		{"", "Optional", waysOut},
		{"my", "Snake", waysOut},
	} {
		n := protoNode("y = " + c.op + "(x)")
		n.Domain = c.domain
		_, err := decodeProto(t, protoModel(17, "x[2]", "y", n))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: error %v, want %q in it", c.domain, c.op, err, c.want)
		}
	}
}
