package ops_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestCoverage says that every operator with a derivative, a secant or a body
// has a case, so that the tests below find it. Fused operators, which have no
// kernel to compare with, have theirs in the tests of the reference backend.
func TestCoverage(t *testing.T) {
	seen := map[ir.OpName]bool{}
	for _, c := range readCases(t) {
		_, n := c.model(t, ir.Double)
		seen[n.Op] = true
	}
	for _, op := range ops.Standard().All() {
		if (op.VJP != nil || op.Secant != nil || op.Body != nil) && !op.Fused && !seen[op.Name] {
			t.Errorf("%s has no case in testdata", op.Name)
		}
	}
}

// TestVJP compares every derivative with central differences, with static
// shapes, with symbols for dimensions and with unknown ones.
func TestVJP(t *testing.T) {
	knowledge := map[string]func(v *ir.Value, i int) ir.Dim{"static": nil, "symbolic": symbols, "unknown": unknown}
	for _, c := range readCases(t) {
		t.Run(c.name, func(t *testing.T) {
			m, n := c.model(t, ir.Double)
			op := ops.Standard().Lookup(n.Op)
			if op.VJP == nil {
				t.Skipf("%s has no derivative", n.Op)
			}
			if op.Name.Name == "FakeQuantize" {
				t.Skip("the derivative is not that of its steps: TestStraightThrough")
			}
			if op.Fused {
				t.Skip("the derivative is that of the body: TestFusedVJP")
			}
			in := c.inputs(t, m)
			seeds := c.seeds(t, run(t, m, in), m)
			want := differences(t, m, in, seeds)
			for name, dim := range knowledge {
				m, n := c.model(t, ir.Double)
				if dim != nil {
					forget(t, m, dim)
				}
				got := gradients(t, m, n, in, seeds)
				for input, w := range want {
					compare(t, fmt.Sprintf("derivative of %s, shapes %s", input, name), got[input], w, 2e-8)
				}
			}
		})
	}
}

// seeds are the derivatives that arrive at the floating point outputs.
func (c *opCase) seeds(t *testing.T, out map[string]*ir.Tensor, m *ir.Model) map[string]*ir.Tensor {
	seeds := map[string]*ir.Tensor{}
	for _, v := range m.Graph.Outputs {
		if v.Type.Elem.IsFloat() {
			shape := out[v.Name].Shape
			seeds[v.Name] = tensorOf(t, ir.Double, c.draw("d"+v.Name, shape), shape)
		}
	}
	return seeds
}

// differences returns the derivative of <seeds, outputs> with respect to every
// floating point input by central differences.
func differences(t *testing.T, m *ir.Model, in, seeds map[string]*ir.Tensor) map[string][]float64 {
	// The error is about step² f''' + 1e-16/step: 1e-10 for f of size 1.
	const step = 1e-5
	f := func(name string, xs []float64) float64 {
		varied := map[string]*ir.Tensor{}
		for k, v := range in {
			varied[k] = v
		}
		varied[name] = tensorOf(t, in[name].Elem, xs, in[name].Shape)
		s := 0.0
		out := run(t, m, varied)
		for name, seed := range seeds {
			ys, ds := floats(t, out[name]), floats(t, seed)
			for i, d := range ds {
				s += d * ys[i]
			}
		}
		return s
	}
	grads := map[string][]float64{}
	for _, v := range m.Graph.Inputs {
		if v.Type.Elem != ir.Double {
			continue
		}
		xs := floats(t, in[v.Name])
		grad := make([]float64, len(xs))
		for i, x := range xs {
			xs[i] = x + step
			up := f(v.Name, xs)
			xs[i] = x - step
			down := f(v.Name, xs)
			xs[i] = x
			grad[i] = (up - down) / (2 * step)
		}
		grads[v.Name] = grad
	}
	return grads
}

// gradients adds n's derivative to m and runs it. Where nothing flows it is 0.
func gradients(t *testing.T, m *ir.Model, n *ir.Node, in, seeds map[string]*ir.Tensor) map[string][]float64 {
	args := map[string]*ir.Tensor{}
	for k, v := range in {
		args[k] = v
	}
	grads := derive(t, m, n, func(dy *ir.Value, out *ir.Value) { args[dy.Name] = seeds[out.Name] })
	m.Graph.Outputs = nil
	for _, g := range grads {
		if g != nil {
			m.Graph.Outputs = append(m.Graph.Outputs, g)
		}
	}
	out := run(t, m, args)
	sum := map[string][]float64{}
	for name, x := range in {
		sum[name] = make([]float64, x.Len())
	}
	for i, g := range grads {
		if g == nil {
			continue
		}
		name := n.In[i].Name
		if got, want := fmt.Sprint(out[g.Name].Shape), fmt.Sprint(in[name].Shape); got != want {
			t.Fatalf("derivative of %s has shape %s, want %s\n%s", name, got, want, m.Text())
		}
		for k, d := range floats(t, out[g.Name]) {
			sum[name][k] += d
		}
	}
	return sum
}

// derive adds an input for what arrives at every floating point output of n
// that is one of m, and n's derivatives.
func derive(t *testing.T, m *ir.Model, n *ir.Node, seed func(dy, out *ir.Value)) []*ir.Value {
	t.Helper()
	dy := make([]*ir.Value, len(n.Out))
	for i, v := range n.Out {
		if v != nil && v.Type.Elem.IsFloat() && m.Graph.IsOutput(v) {
			dy[i] = m.Graph.Input("d"+v.Name, v.Type)
			seed(dy[i], v)
		}
	}
	want := make([]bool, len(n.In))
	for i, v := range n.In {
		want[i] = v != nil && v.Type.Elem.IsFloat() && v.Data == nil
	}
	b := m.At(m.Graph, nil)
	grads := ops.Standard().Lookup(n.Op).VJP(b, n, dy, want)
	if errors.Is(b.Err(), ops.ErrNoDerivative) {
		if !ops.Standard().Lookup(n.Op).Fused && !slices.Contains(ops.Underived(), n.Op) {
			t.Fatalf("%v, and ops.Underived does not list it", b.Err())
		}
		t.Skip(b.Err())
	}
	if b.Err() != nil {
		t.Fatalf("derivative: %v", b.Err())
	}
	if len(grads) != len(n.In) {
		t.Fatalf("%d derivatives for %d inputs", len(grads), len(n.In))
	}
	for i, g := range grads {
		switch {
		case g == nil:
			continue
		case !want[i]:
			t.Fatalf("derivative %d is not wanted", i)
		}
		if _, err := ir.Refine(g.Type, n.In[i].Type); err != nil {
			t.Fatalf("derivative of %s: %v\n%s", n.In[i], err, m.Text())
		}
		// An output of its own: a derivative may be what arrived, or serve two
		// inputs.
		grads[i] = b.Op("Identity", g)
	}
	if err := ir.Verify(m); err != nil {
		t.Fatal(err)
	}
	return grads
}

// compare reports a difference that is large against tol and the largest
// element.
func compare(t *testing.T, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	size := 1.0
	for _, w := range want {
		size = max(size, math.Abs(w))
	}
	for i, w := range want {
		if d := math.Abs(got[i] - w); !(d <= tol*size) {
			t.Errorf("%s: element %d is %.12g, want %.12g (difference %.2g)", what, i, got[i], w, d)
			return
		}
	}
}
