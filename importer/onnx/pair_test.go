package onnx

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
)

// A folder with an encoder and a decoder is one model, whose names are those of
// an export as a whole.
func TestEncoderAndDecoderAreLinked(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "onnx", "t5-pair")
	m, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := ir.Verify(m); err != nil {
		t.Fatal(err)
	}
	whole, err := Load(filepath.Join(dir, "whole.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	names := func(vs []*ir.Value) (out []string) {
		for _, v := range vs {
			out = append(out, v.Name)
		}
		return out
	}
	for what, both := range map[string][2][]*ir.Value{
		"inputs": {whole.Graph.Inputs, m.Graph.Inputs}, "outputs": {whole.Graph.Outputs, m.Graph.Outputs},
	} {
		if d := cmp.Diff(names(both[0]), names(both[1])); d != "" {
			t.Errorf("%s (-whole +pair):\n%s", what, d)
		}
	}
	if v := m.Graph.Find("encoder_hidden_states"); v != nil {
		t.Errorf("%s is still there", v)
	}
}

// By its own path a decoder is read alone.
func TestDecoderAlone(t *testing.T) {
	m, err := Load(filepath.Join("..", "..", "testdata", "onnx", "t5-pair", "decoder_model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Graph.Find("encoder_hidden_states") == nil {
		t.Error("encoder_hidden_states is no input")
	}
}

func TestPairsThatDoNotFit(t *testing.T) {
	encoder := protoModel(17, "x", "last_hidden_state", protoNode("last_hidden_state = Relu(x)"))
	for name, tt := range map[string]struct {
		decoder    string
		opset      int64
		code, want string
	}{
		"a decoder that reads no encoder": {"z", 17, "LX1004", `no input "encoder_hidden_states"`},
		"other versions":                  {statesInput, 18, "LX1003", "at version 17, and the decoder at 18"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "encoder_model.onnx"), protoBytes(t, encoder))
			write(t, filepath.Join(dir, "decoder_model.onnx"), protoBytes(t, protoModel(tt.opset, tt.decoder, "y", protoNode("y = Relu("+tt.decoder+")"))))
			_, err := Load(dir)
			wantCode(t, err, tt.code, tt.want)
		})
	}
}

// What both files define gets a name of its own, in subgraphs too.
func TestNamesOfAPairAreApart(t *testing.T) {
	dir := t.TempDir()
	encoder := protoModel(17, "input_ids[2] c:bool", "h[2]",
		protoNode("a = Relu(input_ids)"),
		protoNode("h = If(c)", protoAttr("then_branch", branch("q", protoNode("q = Neg(a)"))), protoAttr("else_branch", branch("r", protoNode("r = Abs(a)")))))
	decoder := protoModel(17, "input_ids[2] "+statesInput+"[2]", "y[2]",
		protoNode("a = Neg(input_ids)"), protoNode("q = Add(a, "+statesInput+")"), protoNode("y = Relu(q)"))
	write(t, filepath.Join(dir, "encoder_model.onnx"), protoBytes(t, encoder))
	write(t, filepath.Join(dir, "decoder_model.onnx"), protoBytes(t, decoder))
	m, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := ir.Verify(m); err != nil {
		t.Fatal(err)
	}
	q := m.Graph.Find("q").Def
	if got := q.In[0].Def.Op.Name + " " + q.In[1].Name; got != "Neg h" {
		t.Errorf("q adds %s, want what Neg computes, and h", got)
	}
	if v := m.Graph.Find("encoder/a"); v == nil || v.Def.Op.Name != "Relu" {
		t.Errorf("encoder/a is %v, want what Relu computes", v)
	}
}
