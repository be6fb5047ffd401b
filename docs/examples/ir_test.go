package examples_test

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func Example_text() {
	m, err := ir.Parse(`head (float[B,S,2] x) => (y) <float[2,2] w = {1, 2, 3, 4}, float scale = {0.5}> {
		h = MatMul (x, w)
		y = Mul (h, scale)
	}`, ops.Standard())
	check(err)
	h := m.Graph.Find("h")
	fmt.Println(h.Type, h.Def, h.NumUses())
	fmt.Println(m.Graph.Find("y").Type) // inferred
	// Output:
	// float[B,S,2] MatMul->h 1
	// float[B,S,2]
}

func Example_build() {
	m, err := ir.Parse(`g (float[B,4] x) => (float[B,4] y) { y = Relu (x) }`, ops.Standard())
	check(err)
	y := m.Graph.Find("y")

	b := m.After(y.Def)
	b.Origin = "example <- " + y.Def.String()
	twice := b.Add(y, b.Scale(y, 3))
	fmt.Println(b.Err(), twice.Type)

	b.MatMul(twice, b.Ints(1, 2))                       // a float times an integer: the first error sticks
	fmt.Println(b.Add(twice, twice).Type.Elem, b.Err()) // everything after it is a placeholder
	fmt.Println(y.NumUses(), slices.Collect(m.Graph.Nodes()))
	// Output:
	// <nil> float[B,4]
	// float MatMul: operands are of types float and int64, want one type
	// 2 [Relu->y Constant->t Mul->t_2 Add->t_3 Constant->t_4]
}

func Example_dims() {
	b, s := ir.Sym("B"), ir.Sym("S")
	rows := b.Mul(s) // what Reshape to [B*S, H] makes
	fmt.Println(rows, rows.Mul(ir.N(2)), rows.Div(s), s.Div(b))
	fmt.Println(b.Same(b), b.Differ(s), ir.N(2).Differ(ir.N(3)), ir.Unknown.Same(ir.Unknown))
	// Output:
	// "B*S" "2*B*S" B ?
	// true false true false
}

func Example_functions() {
	m, err := ir.Parse(`
		<ir_version: 10, opset_import: ["" : 21, "lxt" : 1]>
		g (float[4] r, float[4] z) => (float[4] s) {
			s = lxt.Ratio <eps = 0.001> (r, z)
		}
		<domain: "lxt", opset_import: ["" : 21]>
		Ratio <eps> (r, z) => (q) {
			e = Constant <value_float: float = @eps> ()
			d = Add (z, e)
			q = Div (r, d)
		}`, ops.Standard())
	check(err)
	call := m.Graph.Find("s").Def
	fmt.Println(call, m.Func(call.Op).Attrs)
	check(ir.Inline(m, call))
	fmt.Print(ir.GraphText(m.Graph))
	// Output:
	// lxt.Ratio->s [eps]
	// g (float[4] r, float[4] z) => (float[4] s) {
	//   e = Constant <value_float: float = 0.001> ()
	//   d = Add (z, e)
	//   s = Div (r, d)
	// }
}
