package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

func testSessions(t *testing.T, b backend.Backend) {
	t.Run("one session takes sequences of several lengths", func(t *testing.T) { severalLengths(t, b) })
	t.Run("sessions run in parallel", func(t *testing.T) { parallel(t, b) })
	t.Run("inputs are not written to", func(t *testing.T) { inputsStay(t, b) })
	t.Run("results stay when the session goes on", func(t *testing.T) { resultsStay(t, b) })
	t.Run("WatchNaN finds the node", func(t *testing.T) { watchNaN(t, b) })
	t.Run("WatchNaN blames nobody for its inputs", func(t *testing.T) { watchInputs(t, b) })
	t.Run("WatchNaN sees a NaN made of an infinity", func(t *testing.T) { watchMasks(t, b) })
	t.Run("Trace sees every node", func(t *testing.T) { trace(t, b) })
	t.Run("an error of Trace ends the run", func(t *testing.T) { traceError(t, b) })
	t.Run("Progress goes from 1 to the number of nodes", func(t *testing.T) { progress(t, b) })
	t.Run("Stats counts nodes and weights", func(t *testing.T) { stats(t, b) })
}

// attention is a small model of the usual kinds of node, with a symbolic length.
const attention = `g (float[B,S,4] x) => (y, p)
<float[4,4] wq = {0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, 0.8, 0.9, -1, 0.2, 0.4, -0.3, 0.1, 0.6, -0.7},
 float[4,4] wk = {0.3, 0.1, -0.4, 0.2, -0.1, 0.9, 0.2, -0.8, 0.6, 0.3, -0.5, 0.7, 0.4, -0.9, 0.1, 0.2},
 float[4] g = {1, 2, 0.5, -1}> {
  n = RMSNormalization (x, g)
  q = MatMul (n, wq)
  k = MatMul (n, wk)
  t = Transpose <perm = [0, 2, 1]> (k)
  s = MatMul (q, t)
  p = Softmax (s)
  v = MatMul (p, n)
  y = Add (x, v)
}`

func input(key string, shape ...int) *ir.Tensor {
	return must(tensorOf(ir.Float, shape, draw(key, count(shape), -2, 2)))
}

func severalLengths(t *testing.T, b backend.Backend) {
	s := session(t, b, parsed(t, attention), backend.Options{})
	for _, n := range []int{5, 1, 3, 0, 7, 64, 5} {
		in := tensors{"x": input(fmt.Sprint(n), 2, n, 4)}
		compareRun(t, s, parsed(t, attention), in)
	}
}

