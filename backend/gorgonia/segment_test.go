package gorgonia

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	G "gorgonia.org/gorgonia"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// TestOrder says that the tape runs nodes in the order of the IR, whatever the
// graph looks like: schedules and recomputation rest on it.
func TestOrder(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		m := built(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
			vals := []*ir.Value{x}
			recent := 1 + r.IntN(200) // 1 is a chain, 200 is wide
			for range 400 {
				from := max(0, len(vals)-recent)
				pick := func() *ir.Value { return vals[from+r.IntN(len(vals)-from)] }
				vals = append(vals, b.Sub(pick(), pick()))
			}
			return vals[len(vals)-1]
		})
		var want, got []*ir.Node
		for n := range m.Graph.Nodes() {
			want = append(want, n)
		}
		s := open(t, m, backend.Options{Trace: func(n *ir.Node, _ []*ir.Tensor) error {
			got = append(got, n)
			return nil
		}})
		ran(t, s, tensors{"x": ones(3)})
		if len(got) != len(want) {
			t.Fatalf("%d nodes ran, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("seed %d: node %d is %v, want %v", seed, i, got[i], want[i])
			}
		}
	}
}

// TestHashes says that hashOf predicts the hashes of Gorgonia's nodes, and that
// the nodes of a segment have different ones. A wrong prediction panics.
func TestHashes(t *testing.T) {
	b := &exprBuilder{g: G.NewGraph(), taken: map[uint32]bool{}}
	matrix := ir.TypeOf(ir.Float, 2, 3)
	x, y := b.input("x", matrix), b.input("y", ir.TypeOf(ir.Int64))
	again := func() *op { return &op{pick: -1, id: "Same", t: nodeType(matrix)} }
	nodes := G.Nodes{x, y}
	for range 3 {
		nodes = append(nodes, b.add(again(), matrix, G.Nodes{x, y}), b.add(again(), matrix, G.Nodes{y, x}), b.add(again(), matrix, nil))
	}
	seen := map[uint32]bool{}
	for _, n := range nodes {
		if seen[n.Hashcode()] {
			t.Errorf("%v has the hash of another node", n)
		}
		seen[n.Hashcode()] = true
	}
}

// TestHashCollision says that two nodes whose hashes would be equal do not
// become one, which is what Gorgonia makes of them.
func TestHashCollision(t *testing.T) {
	b := &exprBuilder{g: G.NewGraph(), taken: map[uint32]bool{}}
	scalar := ir.Type{Elem: ir.Float, Shape: []ir.Dim{}}
	x := b.input("x", scalar)
	opOf := func(i int) *op {
		return &op{seg: &segment{}, pick: -1, id: fmt.Sprintf("Neg#%d", i), t: nodeType(scalar)}
	}
	first := map[uint32]int{}
	for i := range 1 << 20 { // at 2³² hashes the odds are good from 2¹⁷ on
		h := hashOf(opOf(i), nil, G.Nodes{x})
		j, met := first[h]
		if !met {
			first[h] = i
			continue
		}
		m := b.add(opOf(j), scalar, G.Nodes{x})
		n := b.add(opOf(i), scalar, G.Nodes{x})
		if m.Hashcode() == n.Hashcode() {
			t.Errorf("Neg#%d and Neg#%d have the same hash", i, j)
		}
		if m.Op().String() == opOf(j).id && n.Op().String() == opOf(i).id {
			t.Errorf("neither of Neg#%d and Neg#%d was salted", i, j)
		}
		return
	}
	t.Fatal("no two of a million hashes are equal")
}

// layered is a model of layers that f makes, and that are long enough for segments
// of their own.
func layered(t *testing.T, layers int, f func(b *ir.Builder, i int, x *ir.Value) *ir.Value) *ir.Model {
	return built(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		for i := range layers {
			b.Scopes = []ir.Scope{{Name: "model", Class: "Model"}, {Name: fmt.Sprintf("model.layers.%d.mlp", i)}}
			x = f(b, i, x)
			for range minSegment {
				x = b.Neg(x)
			}
		}
		return x
	})
}

