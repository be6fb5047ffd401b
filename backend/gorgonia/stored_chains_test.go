package gorgonia

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
)

// TestChainsOnStoredWeights compares random chains of views, choices and
// elementwise operators on a weight with unpacked weights.
func TestChainsOnStoredWeights(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(5, seed))
		s := newStoredModel(r)
		rank := 2 + r.IntN(2)
		dims := []int{1 + r.IntN(5), 20 + r.IntN(60), 20 + r.IntN(60)}[3-rank:]
		w := smallWeight(s.Builder, r, dims...)
		what := describe(w)
		shape := func(v *ir.Value) []int {
			out := []int{}
			for _, d := range v.Type.Shape {
				k, _ := d.Num()
				out = append(out, int(k))
			}
			return out
		}
		for range 1 + r.IntN(6) {
			sh := shape(w)
			n := len(sh)
			switch r.IntN(9) {
			case 0:
				perm := r.Perm(n)
				p := []int64{}
				for _, k := range perm {
					p = append(p, int64(k))
				}
				w = s.OpA("Transpose", ir.Attrs{{Name: "perm", Value: p}}, w)
			case 1:
				a := r.IntN(n)
				step := []int64{1, 1, 1, 2, -1}[r.IntN(5)]
				lo, hi := int64(r.IntN(sh[a])), int64(sh[a])
				if r.IntN(2) == 0 {
					lo = 0
				}
				if r.IntN(2) == 0 && lo+1 < hi {
					hi = lo + 1 + int64(r.IntN(int(hi-lo)))
				}
				if step < 0 {
					lo, hi = 1000, -1000
				}
				w = s.Op("Slice", w, s.Ints(lo), s.Ints(hi), s.Ints(int64(a)), s.Ints(step))
			case 2:
				ids := make([]int64, 1+r.IntN(6))
				for i := range ids {
					ids[i] = int64(r.IntN(sh[0]))
				}
				w = gatherOf(s.Builder, w, s.Constant(ir.Of(ids, len(ids))))
			case 3:
				w = s.Op("Relu", w)
			case 4:
				a := r.IntN(n)
				vs := make([]int, n-a)
				for i := range vs {
					vs[i] = 1
				}
				vs[0] = sh[a]
				w = s.Mul(w, s.input("v", vs...))
			case 5:
				w = s.Add(w, s.Op("Abs", w))
			case 6:
				a := r.IntN(n + 1)
				if n < 4 {
					w = s.Op("Unsqueeze", w, s.Ints(int64(a)))
				}
			case 7:
				if n > 2 && r.IntN(3) == 0 {
					w = s.Op("Reshape", w, s.Ints(-1, int64(sh[n-1])))
				}
			case 8:
				if n > 2 && r.IntN(2) == 0 {
					w = gatherOf(s.Builder, w, s.Constant(ir.Of([]int64{int64(r.IntN(sh[0]))})))
				}
			}
			if s.Err() != nil {
				t.Fatal(s.Err())
			}
			what += " " + w.Def.String() + fmt.Sprint(w.Def.Attrs)
		}
		sh := shape(w)
		n := len(sh)
		if n < 2 {
			continue
		}
		lead := append([]int{}, sh[:n-2]...)
		m := 2 + r.IntN(4)
		s.output(s.MatMul(s.input("x", append(append([]int{}, lead...), m, sh[n-2])...), w))
		if r.IntN(2) == 0 {
			s.output(s.MatMul(w, s.input("z", append(append([]int{}, lead...), sh[n-1], m)...)))
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { s.check(t, what, 1e-5, -1<<40) })
	}
}

// TestVectorsTimesChosenItemsOfASlice says that a factor for each index counts from
// where an item begins, which may be in the middle of the weight.
func TestVectorsTimesChosenItemsOfASlice(t *testing.T) {
	for _, axis := range []int64{1, 2} {
		r := rand.New(rand.NewPCG(1, 1))
		s := newStoredModel(r)
		w := smallWeight(s.Builder, r, 4, 80, 96)
		part := s.Op("Slice", w, s.Ints(3), s.Ints(1000), s.Ints(axis))
		k, n := 80, 96
		if axis == 1 {
			k -= 3
		} else {
			n -= 3
		}
		s.in["ids"] = ir.Of([]int64{3, 0, 2, 3}, 4)
		ids := s.model.Graph.Input("ids", ir.TypeOf(ir.Int64, 4))
		chosen := gatherOf(s.Builder, part, ids)
		s.output(s.MatMul(s.input("x", 4, 2, k), s.Mul(chosen, s.input("v", n))))
		s.output(s.MatMul(s.input("x2", 4, 2, k), s.Mul(chosen, s.input("v2", k, 1))))
		s.check(t, "axis", 1e-6, 0)
	}
}

