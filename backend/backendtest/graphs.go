package backendtest

import "testing"

// graphs are models whose values are read in unusual ways.
var graphs = []struct{ name, text string }{
	{"an output is an input", `g (float[3] x) => (float[3] x, y) { y = Neg (x) }`},
	{"an output is a constant", `g (float[3] x) => (float[2] c, y) <float[2] c = {1, 2}> { y = Add (x, x) }`},
	{"there are no nodes", `g (float[3] x) => (float[3] x) {}`},
	{"there are no inputs", `g () => (y) <float[2] c = {1, -2}> { y = Neg (c) }`},
	{"there are neither inputs nor constants", `g () => (y) {
  a = Constant <value = float[2] {1.0, 4.0}> ()
  b = Sqrt (a)
  y = Add (a, b)
}`},
	{"an output is read by other nodes", `g (float[3] x) => (y, z) {
  y = Neg (x)
  a = Exp (y)
  z = Relu (a)
}`},
	{"an output is a view of another", `g (float[2,3] x) => (y, z, w) {
  y = Exp (x)
  z = Transpose (y)
  w = Neg (y)
}`},
	{"an operand is read again later", `g (float[2,3] x) => (z) {
  a = Exp (x)
  b = Neg (a)
  c = Relu (a)
  z = Add (b, c)
}`},
	{"a view is read after its base", `g (float[4] x) => (z) {
  a = Exp (x)
  l, r = Split <num_outputs = 2> (a)
  b = Neg (l)
  z = Add (b, r)
}`},
	{"a view and its base are operands of one node", `g (float[3,3] x) => (z) {
  a = Exp (x)
  t = Transpose (a)
  z = Sub (a, t)
}`},
	{"two halves are operands of one node", `g (float[4] x) => (z) {
  a = Exp (x)
  l, r = Split <num_outputs = 2> (a)
  z = Sub (l, r)
}`},
	{"one value is both operands", `g (float[3] x) => (s, d, p) {
  a = Exp (x)
  s = Add (a, a)
  b = Exp (a)
  d = Sub (b, b)
  c = Neg (x)
  p = Mul (c, c)
}`},
	{"one value is many operands", `g (float[2] x, float[2] y) => (s, t, m) {
  a = Exp (x)
  s = Sum (a, a, a)
  b = Neg (x)
  t = Sum (b, y, b)
  c = Abs (x)
  m = Max (y, c, c)
}`},
	{"one value is a matrix and its factor", `g (float[3,3] x) => (y) {
  a = Exp (x)
  y = MatMul (a, a)
}`},
	{"one value is data and weight", `g (float[4] x) => (y, z) {
  a = Exp (x)
  y = RMSNormalization (a, a)
  b = Exp (x)
  z = LayerNormalization (b, b, b)
}`},
	{"one value is data and updates", `g (float[3] x) => (y) <int64[3,1] i = {2, 0, 1}> {
  a = Exp (x)
  y = ScatterND (a, i, a)
}`},
	{"one value is joined with itself", `g (float[2] x) => (y) {
  a = Exp (x)
  y = Concat <axis = 0> (a, a, a)
}`},
	{"one value is mask and choice", `g (bool[3] c, bool[3] d) => (y) {
  # c = 1 0 1
  # d = 0 0 1
  e = Not (c)
  y = Where (e, e, d)
}`},
	{"a result is not read", `g (float[4] x) => (z) {
  a = Exp (x)
  unused = Neg (a)
  l, r = Split <num_outputs = 2> (a)
  z = Neg (r)
}`},
	{"a result is left out", `g (float[1,1,4] x) => (i) {
  , i = MaxPool <kernel_shape = [2]> (x)
}`},
	{"views of views", `g (float[2,3,4] x) => (y) {
  a = Exp (x)
  b = Transpose <perm = [2, 0, 1]> (a)
  s = Constant <value = int64[1] {1}> ()
  e = Constant <value = int64[1] {4}> ()
  c = Slice (b, s, e)
  f = Constant <value = int64[2] {3, -1}> ()
  d = Reshape (c, f)
  t = Transpose (d)
  y = Softmax (t)
}`},
	{"a reshape back and forth", `g (float[6] x) => (y) {
  a = Exp (x)
  s = Constant <value = int64[2] {2, 3}> ()
  b = Reshape (a, s)
  c = Transpose (b)
  f = Constant <value = int64[1] {-1}> ()
  y = Reshape (c, f)
}`},
	{"a branch reads from around it", `g (bool c, float[3] x, float[3] z) => (y, d) {
  # c = 1
  d = Add (x, z)
  y = If <
    then_branch = a () => (float[3] p) { p = Mul (d, x) },
    else_branch = b () => (float[3] q) { q = Sub (d, z) }
  > (c)
}`},
	{"a loop ends itself and stacks up what it makes", `g (float[4] x, int64 m) => (y, s) {
  # x in 0.5 1
  # m = 10
  w = Add (x, x)
  y, s = Loop <body = b (int64 i, bool go, float[4] v) => (bool on, float[4] u, float r) {
    u = Add (v, w)
    r = ReduceMax <keepdims = 0> (u)
    top = Constant <value_float = 8.0> ()
    on = Less (r, top)
  }> (m, , x)
}`},
	{"a scan of columns from the end", `g (float[2,3] x, float[2] z) => (last, y) {
  last, y = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_input_directions = [1], scan_output_axes = [1],
    body = b (float[2] s, float[2] v) => (float[2] t, float[2] o) {
      t = Add (s, v)
      o = Mul (t, z)
    }> (z, x)
}`},
	{"integers are multiplied", `g (uint8[2,3] x, int8[3,2] w) => (y) {
  # x = 1 2 3 4 5 255
  # w = -1 2 -128 127 3 0
  y = MatMulInteger (x, w)
}`},
}

func graphCases(t *testing.T) []*testCase {
	t.Helper()
	var cases []*testCase
	for _, g := range graphs {
		c, err := textCase(g.name, g.text)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}
