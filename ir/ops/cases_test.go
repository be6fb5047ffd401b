package ops_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// An opCase is one application of an operator, from testdata/*.txtar.
type opCase struct {
	name, text string
	given      map[string][]float64  // elements of inputs
	interval   map[string][2]float64 // or where to draw them from
}

func readCases(t testing.TB) []*opCase {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	var cases []*opCase
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			c, err := newCase(f.Name, string(f.Data))
			if err != nil {
				t.Fatalf("%s: %s: %v", file, f.Name, err)
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// newCase reads the lines "# x in A B" and "# x = A B C" of a text.
func newCase(name, text string) (*opCase, error) {
	c := &opCase{name: name, text: text, given: map[string][]float64{}, interval: map[string][2]float64{}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "#" {
			continue
		}
		if len(words) < 4 {
			return nil, fmt.Errorf("line %q: want an input, in or =, and numbers", line)
		}
		var xs []float64
		for _, w := range words[3:] {
			x, err := strconv.ParseFloat(w, 64)
			if err != nil {
				return nil, fmt.Errorf("line %q: %w", line, err)
			}
			xs = append(xs, x)
		}
		switch {
		case words[2] == "=":
			c.given[words[1]] = xs
		case words[2] == "in" && len(xs) == 2:
			c.interval[words[1]] = [2]float64{xs[0], xs[1]}
		default:
			return nil, fmt.Errorf("line %q: want an interval or elements", line)
		}
	}
	return c, nil
}

// model parses the case with another element type in place of double, and
// returns the node that it is about.
func (c *opCase) model(t testing.TB, elem ir.DType) (*ir.Model, *ir.Node) {
	t.Helper()
	m, err := ir.Parse(c.text, ops.Standard())
	if err != nil {
		t.Fatalf("%v\n%s", err, c.text)
	}
	var node *ir.Node
	for n := range m.Graph.Nodes() {
		if n.Op.Name == "Constant" {
			continue
		}
		if node != nil {
			t.Fatalf("more than one node:\n%s", c.text)
		}
		node = n
	}
	if node == nil { // the case is about Constant itself
		for n := range m.Graph.Nodes() {
			node = n
		}
	}
	if elem != ir.Double && !hasGraph(node) {
		retype(t, m, elem)
	}
	return m, node
}

// retype makes elem of every double in m.
func retype(t testing.TB, m *ir.Model, elem ir.DType) {
	t.Helper()
	for _, v := range m.Graph.Inputs {
		if v.Type.Elem == ir.Double {
			v.Type.Elem = elem
		}
	}
	for _, v := range m.Graph.Consts {
		if v.Type.Elem == ir.Double {
			v.Data = tensorOf(t, elem, floats(t, v.Data), v.Data.Shape)
			v.Type.Elem = elem
		}
	}
	reinfer(t, m)
}

// inputs draws the elements of the inputs of m. The draw depends on the names
// of the case and the input only.
func (c *opCase) inputs(t testing.TB, m *ir.Model) map[string]*ir.Tensor {
	t.Helper()
	in := map[string]*ir.Tensor{}
	for _, v := range m.Graph.Inputs {
		shape, ok := v.Type.Static()
		if !ok {
			t.Fatalf("input %s is %s, want a static type", v, v.Type)
		}
		xs, ok := c.given[v.Name]
		switch {
		case v.Type.Elem.IsFloat() && !ok:
			xs = c.draw(v.Name, shape)
		case !ok:
			t.Fatalf("input %s is %s: its elements must be given", v, v.Type)
		}
		in[v.Name] = tensorOf(t, v.Type.Elem, xs, shape)
	}
	return in
}

func (c *opCase) draw(name string, shape []int) []float64 {
	seed := fnv.New64a()
	fmt.Fprint(seed, c.name, "/", name)
	r := rand.New(rand.NewPCG(seed.Sum64(), 1))
	lo, hi := -2.0, 2.0
	if iv, ok := c.interval[name]; ok {
		lo, hi = iv[0], iv[1]
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = lo + (hi-lo)*r.Float64()
	}
	return xs
}

func tensorOf(t testing.TB, elem ir.DType, xs []float64, shape []int) *ir.Tensor {
	t.Helper()
	a := reference.NewArray(elem, shape...)
	if len(xs) != a.Len() {
		t.Fatalf("%d elements for shape %v", len(xs), shape)
	}
	for i, x := range xs {
		if a.F != nil {
			a.F[i] = x
		} else {
			a.I[i] = int64(x)
		}
	}
	tensor, err := a.Tensor()
	if err != nil {
		t.Fatal(err)
	}
	return tensor
}

// run computes the outputs of m in float64.
func run(t testing.TB, m *ir.Model, in map[string]*ir.Tensor) map[string]*ir.Tensor {
	t.Helper()
	out, err := backend.Run(context.Background(), reference.NewDouble(), m, backend.Options{}, in)
	if err != nil {
		t.Fatalf("%v\n%s", err, m.Text())
	}
	return out
}

func floats(t testing.TB, tensor *ir.Tensor) []float64 {
	t.Helper()
	xs, err := tensor.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	return xs
}

// forget takes away what is known of the shapes: dimensions become symbols, or
// unknown. Types and known elements are inferred again.
func forget(t testing.TB, m *ir.Model, dim func(v *ir.Value, i int) ir.Dim) {
	t.Helper()
	for _, v := range m.Graph.Inputs {
		dims := make([]ir.Dim, v.Type.Rank())
		for i := range dims {
			dims[i] = dim(v, i)
		}
		v.Type.Shape = dims
	}
	reinfer(t, m)
}

// reinfer infers the types of all nodes from those of the inputs.
func reinfer(t testing.TB, m *ir.Model) {
	t.Helper()
	for n := range m.Graph.Nodes() {
		for _, v := range n.Out {
			if v != nil {
				v.Type, v.Known = ir.Type{}, nil
			}
		}
		if err := m.Reinfer(n); err != nil {
			t.Fatalf("%v: %v", n, err)
		}
	}
}

func symbols(v *ir.Value, i int) ir.Dim { return ir.Sym(fmt.Sprintf("%s_%d", v.Name, i)) }

func unknown(*ir.Value, int) ir.Dim { return ir.Unknown }

func hasGraph(n *ir.Node) bool {
	for range n.Subgraphs() {
		return true
	}
	return false
}
