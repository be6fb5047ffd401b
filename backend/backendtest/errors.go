package backendtest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// parsed returns a model from its text.
func parsed(t *testing.T, text string) *ir.Model {
	t.Helper()
	m, err := ir.Parse(text, ops.Standard())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// session compiles a model and opens a session that ends with the test.
func session(t *testing.T, b backend.Backend, m *ir.Model, opt backend.Options) backend.Session {
	t.Helper()
	s, err := backend.Open(b, m, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type tensors = map[string]*ir.Tensor

// malformed are runs that must end with an error; what is good must run before
// and after.
var malformed = []struct {
	name, text string
	good, bad  tensors
	want       string // part of the message
}{
	{
		"an input is missing", `g (float[?] x, float[?] y) => (z) { z = Add (x, y) }`,
		tensors{"x": ir.Of([]float32{1}, 1), "y": ir.Of([]float32{1}, 1)},
		tensors{"x": ir.Of([]float32{1}, 1)},
		`"y"`,
	},
	{
		"an input has elements of another type", `g (float[?] x, int64[?] i) => (y) { y = Gather (x, i) }`,
		tensors{"x": ir.Of([]float32{1}, 1), "i": ints(0)},
		tensors{"x": ir.Of([]float32{1}, 1), "i": ir.Of([]float32{0}, 1)},
		"",
	},
	{
		"shapes that do not broadcast", `g (float[?] x, float[?] y) => (z) { z = Add (x, y) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "y": ir.Of([]float32{1}, 1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "y": ir.Of([]float32{1, 2, 3}, 3)},
		"Add",
	},
	{
		"matrices that do not fit", `g (float[?,?] x, float[?,?] y) => (z) { z = MatMul (x, y) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 1, 2), "y": ir.Of([]float32{1, 2}, 2, 1)},
		tensors{"x": ir.Of([]float32{1, 2}, 1, 2), "y": ir.Of([]float32{1, 2, 3}, 3, 1)},
		"MatMul",
	},
	{
		"an index out of range", `g (float[?] x, int64[?] i) => (y) { y = Gather (x, i) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ints(-2)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ints(2)},
		"Gather",
	},
	{
		"an index of a slice out of range", `g (float[?] x, int64[?,1] i) => (y) { y = GatherND (x, i) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ir.Of([]int64{1}, 1, 1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ir.Of([]int64{-3}, 1, 1)},
		"GatherND",
	},
	{
		"an index of an element out of range", `g (float[?] x, int64[?] i) => (y) { y = GatherElements (x, i) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ints(1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ints(2)},
		"GatherElements",
	},
	{
		"scattered out of range", `g (float[?] x, int64[?] i, float[?] u) => (y) { y = ScatterElements <reduction = "add"> (x, i, u) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ints(1), "u": ir.Of([]float32{1}, 1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ints(5), "u": ir.Of([]float32{1}, 1)},
		"ScatterElements",
	},
	{
		"too few updates", `g (float[?] x, int64[?,1] i, float[?] u) => (y) { y = ScatterND <reduction = "add"> (x, i, u) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ir.Of([]int64{1}, 1, 1), "u": ir.Of([]float32{1}, 1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "i": ir.Of([]int64{1, 0}, 2, 1), "u": ir.Of([]float32{1}, 1)},
		"ScatterND",
	},
	{
		"no such shape", `g (float[?] x, int64[2] s) => (y) { y = Reshape (x, s) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "s": ints(2, -1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "s": ints(3, -1)},
		"Reshape",
	},
	{
		"a negative shape", `g (float[?] x, int64[2] s) => (y) { y = Expand (x, s) }`,
		tensors{"x": ir.Of([]float32{1}, 1), "s": ints(2, 2)},
		tensors{"x": ir.Of([]float32{1}, 1), "s": ints(2, -2)},
		"Expand",
	},
	{
		"a shape that overflows", `g (int64[3] s) => (y) { y = ConstantOfShape (s) }`,
		tensors{"s": ints(2, 2, 1)},
		tensors{"s": ints(1<<33, 1<<33, 4)},
		"ConstantOfShape",
	},
	{
		"parts that do not add up", `g (float[?] x, int64[2] s) => (y, z) { y, z = Split (x, s) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "s": ints(1, 1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "s": ints(1, 2)},
		"Split",
	},
	{
		"parts of negative size", `g (float[?] x, int64[2] s) => (y, z) { y, z = Split (x, s) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "s": ints(1, 1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "s": ints(3, -1)},
		"Split",
	},
	{
		"an axis out of range", `g (float[?] x, int64[1] a) => (y) { y = ReduceSum (x, a) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "a": ints(-1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "a": ints(1)},
		"ReduceSum",
	},
	{
		"a window that does not fit", `g (float[1,1,?] x) => (y) { y = MaxPool <kernel_shape = [3]> (x) }`,
		tensors{"x": ir.Of([]float32{1, 2, 3}, 1, 1, 3)},
		tensors{"x": ir.Of([]float32{1, 2}, 1, 1, 2)},
		"MaxPool",
	},
	{
		"channels that do not fit", `g (float[1,?,?] x, float[?,?,?] w) => (y) { y = Conv (x, w) }`,
		tensors{"x": ir.Of([]float32{1, 2, 3}, 1, 1, 3), "w": ir.Of([]float32{1, 2}, 1, 1, 2)},
		tensors{"x": ir.Of([]float32{1, 2, 3, 4, 5, 6}, 1, 2, 3), "w": ir.Of([]float32{1, 2}, 1, 1, 2)},
		"Conv",
	},
	{
		"a bias that does not fit", `g (float[1,1,?] x, float[1,1,2] w, float[?] b) => (y) { y = Conv (x, w, b) }`,
		tensors{"x": ir.Of([]float32{1, 2, 3}, 1, 1, 3), "w": ir.Of([]float32{1, 2}, 1, 1, 2), "b": ir.Of([]float32{1}, 1)},
		tensors{"x": ir.Of([]float32{1, 2, 3}, 1, 1, 3), "w": ir.Of([]float32{1, 2}, 1, 1, 2), "b": ir.Of([]float32{}, 0)},
		"Conv",
	},
	{
		"more than there are", `g (float[?] x, int64[1] k) => (y) { y, i = TopK (x, k) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "k": ints(2)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "k": ints(3)},
		"TopK",
	},
	{
		"an endless range", `g (int64 a, int64 b, int64 d) => (y) { y = Range (a, b, d) }`,
		tensors{"a": ir.Of([]int64{1}), "b": ir.Of([]int64{3}), "d": ir.Of([]int64{1})},
		tensors{"a": ir.Of([]int64{1}), "b": ir.Of([]int64{3}), "d": ir.Of([]int64{0})},
		"Range",
	},
	{
		"pads that leave less than nothing", `g (float[?] x, int64[2] p) => (y) { y = Pad (x, p) }`,
		tensors{"x": ir.Of([]float32{1, 2}, 2), "p": ints(1, -1)},
		tensors{"x": ir.Of([]float32{1, 2}, 2), "p": ints(-2, -1)},
		"Pad",
	},
}

func testErrors(t *testing.T, b backend.Backend) {
	for _, c := range malformed {
		t.Run(c.name, func(t *testing.T) {
			s := session(t, b, parsed(t, c.text), backend.Options{})
			for range 2 {
				if _, err := s.Run(context.Background(), c.good); err != nil {
					t.Fatalf("a run with good inputs: %v", err)
				}
				_, err := s.Run(context.Background(), c.bad)
				if err == nil {
					t.Fatal("a run with bad inputs gives no error")
				}
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %q, want it to name %s", err, c.want)
				}
			}
		})
	}
	t.Run("an operator that nobody has", func(t *testing.T) {
		m := parsed(t, `g (float[2] x) => (y) { y = Neg (x) }`)
		for n := range m.Graph.Nodes() {
			n.Op = ir.OpName{Domain: "nobody", Name: "Has"}
		}
		if _, err := b.Compile(m, backend.Options{}); err == nil || !strings.Contains(err.Error(), "nobody.Has") {
			t.Errorf("compiling gives %v, want an error that names nobody.Has", err)
		}
	})
	t.Run("a context that is done", func(t *testing.T) {
		s := session(t, b, parsed(t, `g (float[2] x) => (y) { y = Neg (x) }`), backend.Options{})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := s.Run(ctx, tensors{"x": ir.Of([]float32{1, 2}, 2)}); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	})
	t.Run("a context that ends during a run", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		seen := 0
		s := session(t, b, chain(200), backend.Options{Trace: func(*ir.Node, []*ir.Tensor) error {
			if seen++; seen == 5 {
				cancel()
			}
			return nil
		}})
		if _, err := s.Run(ctx, tensors{"x": ir.Of([]float32{1, 2}, 2)}); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
		if seen > 6 {
			t.Errorf("%d nodes ran, want the run to end after 5 or 6", seen)
		}
	})
}

// chain is a model of n operators in a row.
func chain(n int) *ir.Model {
	m := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
	y := m.Graph.Input("x", ir.Type{Elem: ir.Float, Shape: []ir.Dim{ir.Sym("S")}})
	b := m.At(m.Graph, nil)
	for range n {
		y = b.Neg(y)
	}
	m.Graph.Outputs = []*ir.Value{b.Named("y", y)}
	return m
}