// TestViewsOfChosenItems says that what a kernel unpacks for itself lives as long as
// a view of it.
func TestViewsOfChosenItems(t *testing.T) {
	m := parsed(t, `g (float[3,1,2,80] x, float[3,80,96] n, int64[K] i, float16[4,80,96] h) => (y, e) <int64[1] one = {1}> {
  w = Cast <to = 1> (h)
  c = Gather (w, i)
  u = Unsqueeze (c, one)
  e = Neg (n)
  y = MatMul (x, u)
}`)
	r := rand.New(rand.NewPCG(1, 2))
	in := tensors{"x": normal(r, 3, 1, 2, 80), "n": normal(r, 3, 80, 96), "i": ir.Of([]int64{1, 2, 3}, 3)}
	h := &ir.Tensor{Elem: ir.Float16, Shape: []int{4, 80, 96}, Raw: bytes.Repeat([]byte{0, 0x3c}, 4*80*96)}
	in["h"] = h
	want := bitsOf(t, engine{plain: true}, m, in, 1)["y"]
	got := bitsOf(t, engine{}, m, in, 1)["y"]
	bad := 0
	for i := range want {
		if want[i] != got[i] {
			bad++
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d differ, %g is %g", bad, len(want), want[0], got[0])
	}
}

// TestFunctionsThatDouble says that a function that reads another twice, again and
// again, is computed in memory before it grows without bound.
func TestFunctionsThatDouble(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s := newStoredModel(r)
	w := s.Graph.Const("w", randomTensor(r, 128, 128))
	for range 40 { // 2⁴⁰ terms
		w = s.Op("Tanh", s.Add(w, w))
	}
	s.output(s.MatMul(s.input("x", 2, 128), w))
	s.check(t, "doubling", 1e-6, -1<<40)
}

// TestLimitReachesGraphsInside says that the nodes of a branch have the limit of the
// graph around it.
func TestLimitReachesGraphsInside(t *testing.T) {
	m := parsed(t, `g (float[N] x, bool b) => (y) {
  y = If (b) <
    then_branch = a () => (u) {
      p = Neg (x)
      q = Exp (p)
      u = Add (p, q) },
    else_branch = c () => (v) { v = Neg (x) }>
}`)
	in := tensors{"x": normal(rand.New(rand.NewPCG(1, 1)), 1<<20), "b": ir.Of([]bool{true}, []int{}...)}
	if _, err := open(t, m, backend.Options{Memory: 5 << 20}).Run(context.Background(), in); err == nil {
		t.Error("8 MiB fit into 5")
	}
	if _, err := open(t, m, backend.Options{Memory: 64 << 20}).Run(context.Background(), in); err != nil {
		t.Error(err)
	}
}

// TestLimitCountsMemoryOfThreads says that the rows a thread works on count.
func TestLimitCountsMemoryOfThreads(t *testing.T) {
	m := parsed(t, `g (float[2,S,64] x) => (y) <int64[6] pads = {0,0,0,0,0,4194304}, int64[1] last = {-1}> {
  a = Neg (x)
  p = Pad (a, pads)
  e = Exp (p)
  y = ReduceSum (e, last)
}`)
	in := tensors{"x": normal(rand.New(rand.NewPCG(1, 1)), 2, 8, 64)}
	s := open(t, m, backend.Options{Threads: 2, Memory: 8 << 20})
	if _, err := s.Run(context.Background(), in); err == nil {
		t.Errorf("%d MiB fit into 8", s.Stats().Peak>>20)
	}
}

// TestWeightsOfOneRow says that weights which are broadcast, though the symbols
// promise as many rows as the product has, are multiplied as they are.
func TestWeightsOfOneRow(t *testing.T) {
	m := parsed(t, `g (float[B,H,S,S] mask, float[B,H,S,D] v, float[B,H,S,D] r, float[B,H,S,D] k) => (o, ds, dk) <int64[1] last = {-1}> {
  e = Softmax (mask)
  o = MatMul (e, k)
  vt = Transpose <perm = [0, 1, 3, 2]> (v)
  dp = MatMul (r, vt)
  ds = Mul (dp, e)
  dst = Transpose <perm = [0, 1, 3, 2]> (ds)
  dk = MatMul (dst, r)
}`)
	for v := range m.Graph.Values() {
		for i, d := range v.Type.Shape {
			if d.Sym == "S" {
				v.Type.Shape[i] = ir.Dim{Sym: "S", N: 2}
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, rows := range []int{90, 1} {
		mask := make([]float32, 2*2*rows*90)
		for i := range mask {
			if i%90 > 20 {
				mask[i] = -inf
			}
		}
		in := tensors{"mask": ir.Of(mask, 2, 2, rows, 90), "v": normal(r, 2, 2, 90, 16), "r": normal(r, 2, 2, 90, 16), "k": normal(r, 2, 2, 90, 16)}
		sameFused(t, m, in)
	}
}
