package gorgonia

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// TestControl runs graphs in attributes, which read values from around them,
// twice, and compares with the interpreter.
func TestControl(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		in         tensors
	}{
		{"a branch that reads from around it", `
g (bool c, float[S] x, float[S] z) => (y, d) {
  d = Add (x, z)
  y = If <
    then_branch = a () => (float[S] p) { p = Mul (d, x) },
    else_branch = b () => (float[S] q) { q = Sub (d, z) }
  > (c)
}`, tensors{"c": ir.Of([]bool{true}), "x": ones(3), "z": ones(3)}},
		{"a loop that ends itself and stacks up what it makes", `
g (float[S] x, int64 m) => (y, s) {
  w = Add (x, x)
  y, s = Loop <body = b (int64 i, bool go, float[S] v) => (bool on, float[S] u, float r) {
    u = Add (v, w)
    r = ReduceMax <keepdims = 0> (u)
    top = Constant <value_float = 8.0> ()
    on = Less (r, top)
  }> (m, , x)
}`, tensors{"x": ones(4), "m": ir.Of([]int64{10})}},
		{"a loop within a branch", `
g (bool c, int64 m, float[S] x) => (y) {
  y = If <
    then_branch = a () => (float[S] p) {
      p = Loop <body = b (int64 i, bool go, float[S] v) => (bool on, float[S] u) {
        u = Mul (v, x)
        on = Identity (go)
      }> (m, , x)
    },
    else_branch = e () => (float[S] q) { q = Neg (x) }
  > (c)
}`, tensors{"c": ir.Of([]bool{true}), "m": ir.Of([]int64{3}), "x": ir.Of([]float32{1, 2, 3}, 3)}},
		{"a scan of columns from the end", `
g (float[2,S] x, float[2] z) => (last, y) {
  last, y = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_input_directions = [1], scan_output_axes = [1],
    body = b (float[2] s, float[2] v) => (float[2] t, float[2] o) {
      t = Add (s, v)
      o = Mul (t, z)
    }> (z, x)
}`, tensors{"x": ir.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3), "z": ir.Of([]float32{1, 2}, 2)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := parsed(t, tt.text)
			r, err := backend.Open(reference.New(), m, backend.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want, err := r.Run(context.Background(), tt.in)
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, m, backend.Options{})
			for range 2 {
				got, err := s.Run(context.Background(), tt.in)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" { // sums and products of small whole numbers: no rounding
					t.Errorf("(-interpreter +gorgonia)\n%s", d)
				}
			}
		})
	}
}

// TestCompileAtOnce says that several goroutines may compile a model with graphs in
// attributes at once: compiling does not touch what reads its values.
func TestCompileAtOnce(t *testing.T) {
	var text strings.Builder
	text.WriteString("g (bool c, float[S] x) => (y) {\n  v0 = Neg (x)\n")
	const branches = 20
	for i := range branches {
		fmt.Fprintf(&text, `  v%d = If <
    then_branch = a%d () => (float[S] p) { p = Add (v0, x) },
    else_branch = b%d () => (float[S] q) { q = Sub (v0, v%d) }
  > (c)
`, i+1, i, i, i)
	}
	fmt.Fprintf(&text, "  y = Neg (v%d)\n}", branches)
	m := parsed(t, text.String())
	var all sync.WaitGroup
	var ended atomic.Bool
	for range 4 {
		all.Go(func() {
			for range 10 {
				if _, err := (engine{}).Compile(m, backend.Options{}); err != nil {
					t.Error(err)
				}
			}
			ended.Store(true)
		})
	}
	v := m.Graph.Find("v0")
	readers := v.NumUses()
	for !ended.Load() {
		if n := v.NumUses(); n != readers {
			t.Errorf("%v had %d readers, and while it was compiled %d", v, readers, n)
			break
		}
	}
	all.Wait()
	got := ran(t, open(t, m, backend.Options{}), tensors{"c": ir.Of([]bool{true}), "x": ones(2)})
	if d := cmp.Diff([]float64{0, 0}, got); d != "" {
		t.Errorf("y (-want +got):\n%s", d)
	}
}
