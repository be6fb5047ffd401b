package ops_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestCoverage says that every operator with a derivative, a secant or a body
// has a case, so that the tests below find it.
func TestCoverage(t *testing.T) {
	seen := map[ir.OpName]bool{}
	for _, c := range readCases(t) {
		_, n := c.model(t, ir.Double)
		seen[n.Op] = true
	}
	for _, op := range ops.Standard().All() {
		if (op.VJP != nil || op.Secant != nil || op.Body != nil) && !seen[op.Name] {
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
			if ops.Standard().Lookup(n.Op).VJP == nil {
				t.Skipf("%s has no derivative", n.Op)
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

// derive adds an input for what arrives at every floating point output of n,
// and n's derivatives.
func derive(t *testing.T, m *ir.Model, n *ir.Node, seed func(dy, out *ir.Value)) []*ir.Value {
	t.Helper()
	dy := make([]*ir.Value, len(n.Out))
	for i, v := range n.Out {
		if v != nil && v.Type.Elem.IsFloat() {
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

// TestElementTypes builds derivatives, secants and bodies in every floating
// point type.
func TestElementTypes(t *testing.T) {
	for _, c := range readCases(t) {
		for _, elem := range []ir.DType{ir.Float, ir.Float16, ir.BFloat16} {
			t.Run(fmt.Sprintf("%s/%s", c.name, elem), func(t *testing.T) {
				m, n := c.model(t, elem)
				op := ops.Standard().Lookup(n.Op)
				in := c.inputs(t, m)
				b := m.At(m.Graph, nil)
				if op.Secant != nil {
					s := op.Secant(b, n)
					sameType(t, "secant", s, n.Out[0])
				}
				if op.Body != nil {
					for i, v := range op.Body(b, n) {
						if n.Out[i] != nil {
							sameType(t, "body", v, n.Out[i])
						}
					}
				}
				if b.Err() != nil {
					t.Fatal(b.Err())
				}
				if op.VJP != nil {
					forward := run(t, m, in)
					derive(t, m, n, func(dy, out *ir.Value) {
						shape := forward[out.Name].Shape
						in[dy.Name] = tensorOf(t, dy.Type.Elem, c.draw(dy.Name, shape), shape)
					})
				}
				if err := ir.Verify(m); err != nil {
					t.Fatal(err)
				}
				run(t, m, in)
			})
		}
	}
}

func sameType(t *testing.T, what string, got, want *ir.Value) {
	t.Helper()
	if _, err := ir.Refine(got.Type, want.Type); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestBody compares every body with the operator's kernel.
func TestBody(t *testing.T) {
	for _, c := range readCases(t) {
		m, n := c.model(t, ir.Double)
		op := ops.Standard().Lookup(n.Op)
		if op.Body == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			in := c.inputs(t, m)
			for _, forgetful := range []bool{false, true} {
				m, n := c.model(t, ir.Double)
				if forgetful {
					forget(t, m, symbols)
				}
				b := m.At(m.Graph, nil)
				outs := op.Body(b, n)
				if b.Err() != nil {
					t.Fatal(b.Err())
				}
				for i := range n.Out {
					if n.Out[i] == nil {
						continue
					}
					sameType(t, "body", outs[i], n.Out[i])
					m.Graph.Outputs = []*ir.Value{n.Out[i], b.Op("Identity", outs[i])}
					got := run(t, m, in)
					want := got[n.Out[i].Name]
					if g := got[m.Graph.Outputs[1].Name]; fmt.Sprint(g.Shape) != fmt.Sprint(want.Shape) {
						t.Fatalf("body has shape %v, want %v", g.Shape, want.Shape)
					}
					compare(t, "body", floats(t, got[m.Graph.Outputs[1].Name]), floats(t, want), 1e-13)
				}
			}
		})
	}
}

// TestSecant compares every secant with f(x)/x. At 0 it lies between the
// quotients on both sides.
func TestSecant(t *testing.T) {
	for _, c := range readCases(t) {
		m, n := c.model(t, ir.Double)
		op := ops.Standard().Lookup(n.Op)
		if op.Secant == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			b := m.At(m.Graph, nil)
			m.Graph.Outputs = []*ir.Value{n.Out[0], b.Op("Identity", op.Secant(b, n))}
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			in := c.inputs(t, m)
			name := n.In[0].Name
			at := func(xs []float64) (ys, secant []float64) {
				in[name] = tensorOf(t, ir.Double, xs, in[name].Shape)
				out := run(t, m, in)
				return floats(t, out[n.Out[0].Name]), floats(t, out[m.Graph.Outputs[1].Name])
			}
			xs := floats(t, in[name])
			ys, secant := at(xs)
			for i, x := range xs {
				ys[i] /= x
			}
			compare(t, "secant", secant, ys, 1e-13)

			const h = 1e-7
			zeros := make([]float64, len(xs))
			near := func(h float64) []float64 {
				hs := make([]float64, len(xs))
				for i := range hs {
					hs[i] = h
				}
				ys, _ := at(hs)
				for i := range ys {
					ys[i] /= h
				}
				return ys
			}
			left, right := near(-h), near(h)
			_, secant = at(zeros)
			for i, s := range secant {
				lo, hi := min(left[i], right[i])-10*h, max(left[i], right[i])+10*h
				if !(lo <= s && s <= hi) {
					t.Errorf("secant at 0 is %g, want it in [%g, %g]", s, lo, hi)
				}
			}
		})
	}
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

// TestInferMalformed feeds every operator inputs of all kinds: an error is
// right, a panic is not.
func TestInferMalformed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, op := range ops.Standard().All() {
		for range 300 {
			m := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
			n := &ir.Node{Op: op.Name, Attrs: randomAttrs(r)}
			lo, hi := ir.Arity(op.In)
			if hi < 0 {
				hi = lo + 2
			}
			for range lo + r.IntN(hi-lo+1) {
				n.In = append(n.In, randomValue(r, m.Graph))
			}
			if op.CheckInputs(n) != nil {
				continue
			}
			inferQuietly(t, op, n)
		}
	}
}

func inferQuietly(t *testing.T, op *ir.Op, n *ir.Node) {
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s of %v with %v: panic: %v", op.Name, n.In, n.Attrs, r)
		}
	}()
	types, err := op.Infer(n)
	if err != nil || op.Known == nil {
		return
	}
	for _, typ := range types {
		n.Out = append(n.Out, &ir.Value{Name: "o", Type: typ, Def: n})
	}
	op.Known(n)
}

func randomValue(r *rand.Rand, g *ir.Graph) *ir.Value {
	switch r.IntN(4) {
	case 0:
		ints := make([]int64, r.IntN(4))
		for i := range ints {
			ints[i] = r.Int64N(9) - 4
		}
		return g.Const("c", ir.Of(ints, len(ints)))
	case 1:
		return g.Input("x", ir.Type{Elem: ir.DType(r.IntN(8))})
	}
	dims := make([]ir.Dim, r.IntN(5))
	for i := range dims {
		dims[i] = []ir.Dim{ir.Unknown, ir.Sym("S"), ir.N(0), ir.N(1), ir.N(2), ir.N(math.MaxInt64)}[r.IntN(6)]
	}
	return g.Input("x", ir.Type{Elem: ir.DType([]int{1, 1, 7, 9}[r.IntN(4)]), Shape: dims})
}

// randomAttrs gives attributes that operators read, with any value.
func randomAttrs(r *rand.Rand) ir.Attrs {
	names := []string{
		"axis", "axes", "keepdims", "perm", "to", "num_groups", "size", "equation", "kernel_shape", "strides", "pads",
		"dilations", "group", "blocksize", "batch_dims", "num_outputs", "value", "start", "end", "auto_pad", "mode",
		"block_size", "output_shape", "output_padding", "ceil_mode", "stash_type", "alpha", "transA", "k", "upper",
	}
	var attrs ir.Attrs
	for range r.IntN(6) {
		name := names[r.IntN(len(names))]
		ints := make([]int64, r.IntN(4))
		for i := range ints {
			ints[i] = r.Int64N(7) - 3
		}
		values := []any{
			r.Int64N(9) - 4, int64(math.MinInt64), ints, float32(1), "SAME_UPPER", "ij,jk->ik", "...i", "é->", []string{"a"},
			ir.Of([]int64{1, 2}, 2), ir.Ref{Name: "a", Kind: int64(0)},
		}
		attrs = append(attrs, ir.Attr{Name: name, Value: values[r.IntN(len(values))]})
	}
	return attrs
}
