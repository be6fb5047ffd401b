package ops_test

import (
	"fmt"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestElementTypes builds derivatives, secants and bodies in every floating
// point type.
func TestElementTypes(t *testing.T) {
	for _, c := range readCases(t) {
		for _, elem := range []ir.DType{ir.Float, ir.Float16, ir.BFloat16} {
			t.Run(fmt.Sprintf("%s/%s", c.name, elem), func(t *testing.T) {
				m, n := c.model(t, elem)
				if hasGraph(n) {
					t.Skip("the types inside a graph do not change with those around it")
				}
				op := ops.Standard().Lookup(n.Op)
				in := c.inputs(t, m)
				b := m.At(m.Graph, nil)
				if op.Secant != nil {
					s := op.Secant(b, n)
					sameType(t, "secant", b.Mul(s, n.Out[0]), n.Out[0]) // it broadcasts
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
				if b.Err() != nil && forgetful && op.Fused {
					continue // some need to know the shapes; the operator stays where it is then
				}
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
			m.Graph.Outputs = []*ir.Value{n.Out[0], b.Op("Expand", op.Secant(b, n), b.Op("Shape", n.In[0]))}
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
