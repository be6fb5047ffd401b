package backendtest

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
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
		for _, line := range readLines(t, file) {
			var j nodeJSON
			if err := json.Unmarshal(line, &j); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			c, err := j.node()
			if err != nil {
				t.Fatalf("%s: %s: %v", file, j.Name, err)
			}
			cases = append(cases, c.testCase(j.Name))
		}
	}
	return cases
}

func readLines(t *testing.T, file string) [][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]byte
	s := bufio.NewScanner(z)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		lines = append(lines, append([]byte{}, s.Bytes()...))
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
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

type nodeJSON struct {
	Name  string        `json:"name"`
	Op    string        `json:"op"`
	Attrs []attrJSON    `json:"attrs"`
	In    []*tensorJSON `json:"in"`
	Names []string      `json:"names"` // of outputs; "" is omitted
}

type attrJSON struct {
	Name  string          `json:"name"`
	Kind  string          `json:"kind"`
	Value json.RawMessage `json:"value"`
}

type tensorJSON struct {
	Type  ir.DType        `json:"type"`
	Shape []int           `json:"shape"`
	Data  json.RawMessage `json:"data"`
}

func (j *nodeJSON) node() (node, error) {
	n := node{op: j.Op}
	for _, tj := range j.In {
		var t *ir.Tensor
		if tj != nil {
			var err error
			if t, err = tj.tensor(); err != nil {
				return n, err
			}
		}
		n.in = append(n.in, t)
	}
	for _, aj := range j.Attrs {
		v, err := aj.value()
		if err != nil {
			return n, fmt.Errorf("attribute %s: %w", aj.Name, err)
		}
		n.attrs = append(n.attrs, ir.Attr{Name: aj.Name, Value: v})
	}
	for _, name := range j.Names {
		n.outs = append(n.outs, name != "")
	}
	return n, nil
}

func (j *tensorJSON) tensor() (*ir.Tensor, error) {
	if j.Type == ir.String {
		t := &ir.Tensor{Elem: ir.String, Shape: j.Shape}
		return t, json.Unmarshal(j.Data, &t.Strs)
	}
	var s string
	if err := json.Unmarshal(j.Data, &s); err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	return ir.NewTensor(j.Type, j.Shape, raw)
}

func (j attrJSON) value() (any, error) {
	switch j.Kind {
	case "INT":
		return decoded[int64](j.Value)
	case "FLOAT":
		return decoded[float32](j.Value)
	case "STRING":
		return decoded[string](j.Value)
	case "INTS":
		return decoded[[]int64](j.Value)
	case "FLOATS":
		return decoded[[]float32](j.Value)
	case "STRINGS":
		return decoded[[]string](j.Value)
	case "TENSOR":
		t, err := decoded[*tensorJSON](j.Value)
		if err != nil {
			return nil, err
		}
		return t.(*tensorJSON).tensor()
	}
	return nil, fmt.Errorf("its kind is %s", j.Kind)
}

func decoded[T any](text json.RawMessage) (any, error) {
	var v T
	err := json.Unmarshal(text, &v)
	return v, err
}
