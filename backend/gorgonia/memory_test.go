package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
)

// rerun replaces the kernel of step i of the first plan.
func (s *session) rerun(i int, k kernel) (old kernel) {
	st := &s.plans[0].steps[i]
	old, st.run = st.run, k
	return old
}

// TestFailedKernels says that a kernel that fails in any way ends the run with
// an error, leaves no memory behind, and does not spoil the session.
func TestFailedKernels(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		k    kernel
		want string
	}{
		{"an error", func(c *call) ([]*Value, error) { return nil, boom }, "Abs->b: boom"},
		{"an error with memory taken", func(c *call) ([]*Value, error) {
			v := c.new(ir.Float, 100)
			c.dense(v.view([]int{10, 10}, []int{1, 10}, 0))
			return []*Value{v}, boom
		}, "Abs->b: boom"},
		{"a panic", func(c *call) ([]*Value, error) { panic("boom") }, "Abs->b: inputs do not fit the operator: boom"},
		{"a panic of the runtime", func(c *call) ([]*Value, error) { return one(c.in[c.in[0].len()]) }, "index out of range"},
		{"a panic with memory taken", func(c *call) ([]*Value, error) {
			c.reuse(0, ir.Float, []int{1 << 20})
			panic("boom")
		}, "boom"},
		{"a panic of a worker", func(c *call) ([]*Value, error) {
			c.engine.Run(8, func(int) { panic("boom") })
			return nil, nil
		}, "boom"},
		{"too few outputs", func(c *call) ([]*Value, error) { return nil, nil }, "0 outputs computed, want 1"},
		{"an output that is missing", func(c *call) ([]*Value, error) { return one(nil) }, "output 0 was not computed"},
		{"a view beyond its buffer", func(c *call) ([]*Value, error) {
			return one(c.in[0].view([]int{1 << 20}, nil, 0))
		}, "reaches beyond its elements"},
		{"a view before its buffer", func(c *call) ([]*Value, error) {
			return one(c.in[0].view([]int{2}, []int{-1}, 0))
		}, "reaches beyond its elements"},
		{"a negative shape", func(c *call) ([]*Value, error) {
			return one(c.in[0].view([]int{-1, -1}, nil, 0))
		}, "negative"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, parsed(t, `g (float[3] x) => (y) {
  a = Exp (x)
  b = Abs (a)
  y = Sub (a, b)
}`), backend.Options{})
			in := tensors{"x": ones(3)}
			old := s.rerun(1, tt.k)
			for range 2 {
				_, err := s.Run(context.Background(), in)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got error %v, want %q", err, tt.want)
				}
				if s.memory.live != 0 {
					t.Fatalf("%d bytes are live after the error", s.memory.live)
				}
			}
			s.rerun(1, old)
			if d := cmp.Diff([]float64{0, 0, 0}, ran(t, s, in)); d != "" {
				t.Errorf("y after the errors (-want +got):\n%s", d)
			}
		})
	}
}

// TestPeak says that a chain needs two buffers, however long it is, even if
// nothing may be overwritten.
func TestPeak(t *testing.T) {
	const elements = 1 << 18 // 1 MiB
	for _, tt := range []struct {
		name  string
		step  func(b *ir.Builder, x *ir.Value) *ir.Value
		limit int64 // buffers
	}{
		{"in place", func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Neg(x) }, 1},
		{"into another buffer", func(b *ir.Builder, x *ir.Value) *ir.Value { return b.OpA("CumSum", nil, x, b.Ints(0)) }, 2},
		{"with a residual", func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Add(x, b.Neg(b.Op("Exp", x))) }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := built(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
				for range 64 {
					x = tt.step(b, x)
				}
				return x
			})
			s := open(t, m, backend.Options{})
			for range 3 { // Gorgonia itself needs twice as much from the second run on
				ran(t, s, tensors{"x": ones(elements)})
			}
			const small = 1 << 16 // constants and the like
			if peak := s.Stats().Peak; peak > tt.limit*4*elements+small {
				t.Errorf("peak is %d bytes, want at most %d buffers of %d", peak, tt.limit, 4*elements)
			}
		})
	}
}

// TestRunsDoNotLeak runs a model a thousand times, with results of several
// sizes, and looks at the heap.
func TestRunsDoNotLeak(t *testing.T) {
	m := built(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		for range 100 {
			x = b.Add(b.Neg(x), b.Scale(x, 0.5))
		}
		return x
	})
	s := open(t, m, backend.Options{})
	heap := func() int64 {
		var st runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&st)
		return int64(st.HeapAlloc)
	}
	var before int64
	for i := range 1000 {
		if i == 100 {
			before = heap()
		}
		ran(t, s, tensors{"x": ones(1 + i%7)})
	}
	// 300 nodes of 900 runs: a pointer kept by each would be 2 MB.
	if grown := heap() - before; grown > 256<<10 {
		t.Errorf("the heap has grown by %d bytes in 900 runs", grown)
	}
}

// TestIdleMemoryIsBounded says that buffers of sizes that are not used any more
// are let go.
func TestIdleMemoryIsBounded(t *testing.T) {
	var m memory
	for i := range 200 {
		m.put(m.alloc(8<<20 + i<<20))
	}
	if m.held > maxIdle+512<<20 {
		t.Errorf("%d bytes are idle", m.held)
	}
	if m.live != 0 {
		t.Errorf("%d bytes are live", m.live)
	}
}

