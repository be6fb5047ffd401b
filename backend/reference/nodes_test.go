package reference_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/backendtest"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestONNXNodes runs the one-node cases of the onnx package, which
// testdata/gen/ops/nodes.py collects.
func TestONNXNodes(t *testing.T) { testNodes(t, "testdata/nodes.jsonl.gz", 1150) }

// TestONNXRuntime runs the cases of ir/ops/testdata against what ONNX Runtime
// computed for them in float32, by testdata/gen/ops/ort.py.
func TestONNXRuntime(t *testing.T) { testNodes(t, "testdata/ort.jsonl.gz", 330) }

// testNodes runs each of at least so many cases twice: with all inputs unknown
// before the run, and with integer inputs as constants, for inference to see.
func testNodes(t *testing.T, file string, atLeast int) {
	cases := readNodeCases(t, file)
	if len(cases) < atLeast {
		t.Fatalf("%d cases, want %d or more", len(cases), atLeast)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			for _, constants := range []bool{false, true} {
				if err := c.check(constants); err != nil {
					t.Errorf("%s, integer inputs constant: %v: %v", c.Op, constants, err)
				}
			}
		})
	}
}

type nodeCase struct{ backendtest.NodeCase }

func readNodeCases(t *testing.T, file string) []*nodeCase {
	t.Helper()
	nodes, err := backendtest.ReadNodes(file)
	if err != nil {
		t.Fatal(err)
	}
	cases := make([]*nodeCase, len(nodes))
	for i, n := range nodes {
		cases[i] = &nodeCase{n}
	}
	return cases
}

func (c *nodeCase) check(constants bool) error {
	m, in, err := c.model(constants)
	if err != nil {
		return err
	}
	return c.compare(m, in)
}

// model returns the node as a graph, integer inputs as constants if so asked,
// and the other inputs.
func (c *nodeCase) model(constants bool) (*ir.Model, map[string]*ir.Tensor, error) {
	m := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
	n := &ir.Node{Op: ir.ParseOpName(c.Op), Attrs: c.Attrs}
	in := map[string]*ir.Tensor{}
	for i, t := range c.In {
		name := fmt.Sprintf("in%d", i)
		switch {
		case t == nil:
			n.In = append(n.In, nil)
		case constants && (t.Elem.IsInt() || t.Elem == ir.Bool):
			n.In = append(n.In, m.Graph.Const(name, t))
		default:
			n.In = append(n.In, m.Graph.Input(name, t.TypeOf()))
			in[name] = t
		}
	}
	for _, name := range c.Names {
		if name == "" {
			n.Out = append(n.Out, nil)
			continue
		}
		v := &ir.Value{Name: name}
		n.Out = append(n.Out, v)
	}
	m.Graph.Append(n)
	if err := m.Reinfer(n); err != nil {
		return nil, nil, fmt.Errorf("inference: %w", err)
	}
	for _, v := range n.Out {
		if v != nil {
			m.Graph.Outputs = append(m.Graph.Outputs, v)
		}
	}
	return m, in, nil
}

// compare runs the model and compares its outputs with those expected.
func (c *nodeCase) compare(m *ir.Model, in map[string]*ir.Tensor) error {
	got, err := run(m, in)
	if err != nil {
		return err
	}
	for i, v := range m.Graph.Outputs {
		want := c.Out[i]
		if _, err := ir.Refine(v.Type, want.TypeOf()); err != nil {
			return fmt.Errorf("output %d: inferred and expected: %w", i, err)
		}
		if err := agree(got[v.Name], want); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

func run(m *ir.Model, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	return backend.Run(context.Background(), reference.New(), m, backend.Options{}, in)
}

// agree compares with the precision of the expected values, which were computed
// in the output's type: float32 sums of some hundred elements are off by up to
// 1e-5, half precision by a unit in the last place.
func agree(got, want *ir.Tensor) error {
	if got.Elem != want.Elem || fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		return fmt.Errorf("got %s, want %s", got.TypeOf(), want.TypeOf())
	}
	if want.Elem == ir.String {
		if fmt.Sprint(got.Strs) != fmt.Sprint(want.Strs) {
			return fmt.Errorf("got %q, want %q", got.Strs, want.Strs)
		}
		return nil
	}
	g, err := got.Float64s()
	if err != nil {
		return err
	}
	w, err := want.Float64s()
	if err != nil {
		return err
	}
	tol := map[ir.DType]float64{ir.Float: 2e-5, ir.Double: 1e-6, ir.Float16: 2e-3, ir.BFloat16: 2e-2}[want.Elem]
	for i := range w {
		same := g[i] == w[i] || math.IsNaN(g[i]) && math.IsNaN(w[i]) || math.Abs(g[i]-w[i]) <= tol*max(1, math.Abs(w[i]))
		if !same {
			return fmt.Errorf("element %d is %v, want %v", i, g[i], w[i])
		}
	}
	return nil
}
