package onnx_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	exporter "github.com/lxtc/lxtc/exporter/onnx"
	importer "github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/ir"
)

// A model as plain data, for go-cmp: everything of it but where it came from.
type (
	modelData struct {
		Graph    graphData
		Opsets   map[string]int64
		Metadata [][2]string
	}
	graphData struct {
		Name                    string
		Inputs, Consts, Outputs []valueData
		Nodes                   []nodeData
	}
	valueData struct {
		Name, Type string
		Data       *ir.Tensor
	}
	nodeData struct {
		Op, Name, Origin, Role, Rule, RuleAt string
		In                                   []string
		Out                                  []valueData
		Attrs                                map[string]any
		Scopes                               []ir.Scope
	}
)

func dataOf(m *ir.Model) modelData {
	return modelData{graphOf(m.Graph), m.Opsets, m.Metadata}
}

func graphOf(g *ir.Graph) graphData {
	d := graphData{Name: g.Name, Inputs: valuesOf(g.Inputs), Consts: valuesOf(g.Consts), Outputs: valuesOf(g.Outputs)}
	for n := range g.Nodes() {
		nd := nodeData{
			Op: n.Op.String(), Name: n.Name, Origin: n.Origin, Role: n.Role, Rule: n.Rule, RuleAt: n.RuleAt,
			Out: valuesOf(n.Out), Attrs: map[string]any{}, Scopes: n.Scopes,
		}
		for _, v := range n.In {
			nd.In = append(nd.In, v.String())
		}
		for _, a := range n.Attrs {
			nd.Attrs[a.Name] = a.Value
			if sub, ok := a.Value.(*ir.Graph); ok {
				nd.Attrs[a.Name] = graphOf(sub)
			}
		}
		d.Nodes = append(d.Nodes, nd)
	}
	return d
}

func valuesOf(vs []*ir.Value) []valueData {
	var out []valueData
	for _, v := range vs {
		if v == nil {
			out = append(out, valueData{})
			continue
		}
		out = append(out, valueData{v.Name, v.Type.String(), v.Data})
	}
	return out
}

// sameElements compares tensors by their elements, wherever they lie.
var sameElements = cmp.Comparer(func(a, b *ir.Tensor) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Elem == b.Elem && cmp.Equal(a.Shape, b.Shape) && bytes.Equal(a.Raw, b.Raw) && cmp.Equal(a.Strs, b.Strs)
})

// models returns the ONNX files under the given folder, which need not exist.
func models(root string) []string {
	var files []string
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".onnx") {
			files = append(files, path)
		}
		return nil
	})
	return files
}

func load(t *testing.T, path string) *ir.Model {
	t.Helper()
	m, err := importer.Load(path, importer.KeepUnknown())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// A model that is written and read again is the same, and so is the file
// written a second time.
func TestRoundTrip(t *testing.T) {
	files := append(models(filepath.Join("..", "..", "importer", "onnx", "testdata")),
		models(filepath.Join("..", "..", "..", "shared", "fixtures"))...)
	for _, file := range files {
		t.Run(strings.TrimPrefix(filepath.ToSlash(file), "../../"), func(t *testing.T) {
			m := load(t, file)
			path := filepath.Join(t.TempDir(), "again.onnx")
			if err := exporter.Save(path, m, exporter.Options{CopyWeights: true}); err != nil {
				t.Fatal(err)
			}
			again := load(t, path)
			if d := cmp.Diff(dataOf(m), dataOf(again), sameElements); d != "" {
				t.Errorf("model differs after a round trip (-before +after):\n%s", d)
			}
			if err := ir.Verify(again); err != nil {
				t.Error(err)
			}
			var second bytes.Buffer
			if err := exporter.Write(&second, again); err != nil {
				t.Fatal(err)
			}
			first, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, second.Bytes()) {
				t.Error("the file differs when it is written a second time")
			}
		})
	}
}
