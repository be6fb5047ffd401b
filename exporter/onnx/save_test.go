package onnx_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	exporter "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func parse(t *testing.T, text string) *ir.Model {
	t.Helper()
	m, err := ir.Parse(text, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// written returns what Write makes of m.
func written(t *testing.T, m *ir.Model) *pb.ModelProto {
	t.Helper()
	var b bytes.Buffer
	if err := exporter.Write(&b, m); err != nil {
		t.Fatal(err)
	}
	p, err := pb.Unmarshal(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withWeights returns a model with a large weight, a larger one and a small one.
func withWeights(t *testing.T) *ir.Model {
	t.Helper()
	m := parse(t, `<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { y = Relu (x) }`)
	for i, n := range []int{700, 2000, 3} {
		data := make([]float32, n)
		for k := range data {
			data[k] = float32(100*i + k)
		}
		m.Graph.Const([]string{"a", "b", "c"}[i], ir.Of(data, n))
	}
	return m
}

func wantCode(t *testing.T, err error, code, want string) {
	t.Helper()
	var e *diag.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s saying %q", err, code, want)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWeightsBeside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	m := withWeights(t)
	if err := exporter.Save(path, m, exporter.Options{Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"m.onnx", "m.onnx_data"}, files(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	got := load(t, path)
	if d := cmp.Diff(dataOf(m).Graph, dataOf(got).Graph, sameElements); d != "" {
		t.Errorf("model differs (-want +got):\n%s", d)
	}
	type place struct {
		name           string
		offset, length int64
	}
	var places []place
	for _, v := range got.Graph.Consts {
		places = append(places, place{filepath.Base(v.Data.From.Path), v.Data.From.Offset, v.Data.From.Length})
	}
	places[2].offset = 0 // wherever it lies in the model
	want := []place{{"m.onnx_data", 0, 2800}, {"m.onnx_data", 4096, 8000}, {"m.onnx", 0, 12}}
	if !slices.Equal(places, want) {
		t.Errorf("weights lie at %v, want %v", places, want)
	}
}

func TestWeightsAreReferredTo(t *testing.T) {
	dir := t.TempDir()
	if err := exporter.Save(filepath.Join(dir, "m.onnx"), withWeights(t), exporter.Options{Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	m := load(t, filepath.Join(dir, "m.onnx"))
	before, err := os.ReadFile(filepath.Join(dir, "m.onnx_data"))
	if err != nil {
		t.Fatal(err)
	}

	again := filepath.Join(dir, "again.onnx")
	if err := exporter.Save(again, m, exporter.Options{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"again.onnx", "m.onnx", "m.onnx_data"}, files(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	if d := cmp.Diff(dataOf(m), dataOf(load(t, again)), sameElements); d != "" {
		t.Errorf("model differs (-want +got):\n%s", d)
	}

	t.Run("over itself", func(t *testing.T) {
		path := filepath.Join(dir, "m.onnx")
		if err := exporter.Save(path, m, exporter.Options{}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(dataOf(m), dataOf(load(t, path)), sameElements); d != "" {
			t.Errorf("model differs (-want +got):\n%s", d)
		}
		after, err := os.ReadFile(path + "_data")
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("the data have changed, %v", err)
		}
	})
	t.Run("from a folder above", func(t *testing.T) {
		path := filepath.Join(filepath.Dir(dir), filepath.Base(dir)+".onnx")
		defer os.Remove(path)
		if err := exporter.Save(path, m, exporter.Options{}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(dataOf(m), dataOf(load(t, path)), sameElements); d != "" {
			t.Errorf("model differs (-want +got):\n%s", d)
		}
	})
	t.Run("not from elsewhere", func(t *testing.T) {
		other := t.TempDir()
		path := filepath.Join(other, "m.onnx")
		wantCode(t, exporter.Save(path, m, exporter.Options{}), "LX4002", "copy the weights")
		if got := files(t, other); len(got) != 0 {
			t.Errorf("files %v are left", got)
		}
		if err := exporter.Save(path, m, exporter.Options{CopyWeights: true}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"m.onnx"}, files(t, other)); d != "" {
			t.Errorf("files (-want +got):\n%s", d)
		}
	})
	t.Run("not in their own place", func(t *testing.T) {
		path := filepath.Join(dir, "m.onnx_data")
		wantCode(t, exporter.Save(path, m, exporter.Options{}), "LX4002", "would replace")
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("the data have changed, %v", err)
		}
	})
	t.Run("not where new weights would replace them", func(t *testing.T) {
		m := load(t, filepath.Join(dir, "m.onnx"))
		m.Graph.Const("new", ir.Of(make([]float32, 2000), 2000))
		wantCode(t, exporter.Save(filepath.Join(dir, "m.onnx"), m, exporter.Options{Limit: 1000}), "LX4002", "would replace")
	})
}

func TestAFailedSaveLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := withWeights(t)
	for n := range m.Graph.Nodes() {
		n.Attrs = n.Attrs.With("bad", struct{}{})
	}
	wantCode(t, exporter.Save(path, m, exporter.Options{}), "LX4003", `attribute "bad"`)
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	wantCode(t, exporter.Save(filepath.Join(dir, "no", "m.onnx"), withWeights(t), exporter.Options{}), "LX4001", "no such file")
	if d := cmp.Diff([]string{"m.onnx"}, files(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

func TestSavingCanBeStopped(t *testing.T) {
	m := withWeights(t)
	for _, calls := range []int{0, 1} { // at the first file and at the second
		dir := t.TempDir()
		left := calls
		stopped := errors.New("stopped")
		err := exporter.Save(filepath.Join(dir, "m.onnx"), m, exporter.Options{Limit: 1, Stop: func() error {
			if left == 0 {
				return stopped
			}
			left--
			return nil
		}})
		if !errors.Is(err, stopped) {
			t.Errorf("after %d calls: %v, want stopped", calls, err)
		}
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("after %d calls %v are left", calls, files)
		}
	}
}

// What is too large for one file is said before anything is written.
func TestWriteRefusesTwoGigabytes(t *testing.T) {
	m := parse(t, `<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { y = Relu (x) }`)
	data := make([]byte, 1<<20) // the same for all
	for range 2049 {
		m.Graph.Const("w", &ir.Tensor{Elem: ir.Uint8, Shape: []int{len(data)}, Raw: data})
	}
	var b bytes.Buffer
	wantCode(t, exporter.Write(&b, m), "LX4001", "help: write to a file")
	if b.Len() > 0 {
		t.Errorf("%d bytes were written", b.Len())
	}
}

func TestFunctions(t *testing.T) {
	m := parse(t, `<ir_version: 10, opset_import: ["" : 20, "lxt" : 1]>
g (float[2,3] x) => (float[2,3] y) {
  y = lxt.Scaled <by = 0.5> (x)
}
<domain: "lxt", opset_import: ["" : 20]>
Scaled <by> (x) => (y) {
  c = Constant <value_float: float = @by> ()
  y = Mul (x, c)
}`)
	p := written(t, m)
	if len(p.Functions) != 1 {
		t.Fatalf("%d functions, want 1", len(p.Functions))
	}
	f := p.Functions[0]
	ref := f.Node[0].Attribute[0]
	switch {
	case f.Domain != "lxt" || f.Name != "Scaled" || !slices.Equal(f.Attribute, []string{"by"}):
		t.Errorf("function %s.%s with attributes %v", f.Domain, f.Name, f.Attribute)
	case ref.RefAttrName != "by" || ref.Type != pb.AttributeProto_FLOAT:
		t.Errorf("the constant refers to %q as type %v", ref.RefAttrName, ref.Type)
	case len(f.OpsetImport) != 1 || f.OpsetImport[0].Version != p.OpsetImport[0].Version:
		t.Errorf("the function imports %v", f.OpsetImport)
	}
}

func TestVersions(t *testing.T) {
	tests := []struct {
		name, text string
		opset, ir  int64
	}{
		{"old operators", `<ir_version: 10, opset_import: ["" : 13]> g (float[2] x) => (float[2] y) { y = Relu (x) }`, 13, 10},
		{"a new operator raises the version", `<ir_version: 10, opset_import: ["" : 13]> g (float[2,3] x, float[3] w) => (float[2,3] y) { y = RMSNormalization (x, w) }`, 23, 11},
		{"the version of the model stays", `<ir_version: 10, opset_import: ["" : 21]> g (float[2] x) => (float[2] y) { y = Relu (x) }`, 21, 10},
		{"a new element type raises the version", `<ir_version: 10, opset_import: ["" : 13]> g (int4[2] x) => (int4[2] y) { y = Identity (x) }`, 21, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := written(t, parse(t, tt.text))
			if p.IrVersion != tt.ir || p.OpsetImport[0].Version != tt.opset {
				t.Errorf("IR version %d, ai.onnx %d; want %d and %d", p.IrVersion, p.OpsetImport[0].Version, tt.ir, tt.opset)
			}
		})
	}
}

func TestNodesSayWhereTheyComeFrom(t *testing.T) {
	m := parse(t, `<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { y = Relu (x) }`)
	for n := range m.Graph.Nodes() {
		n.Name, n.Origin, n.Role, n.Rule, n.RuleAt = "/a/it's", "relevance/epsilon <- x", "mlp", "epsilon", "a.rules:1"
		n.Scopes = []ir.Scope{{Name: "", Class: "Net"}, {Name: `a'b\c`, Class: "Layer"}}
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := exporter.Save(path, m, exporter.Options{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(dataOf(m), dataOf(load(t, path)), sameElements); d != "" {
		t.Errorf("model differs (-want +got):\n%s", d)
	}
}

// ONNX does not allow a subgraph to use a name of the graph around it.
func TestSubgraphsDoNotShadow(t *testing.T) {
	m := parse(t, `<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { y = Relu (x) }`)
	sub := ir.NewGraph("sub")
	sub.Append(&ir.Node{
		Op: ir.OpName{Name: "Add"}, In: []*ir.Value{m.Graph.Inputs[0], m.Graph.Inputs[0]},
		Out: []*ir.Value{{Name: "x", Type: ir.TypeOf(ir.Float, 2)}},
	})
	for v := range sub.Values() {
		sub.Outputs = append(sub.Outputs, v)
	}
	for n := range m.Graph.Nodes() {
		n.Attrs = ir.Attrs{{Name: "body", Value: sub}}
	}
	got := written(t, m).Graph.Node[0].Attribute[0].G
	if n := got.Node[0]; !slices.Equal(n.Input, []string{"x", "x"}) || n.Output[0] == "x" || got.Output[0].Name != n.Output[0] {
		t.Errorf("%v reads %v and makes %v", got.Output[0].Name, n.Input, n.Output)
	}
}

func TestModelsThatONNXCannotSay(t *testing.T) {
	relu := `<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { y = Relu (x) }`
	tests := []struct {
		name, want string
		change     func(m *ir.Model)
	}{
		{"an operator that is not in the set", "unknown", func(m *ir.Model) {
			for n := range m.Graph.Nodes() {
				n.Op.Name = "Mystery"
			}
		}},
		{"an output listed twice", "twice", func(m *ir.Model) { m.Graph.Outputs = append(m.Graph.Outputs, m.Graph.Outputs...) }},
		{"a value of another graph", "not in the graph", func(m *ir.Model) {
			for n := range m.Graph.Nodes() {
				n.SetInput(0, &ir.Value{Name: "z"})
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, relu)
			tt.change(m)
			wantCode(t, exporter.Write(&bytes.Buffer{}, m), "LX4003", tt.want)
		})
	}
}