func TestMemoryGivenBackTwice(t *testing.T) {
	var m memory
	b := m.alloc(10)
	m.put(b)
	defer func() {
		if recover() == nil {
			t.Error("giving a buffer back twice does not panic")
		}
	}()
	m.put(b)
}

// TestUnalignedWeights says that a constant may lie anywhere in a mapped file.
func TestUnalignedWeights(t *testing.T) {
	for shift := range 8 {
		m := parsed(t, `g (float[2,3] x, int64[2] i) => (y)
<float[3,3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9}, float[3] b = {1, -1, 2}, int64[1] a = {1}> {
  p = MatMul (x, w)
  t = Transpose (w)
  q = MatMul (p, t)
  r = Add (q, b)
  s = ReduceSum <keepdims = 1> (r, a)
  g = Gather (w, i)
  y = Add (s, g)
}`)
		in := tensors{"x": ir.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3), "i": ir.Of([]int64{2, 0}, 2)}
		want := inFloat64(t, m, in)
		for _, v := range m.Graph.Consts {
			v.Data.Raw = append(make([]byte, shift, shift+len(v.Data.Raw)), v.Data.Raw...)[shift:]
		}
		if d := cmp.Diff(want, ran(t, open(t, m, backend.Options{}), in), near); d != "" {
			t.Errorf("weights at an address of %d mod 8: y (-want +got):\n%s", shift, d)
		}
	}
}

// TestPackedWeights says that elements narrower than a byte get through: 1, -2,
// 3, -8 and 7 are the bytes e1 83 07.
func TestPackedWeights(t *testing.T) {
	m := parsed(t, `g (float[2] x) => (y, w) <int4[5] w = {225, 131, 7}, float s = {0.5}> {
  d = DequantizeLinear (w, s)
  a = ReduceSum <keepdims = 0> (d)
  y = Mul (x, a)
}`)
	s := open(t, m, backend.Options{})
	out, err := s.Run(context.Background(), tensors{"x": ir.Of([]float32{1, 2}, 2)})
	if err != nil {
		t.Fatal(err)
	}
	w, err := out["w"].Int64s()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int64{1, -2, 3, -8, 7}, w); d != "" {
		t.Errorf("w (-want +got):\n%s", d)
	}
	y, err := out["y"].Float64s()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float64{0.5, 1}, y); d != "" {
		t.Errorf("y (-want +got):\n%s", d)
	}
}

func TestInputsAreChecked(t *testing.T) {
	m := parsed(t, `g (float[S,2] x, float[S,?] z, int64[3] i, float[S] unread) => (y) { y = Add (x, z) }`)
	good := tensors{
		"x": ir.Of([]float32{1, 2}, 1, 2), "z": ir.Of([]float32{1, 2}, 1, 2), "i": ir.Of([]int64{1, 2, 3}, 3),
		"unread": ir.Of([]float32(nil), 0), // its S is not that of the others, and nothing asks
	}
	s := open(t, m, backend.Options{})
	ran(t, s, good)
	for _, tt := range []struct {
		name, input string
		t           *ir.Tensor
		want        string
	}{
		{"missing", "i", nil, `input "i" is missing`},
		{"another type", "i", ir.Of([]int32{1, 2, 3}, 3), `input "i": got elements of type int32, want int64`},
		{"another dimension", "x", ir.Of([]float32{1, 2, 3}, 1, 3), `input "x": got shape [1 3], want float[S,2]`},
		{"another rank", "x", ir.Of([]float32{1, 2}, 2), `input "x": got shape [2], want float[S,2]`},
		{"a symbol that is two numbers", "z", ir.Of([]float32{1, 2}, 2, 1), `input "z": got shape [2 1], want float[S,?], where S is 1 elsewhere`},
		{"too few bytes", "x", &ir.Tensor{Elem: ir.Float, Shape: []int{1, 2}, Raw: make([]byte, 7)}, `input "x": 7 bytes for float[1,2], want 8`},
		{"a negative shape", "x", &ir.Tensor{Elem: ir.Float, Shape: []int{-1, 2}}, `input "x": negative dimension -1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := tensors{tt.input: tt.t}
			for name, x := range good {
				if name != tt.input {
					in[name] = x
				}
			}
			_, err := s.Run(context.Background(), in)
			if got := fmt.Sprint(err); got != tt.want {
				t.Errorf("got error %s, want %s", got, tt.want)
			}
		})
	}
}

// TestClosedSessionIsCollected says that nothing keeps a session, with all memory
// that its runs have taken, once it is closed and forgotten.
func TestClosedSessionIsCollected(t *testing.T) {
	m := built(t, func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Neg(x) })
	forgotten := func() weak.Pointer[session] {
		s, err := backend.Open(engine{}, m, backend.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ran(t, s.(*session), tensors{"x": ones(3)})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return weak.Make(s.(*session))
	}()
	for range 3 { // goroutines of workers may need a moment to end
		runtime.GC()
		if forgotten.Value() == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a closed session is still held")
}
