package ops_test

import (
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func TestInfer(t *testing.T) {
	for _, tt := range []struct{ name, inputs, node, want string }{
		{"symbols that agree are kept", "float[B,S,8] x, float[B,S,8] y", "Add (x, y)", "float[B,S,8]"},
		{"one symbol against a number is the number", "float[B,4] x, float[4] y", "Add (x, y)", "float[B,4]"},
		{"one symbol against another may be 1", "float[B] x, float[C] y", "Add (x, y)", "float[?]"},
		{"a symbol against 1", "float[B,1] x, float[S] y", "Mul (x, y)", "float[B,S]"},
		{"an unknown rank stays unknown", "float[B] x, float[] y", "Add (x, y)", "float[]"},
		{"scalars", "float x, float y", "Add (x, y)", "float"},
		{"an empty dimension", "float[0] x, float[1] y", "Add (x, y)", "float[0]"},
		{"a power has the type of its base", "float[2] x, int64[2] y", "Pow (x, y)", "float[2]"},
		{"a choice broadcasts three ways", "bool[S,1] c, float[B,1,1] x, float y", "Where (c, x, y)", "float[B,S,1]"},
		{"batches broadcast in products", "float[B,1,S,8] x, float[4,8,T] y", "MatMul (x, y)", "float[B,4,S,T]"},
		{"a vector loses its axis in a product", "float[8] x, float[B,8,T] y", "MatMul (x, y)", "float[B,T]"},
		{"a product of vectors is a scalar", "float[8] x, float[8] y", "MatMul (x, y)", "float"},
		{"transposed operands", "float[8,B] x, float[4,8] y", "Gemm <transA = 1, transB = 1> (x, y)", "float[B,4]"},
		{"a linear layer of any rank", "float[B,S,8] x, float[8,4] y", "lxt.Linear (x, y)", "float[B,S,4]"},
		{"an equation", "float[B,H,S,8] x, float[B,H,T,8] y", `Einsum <equation = "bhsd,bhtd->bhst"> (x, y)`, "float[B,H,S,T]"},
		{"all axes reduced", "float[B,S] x", "ReduceSum <keepdims = 0> (x)", "float"},
		{"all axes kept as ones", "float[B,S] x", "ReduceSum (x)", "float[1,1]"},
		{"no axis reduced", "float[B,S] x", "ReduceSum <noop_with_empty_axes = 1> (x)", "float[B,S]"},
		{"axes that only a run knows", "float[B,S] x, int64[1] axes", "ReduceMax (x, axes)", "float[?,?]"},
		{"as many axes dropped as there are", "float[B,S] x, int64[1] axes", "ReduceMax <keepdims = 0> (x, axes)", "float[?]"},
		{"where the largest is", "float[B,S,V] x", "ArgMax <axis = -1, keepdims = 0> (x)", "int64[B,S]"},
		{"a cast", "int64[B,S] x", "Cast <to = 16> (x)", "bfloat16[B,S]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse("g ("+tt.inputs+") => (o) {\n  o = "+tt.node+"\n}", ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Graph.Outputs[0].Type.String(); got != tt.want {
				t.Errorf("%s is inferred as %s, want %s", tt.node, got, tt.want)
			}
		})
	}
}

func TestInferErrors(t *testing.T) {
	for _, tt := range []struct{ name, inputs, node, want string }{
		{"shapes that do not broadcast", "float[2] x, float[3] y", "Add (x, y)", "dimensions 2 and 3 do not broadcast"},
		{"mixed types", "float[2] x, double[2] y", "Add (x, y)", "operands are of types float and double, want one type"},
		{"inner dimensions", "float[2,3] x, float[4,5] y", "MatMul (x, y)", "inner dimensions 3 and 4 differ"},
		{"a scalar in a product", "float[2,3] x, float y", "MatMul (x, y)", "want rank 1 or more"},
		{"an axis out of range", "float[2,3] x", "Softmax <axis = 2> (x)", "axis 2 is out of range for rank 2"},
		{"a condition that is none", "float[2] c, float[2] x, float[2] y", "Where (c, x, y)", "the condition is of type float, want bool"},
		{"an equation for other ranks", "float[2,3] x", `Einsum <equation = "i->i"> (x)`, `term "i" for an input of rank 2`},
		{"an output label from nowhere", "float[2,3] x", `Einsum <equation = "ij->k"> (x)`, "the output must name labels of the inputs"},
		{"no element type to cast to", "float[2] x", "Cast (x)", "attribute to is 0, want an element type"},
		{"groups that do not divide", "float[1,5,2] x, float[5] s, float[5] b", "GroupNormalization <num_groups = 2> (x, s, b)", "5 channels do not split into 2 groups"},
		{"a missing operand", "float[2] x", "Add (x)", "got 1 inputs, want 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ir.Parse("g ("+tt.inputs+") => (o) {\n  o = "+tt.node+"\n}", ops.Standard())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: error %v, want it to say %q", tt.node, err, tt.want)
			}
		})
	}
}

// TestKnown follows the elements of shapes through arithmetic: s is the shape
// of an input float[B,S,8].
func TestKnown(t *testing.T) {
	for _, tt := range []struct{ name, nodes, want string }{
		{"a constant", "k = Constant <value_ints = [3, 4]> ()", "3,4"},
		{"a sum", "k = Add (s, s)", "2*B,2*S,16"},
		{"a product", "k = Mul (s, s)", "B*B,S*S,64"},
		{"a scalar repeated", "c = Constant <value_int = 4> ()\n k = Mul (s, c)", "4*B,4*S,32"},
		{"a quotient", "c = Constant <value_int = 4> ()\n m = Mul (s, c)\n k = Div (m, c)", "B,S,8"},
		{"a quotient rounded", "c = Constant <value_int = 3> ()\n k = Div (s, c)", "?,?,2"},
		{"a difference of equals", "k = Sub (s, s)", "0,0,0"},
		{"a remainder", "c = Constant <value_int = 3> ()\n k = Mod (s, c)", "?,?,2"},
		{"a cast to int32", "k = Cast <to = 6> (s)", "B,S,8"},
		{"a product of all", "k = ReduceProd <keepdims = 0> (s)", "8*B*S"},
		{"the larger", "c = Constant <value_int = 9> ()\n k = Max (s, c)", "?,?,9"},
		{"a negative number is no dimension", "k = Constant <value_ints = [-1, 4]> ()", ""},
		{"a choice by a known condition", "c = Constant <value: tensor = bool[3] {1, 0, 1}> ()\n d = Constant <value_int = 7> ()\n k = Where (c, s, d)", "B,7,8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse("g (float[B,S,8] x) => (k) {\n s = Shape (x)\n "+tt.nodes+"\n}", ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range m.Graph.Outputs[0].Known {
				got = append(got, strings.Trim(d.String(), `"`))
			}
			if g := strings.Join(got, ","); g != tt.want {
				t.Errorf("known elements are %s, want %s", g, tt.want)
			}
		})
	}
}
