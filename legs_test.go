package lxtc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// A block with residual connections, two branches side by side behind it, and a tower
// of its own.
const branches = `g (float[1,3] x, float[1,3] u) => (float[1,3] y)
<float[3,3] w1 = {1, -2, 3, 2, 1, -1, -1, 2, 1}, float[3,3] w2 = {2, 1, 0, -1, 3, 1, 1, -2, 2}, float[3,3] w3 = {1, 1, -1, 2, 0, 1, -2, 1, 1}> {
	h = MatMul (x, w1)
	a = Relu (h)
	z = Add (x, a)
	p = MatMul (z, w2)
	r = Relu (p)
	q = MatMul (z, w3)
	s = Add (r, q)
	v = Add (z, s)
	t = MatMul (u, w3)
	y = Add (v, t)
}`

// Relevance through a tensor is what passes it and nothing beside it.
func TestRelevanceThroughTensorsOnly(t *testing.T) {
	parsed, err := ir.Parse(branches, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	m := lxtc.FromIR(parsed)
	in := map[string]*ir.Tensor{"x": ir.Of([]float32{3, 1, 2}, 1, 3), "u": ir.Of([]float32{2, -2, 5}, 1, 3)}
	type pair struct{ X, U, Z []float64 }
	for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
		// of returns the relevance of x, u and z through all of some tensors, or if off
		// beside them.
		of := func(off bool, tensors ...string) pair {
			t.Helper()
			opt := lxtc.Options{Form: form, Beside: off, Explain: []string{"x", "u", "z"}, Targets: []passes.Target{{Output: "y", Select: passes.Elements{nil}}}}
			masks := map[string]*ir.Tensor{}
			for name, x := range in {
				masks[name] = x
			}
			for _, name := range tensors {
				c := passes.Condition{Tensor: name, Index: passes.Elements{nil, {0, 1, 2}}}
				if off {
					c = passes.Condition{Tensor: name, Input: true}
					masks["mask:"+name] = ir.Of([]float32{0}, 1, 1)
				}
				opt.Through = append(opt.Through, c)
			}
			r := relevanceOf(t, m, reference.NewDouble(), opt, masks, "R:x", "R:u", "R:z")
			return pair{r[0], r[1], r[2]}
		}
		plus := func(ps ...pair) pair {
			var sum pair
			for _, p := range ps {
				for i, to := range []*[]float64{&sum.X, &sum.U, &sum.Z} {
					if *to == nil {
						*to = make([]float64, 3)
					}
					for k, r := range [][]float64{p.X, p.U, p.Z}[i] {
						(*to)[k] += r
					}
				}
			}
			return sum
		}
		zero := make([]float64, 3)
		whole := of(false)
		for _, tt := range []struct {
			fact      string
			got, want pair
		}{
			{"through a branch and beside it is the whole", plus(of(false, "p"), of(true, "p")), whole},
			{"through either of two branches", of(false, "p", "q"), plus(of(false, "p"), of(false, "q"))},
			{"through both branches and beside them is the whole", plus(of(false, "p", "q"), of(true, "p", "q")), whole},
			{"behind a branch and beside it", plus(of(false, "s", "p"), of(false, "s", "q")), of(false, "s")},
			{"what every way passes is the whole of x", pair{X: of(false, "v").X}, pair{X: whole.X}},
			{"a tower has its own way", pair{U: of(false, "h", "t").U, X: of(false, "h", "t").X}, pair{U: whole.U, X: of(false, "h").X}},
			{"a way with a condition more than the other's", of(false, "q", "r", "p", "h"), of(false, "q", "r", "h")},
			{"nothing of a tower passes the other", pair{U: of(false, "h").U}, pair{U: zero}},
			{"the last of a way is behind the branches", pair{X: of(false, "p", "h").X}, pair{X: byHand}},
			{"the input is a tensor as well", pair{X: of(false, "h", "x").X}, pair{X: of(false, "h").X}},
			{"and so is the target", of(false, "y", "p"), of(false, "p")},
		} {
			if d := cmp.Diff(tt.want, tt.got, cmpopts.EquateApprox(0, 1e-6)); d != "" { // byHand knows no stabilizer
				t.Errorf("%v form, %s:\n%s", form, tt.fact, d)
			}
		}
	}
}

// byHand is the relevance of x that passes p and then h: x∘(w1 ([h > 0]∘(w2 [p > 0]))),
// where p = (23, -15, 25) and h = (3, -1, 10): w2 (1, 0, 1) is (2, 0, 3), and w1 of it
// (11, 1, 1).
var byHand = []float64{33, 1, 2}