// compareRun compares a run of a session with the model's in float64.
func compareRun(t *testing.T, s backend.Session, m *ir.Model, in tensors) {
	t.Helper()
	want, err := run(reference.NewDouble(), m, in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range m.Graph.Outputs {
		if err := agree(got[v.Name], want[v.Name], v.Type.Elem); err != nil {
			t.Errorf("output %s for inputs of shape %v: %v", v, in["x"].Shape, err)
		}
	}
}

// shared are models of which sessions could share more than they may: graphs in
// attributes, which read values around them, bodies that are written for a run,
// and functions.
var shared = []struct{ name, text string }{
	{"a layer of attention", attention},
	{"graphs in graphs", `g (float[B,S,4] x) => (y) <int64 three = {3}, float[4] w = {1, -0.5, 0.25, 2}> {
  h = Tanh (x)
  u = Loop <body = b (int64 i, bool go, float[B,S,4] v) => (bool on, float[B,S,4] r) {
    first = Equal (i, three)
    p = If <
      then_branch = t () => (float[B,S,4] a) { a = Mul (v, h) },
      else_branch = e () => (float[B,S,4] c) { d = Mul (v, w) c = Add (d, x) }
    > (first)
    r = Tanh (p)
    on = Identity (go)
  }> (three, , x)
  y = Add (u, h)
}`},
	{"a body with a graph that reads from around it", `g (float[B,S,4] x) => (y) <int64[1] one = {1}, float half = {0.5}> {
  q = Unsqueeze (x, one)
  m = ReduceMax <keepdims = 0> (x)
  f = ai.onnx.preview.FlexAttention <
    score_mod = a (float[B,1,S,S] s) => (float[B,1,S,S] t) { c = Mul (s, half) d = Sub (c, m) t = Tanh (d) }
  > (q, q, q)
  y = Squeeze (f, one)
}`},
	{"a body that is written for each length", `g (float[B,S,4] x) => (y) <float[1,8,4] w = {
  1, 2, 3, 4, -1, -2, -3, -4, 0.1, 0.2, 0.3, 0.4, 1, 0, -1, 0, 0.5, 0.5, 0.5, 0.5, 2, 1, 0, -1, 0.3, -0.3, 0.3, -0.3, 1, 1, -1, -1
}, float[1,8,2] r = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, -0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7, -0.8}> {
  t = Transpose <perm = [1, 0, 2]> (x)
  y, = LSTM <hidden_size = 2> (t, w, r)
}`},
	{"a function", `<ir_version: 10, opset_import: ["" : 24, "lxt" : 1]>
g (float[B,S,4] x) => (y) {
  h = lxt.Gate (x)
  y = lxt.Gate (h)
}
<opset_import: ["" : 24], domain: "lxt">
Gate (x) => (y) {
  s = Sigmoid (x)
  y = Mul (x, s)
}`},
}

// parallel runs sessions of one program at once; the race detector watches what
// they share.
func parallel(t *testing.T, b backend.Backend) {
	for _, c := range shared {
		t.Run(c.name, func(t *testing.T) {
			m := parsed(t, c.text)
			p, err := b.Compile(m, backend.Options{Threads: 2})
			if err != nil { // a backend may want bodies in the place of what it lacks
				for n := range m.Graph.Nodes() {
					if b.Supports(n) == nil {
						continue
					}
					if err := ir.Inline(m, n); err != nil {
						t.Skip(err)
					}
				}
				for n := range m.Graph.Nodes() {
					if err := b.Supports(n); err != nil {
						t.Skip(err)
					}
				}
				if p, err = b.Compile(m, backend.Options{Threads: 2}); err != nil {
					t.Fatal(err)
				}
			}
			before := m.Text()
			oracle := parsed(t, c.text)
			want := map[string]*ir.Tensor{}
			for n := 1; n <= 5; n++ {
				out, err := run(reference.NewDouble(), oracle, tensors{"x": input(fmt.Sprint(n), 2, n, 4)})
				if err != nil {
					t.Fatal(err)
				}
				want[fmt.Sprint(n)] = out["y"]
			}
			var wg sync.WaitGroup
			for k := range 4 {
				s, err := p.NewSession()
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					defer s.Close()
					for i := range 10 {
						n := 1 + (i*3+k)%5
						got, err := s.Run(context.Background(), tensors{"x": input(fmt.Sprint(n), 2, n, 4)})
						if err != nil {
							t.Error(err)
							return
						}
						if err := agree(got["y"], want[fmt.Sprint(n)], ir.Float); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if d := cmp.Diff(before, m.Text()); d != "" {
				t.Errorf("running has changed the model:\n%s", d)
			}
		})
	}
}

func inputsStay(t *testing.T, b backend.Backend) {
	const text = `g (float[2,3] x, float[3] y) => (z) {
  a = Add (x, y)
  i = Identity (x)
  b = Relu (i)
  s = Softmax (x)
  e = Exp (y)
  z = Sum (a, b, s, e)
}`
	s := session(t, b, parsed(t, text), backend.Options{})
	in := tensors{"x": input("x", 2, 3), "y": input("y", 3)}
	x, y := bytes.Clone(in["x"].Raw), bytes.Clone(in["y"].Raw)
	compareRun(t, s, parsed(t, text), in)
	if !bytes.Equal(x, in["x"].Raw) || !bytes.Equal(y, in["y"].Raw) {
		t.Error("an input has changed")
	}
}

func resultsStay(t *testing.T, b backend.Backend) {
	const text = `g (float[4] x) => (y, float[4] x) { y = Exp (x) }`
	s := session(t, b, parsed(t, text), backend.Options{})
	first, err := s.Run(context.Background(), tensors{"x": input("a", 4)})
	if err != nil {
		t.Fatal(err)
	}
	before := map[string][]byte{"x": bytes.Clone(first["x"].Raw), "y": bytes.Clone(first["y"].Raw)}
	if _, err := s.Run(context.Background(), tensors{"x": input("b", 4)}); err != nil {
		t.Fatal(err)
	}
	for name, raw := range before {
		if !bytes.Equal(first[name].Raw, raw) {
			t.Errorf("output %s of the first run has changed with the second", name)
		}
	}
}

func watchNaN(t *testing.T, b backend.Backend) {
	m := parsed(t, `g (float[2] x) => (y) {
  a = Neg (x)
  l = Log (a)
  y = Exp (l)
}`)
	s := session(t, b, m, backend.Options{WatchNaN: true})
	if _, err := s.Run(context.Background(), tensors{"x": ir.Of([]float32{-1, -2}, 2)}); err != nil {
		t.Fatal(err)
	}
	for _, x := range [][]float32{{-1, 2}, {0, -1}} { // NaN, -∞
		_, err := s.Run(context.Background(), tensors{"x": ir.Of(x, 2)})
		if err == nil || !strings.Contains(err.Error(), "Log->l") {
			t.Errorf("got error %v for %v, want one that names Log->l", err, x)
		}
	}
}

func watchInputs(t *testing.T, b backend.Backend) {
	m := parsed(t, `g (float[2,3] x) => (y) {
  t = Transpose (x)
  a = Neg (t)
  y = Transpose (a)
}`)
	s := session(t, b, m, backend.Options{WatchNaN: true})
	x := ir.Of([]float32{1, 2, float32(math.NaN()), 4, float32(math.Inf(1)), 6}, 2, 3)
	if _, err := s.Run(context.Background(), tensors{"x": x}); err != nil {
		t.Error(err)
	}
}

// A mask of -∞ times 0 is no number, and a gradient that holds one is not to be
// excused by the mask; a softmax over nothing but a mask is, if the model asks.
func watchMasks(t *testing.T, b backend.Backend) {
	m := parsed(t, `g (float[2,2] mask, float[2,2] g) => (r, y) {
  s = Softmax (mask)
  n = IsNaN (s)
  z = Constant <value = float {0}> ()
  y = Where (n, z, s)
  r = Mul (mask, g)
}`)
	s := session(t, b, m, backend.Options{WatchNaN: true})
	inf := float32(math.Inf(-1))
	mask := ir.Of([]float32{1, inf, inf, inf}, 2, 2)
	if _, err := s.Run(context.Background(), tensors{"mask": mask, "g": ir.Of([]float32{1, 2, 3, 4}, 2, 2)}); err != nil {
		t.Error(err)
	}
	_, err := s.Run(context.Background(), tensors{"mask": mask, "g": ir.Of([]float32{1, 2, 0, 4}, 2, 2)})
	if err == nil || !strings.Contains(err.Error(), "Mul->r") {
		t.Errorf("got error %v, want one that names Mul->r", err)
	}
}

func trace(t *testing.T, b backend.Backend) {
	m := parsed(t, `g (float[2,2] x) => (y) {
  a = Transpose (x)
  k = Constant <value = int64[1] {1}> ()
  l, = TopK (a, k)
  y = Neg (l)
}`)
	var got []string
	s := session(t, b, m, backend.Options{Trace: func(n *ir.Node, out []*ir.Tensor) error {
		if len(out) != len(n.Out) {
			return fmt.Errorf("%d outputs of %v, want %d", len(out), n, len(n.Out))
		}
		xs, err := out[0].Float64s()
		if err != nil {
			return err
		}
		got = append(got, fmt.Sprint(n.Op, " ", out[0].Shape, xs))
		return nil
	}})
	if _, err := s.Run(context.Background(), tensors{"x": ir.Of([]float32{1, 2, 3, 4}, 2, 2)}); err != nil {
		t.Fatal(err)
	}
	want := []string{"Transpose [2 2] [1 3 2 4]", "Constant [1] [1]", "TopK [2 1] [3 4]", "Neg [2 1] [-3 -4]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("trace (-want +got):\n%s", d)
	}
}

func traceError(t *testing.T, b backend.Backend) {
	enough := errors.New("enough")
	seen := 0
	s := session(t, b, chain(10), backend.Options{Trace: func(*ir.Node, []*ir.Tensor) error {
		if seen++; seen == 3 {
			return enough
		}
		return nil
	}})
	if _, err := s.Run(context.Background(), tensors{"x": input("x", 2)}); !errors.Is(err, enough) {
		t.Errorf("got error %v, want %v", err, enough)
	}
	if seen != 3 {
		t.Errorf("%d nodes ran, want 3", seen)
	}
}

func progress(t *testing.T, b backend.Backend) {
	var last, calls int
	s := session(t, b, chain(600), backend.Options{Progress: func(done, total int) {
		if calls++; done <= last || done > total || total != 600 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}})
	for range 2 {
		last, calls = 0, 0
		if _, err := s.Run(context.Background(), tensors{"x": input("x", 2)}); err != nil {
			t.Fatal(err)
		}
		if last != 600 || calls == 0 {
			t.Errorf("progress ended with %d after %d calls, want 600", last, calls)
		}
	}
}

func stats(t *testing.T, b backend.Backend) {
	s := session(t, b, parsed(t, attention), backend.Options{})
	st := s.Stats()
	if st.Nodes != 8 || st.Weights != 4*(16+16+4) || st.Segments < 1 {
		t.Errorf("got %+v, want 8 nodes, 144 bytes of weights and a segment or more", st)
	}
}
