package backendtest

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// nodeCases reads the one-node cases of the onnx package and of ONNX Runtime
// that package reference compares itself with.
func nodeCases(t *testing.T, dir string) []*testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	var cases []*testCase
	for _, file := range files {
		nodes, err := ReadNodes(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range nodes {
			n := node{op: c.Op, attrs: c.Attrs, in: c.In}
			for _, name := range c.Names {
				n.outs = append(n.outs, name != "")
			}
			cases = append(cases, n.testCase(c.Name))
		}
	}
	return cases
}

// A node is an operator with its operands. An input that is nil is omitted.
type node struct {
	op    string
	attrs ir.Attrs
	in    []*ir.Tensor
	outs  []bool // which outputs there are
}

// testCase is a model of the node alone.
func (n node) testCase(name string) *testCase {
	return &testCase{name, func() (*ir.Model, map[string]*ir.Tensor, error) {
		m := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
		made := &ir.Node{Op: ir.ParseOpName(n.op), Attrs: n.attrs}
		in := map[string]*ir.Tensor{}
		for i, t := range n.in {
			var v *ir.Value
			if t != nil {
				v = m.Graph.Input(fmt.Sprintf("in%d", i), t.TypeOf())
				in[v.Name] = t
			}
			made.In = append(made.In, v)
		}
		for i, there := range n.outs {
			var v *ir.Value
			if there {
				v = &ir.Value{Name: fmt.Sprintf("out%d", i)}
				m.Graph.Outputs = append(m.Graph.Outputs, v)
			}
			made.Out = append(made.Out, v)
		}
		m.Graph.Append(made)
		return m, in, m.Reinfer(made)
	}}
}