func TestShortLayersAreJoined(t *testing.T) {
	m := built(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		for i := range 3 * minSegment {
			b.Scopes = []ir.Scope{{Name: fmt.Sprintf("features.%d", i)}}
			x = b.Op([]string{"Neg", "Abs"}[i%2], x)
		}
		return x
	})
	runs := cut(m.Graph)
	for i, run := range runs {
		if len(run) != minSegment {
			t.Errorf("run %d of %d has %d nodes, want %d", i, len(runs), len(run), minSegment)
		}
	}
}

func TestLayersShareASegment(t *testing.T) {
	m := layered(t, 12, func(b *ir.Builder, i int, x *ir.Value) *ir.Value {
		w := b.Graph.Const("w", ir.Of([]float32{float32(i)}))
		// What a node's attributes are does not matter to a segment.
		alpha := ir.Attrs{{Name: "alpha", Value: float32(i)}}
		return b.Add(b.Mul(b.OpA("LeakyRelu", alpha, b.Neg(x)), w), x)
	})
	s := open(t, m, backend.Options{})
	if n := s.Stats().Segments; n != 1 {
		t.Errorf("12 equal layers are %d segments, want 1", n)
	}
	in := tensors{"x": ir.Of([]float32{1, -1, 3}, 3)}
	if d := cmp.Diff(inFloat64(t, m, in), ran(t, s, in), near); d != "" {
		t.Errorf("y (-want +got):\n%s", d)
	}
}

func TestLayersThatDifferDoNotShareASegment(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    func(b *ir.Builder, i int, x *ir.Value) *ir.Value
	}{
		{"operands swapped", func(b *ir.Builder, i int, x *ir.Value) *ir.Value {
			y := b.Neg(x)
			if i == 1 {
				return b.Sub(y, x)
			}
			return b.Sub(x, y)
		}},
		{"another output left out", func(b *ir.Builder, i int, x *ir.Value) *ir.Value {
			n := b.Node(ir.OpName{Name: "Split"}, ir.Attrs{{Name: "num_outputs", Value: int64(2)}}, b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}}, x, b.Neg(x)))
			kept := n.Out[i]
			n.Out[1-i] = nil
			return b.Mul(kept, b.Op("Exp", kept))
		}},
		{"another operator", func(b *ir.Builder, i int, x *ir.Value) *ir.Value { return b.Op([]string{"Neg", "Abs"}[i], x) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := layered(t, 2, tt.f)
			s := open(t, m, backend.Options{})
			if n := s.Stats().Segments; n != 2 {
				t.Errorf("%d segments, want 2", n)
			}
			in := tensors{"x": ir.Of([]float32{0.5, -0.25}, 2)}
			if d := cmp.Diff(inFloat64(t, m, in), ran(t, s, in), near); d != "" {
				t.Errorf("y (-want +got):\n%s", d)
			}
		})
	}
}

// TestLongLayerIsCut says that compiling stays cheap without layers.
func TestLongLayerIsCut(t *testing.T) {
	m := built(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		for range 2*maxSegment + 7 {
			x = b.Neg(x)
		}
		return x
	})
	s := open(t, m, backend.Options{})
	if len(s.segments) != 3 || s.Stats().Segments != 2 {
		t.Errorf("%d segments, %d of them different; want 3 and 2", len(s.segments), s.Stats().Segments)
	}
	if got := ran(t, s, tensors{"x": ones(1)}); got[0] != -1 {
		t.Errorf("y is %g, want -1", got[0])
	}
}

// near compares float32 results of a few operators.
var near = cmpopts.EquateApprox(1e-6, 1e-6)

// inFloat64 returns the elements of output y, from the interpreter.
func inFloat64(t *testing.T, m *ir.Model, in tensors) []float64 {
	t.Helper()
	out, err := backend.Run(context.Background(), reference.NewDouble(), m, backend.Options{}, in)
	if err != nil {
		t.Fatal(err)
	}
	xs, err := out["y"].Float64s()
	if err != nil {
		t.Fatal(err)
	}
	return xs
}
