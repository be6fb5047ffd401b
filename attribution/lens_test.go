package attribution

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// padded scores (e₀, 2e₁) of the embedding e of every token.
const padded = `<ir_version: 10, opset_import: ["" : 20]>
g (int64[B,S] input_ids, int64[B,S] attention_mask) => (float[B,S,2] logits)
<float[3,2] table = {1, 0, 1, 1, 2, 1}, float[2,2] w = {1, 0, 0, 2}>
{
  e = Gather (table, input_ids)
  logits = MatMul (e, w)
}`

// batch has rows of three and two tokens, the last ones (2, 1) and (1, 1).
func batch() map[string]*ir.Tensor {
	return map[string]*ir.Tensor{
		"input_ids":      ir.Of([]int64{0, 1, 2, 2, 1, 0}, 2, 3),
		"attention_mask": ir.Of([]int64{1, 1, 1, 1, 1, 0}, 2, 3),
	}
}

func TestARowEndsAtItsPadding(t *testing.T) {
	l := lens(t, parsed(t, padded), Options{})
	rows := l.Rows(batch())
	if len(rows) != 2 || l.Rows(rows[0]) != nil {
		t.Fatalf("%d rows, want 2, and one row is not divided", len(rows))
	}
	zeroOf := passes.Target{Class: []int64{0}, Position: -1}
	for _, c := range []struct {
		name   string
		row    int
		target *passes.Target
		score  float64
		want   []float64
	}{
		{"the largest of a whole row", 0, nil, 2, []float64{0, 0, 0, 0, 2, 0}},
		{"the largest of a padded row", 1, nil, 2, []float64{0, 0, 0, 2, 0, 0}},
		{"a class of a padded row", 1, &zeroOf, 1, []float64{0, 0, 1, 0, 0, 0}},
	} {
		v, err := l.Look(t.Context(), rows[c.row], c.target)
		if err != nil {
			t.Fatal(err)
		}
		r, err := v.Relevance(t.Context(), gradientInput(t), passes.GradientForm)
		if diff := cmp.Diff(c.want, r); v.Score != c.score || diff != "" || err != nil {
			t.Errorf("%s: score %g, want %g; relevance %s%v", c.name, v.Score, c.score, diff, err)
		}
	}
}

// An element with an index is where the index says, padding or not.
func TestAnIndexKnowsNoPadding(t *testing.T) {
	l := lens(t, parsed(t, padded), Options{Target: passes.Target{Output: "logits", Index: []int64{0, -1, 0}}})
	v := look(t, l, l.Rows(batch())[1])
	r, err := v.Relevance(t.Context(), gradientInput(t), passes.GradientForm)
	if diff := cmp.Diff([]float64{0, 0, 0, 0, 1, 0}, r); v.Score != 1 || diff != "" || err != nil {
		t.Errorf("score %g, want 1; %s%v", v.Score, diff, err)
	}
}

func TestWhatALensDoesNotSee(t *testing.T) {
	l := lens(t, parsed(t, padded), Options{})
	row := l.Rows(batch())[0]
	for _, c := range []struct {
		name   string
		in     map[string]*ir.Tensor
		target passes.Target
		want   string
	}{
		{"two rows", batch(), passes.Argmax, "one row at a time"},
		{"a class for each of two rows", row, passes.Target{Class: []int64{0, 1}, Position: -1}, "2 classes"},
		{"another position", row, passes.Target{Class: []int64{0}, Position: 1}, "another position"},
		{"the end of the padding", row, passes.Target{Index: []int64{0, -1, 0}}, "another position"},
		{"another output", row, passes.Target{Output: "e", Position: -1}, "another output"},
	} {
		if _, err := l.Look(t.Context(), c.in, &c.target); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
		}
	}
	fixed := lens(t, parsed(t, strings.ReplaceAll(affine, "float[N,", "float[2,")), Options{})
	in := map[string]*ir.Tensor{"x": ir.Of(make([]float32, 6), 2, 3)}
	if _, err := fixed.Look(t.Context(), in, nil); err == nil {
		t.Error("the largest element of two rows: no error")
	}
	if _, err := NewLens(t.Context(), parsed(t, `<ir_version: 10, opset_import: ["" : 20]>
g (float[N,3] a, float[N,3] b) => (float[N,3] y) { y = Add (a, b) }`), reference.NewDouble(), Options{}); err == nil || !strings.Contains(err.Error(), "a, b") {
		t.Errorf("two tensors to explain: %v, want an error with their names", err)
	}
}

func TestLensOnAScalar(t *testing.T) {
	l := lens(t, parsed(t, `<ir_version: 10, opset_import: ["" : 20]>
g (float[2] x) => (float y) <float[2] w = {3, 4}> { h = Mul (x, w) y = ReduceSum <keepdims = 0> (h) }`), Options{})
	v := look(t, l, map[string]*ir.Tensor{"x": ir.Of([]float32{1, 2}, 2)})
	r, err := v.Relevance(t.Context(), gradientInput(t), passes.GradientForm)
	if diff := cmp.Diff([]float64{3, 8}, r); v.Score != 11 || diff != "" || err != nil {
		t.Errorf("score %g, want 11; %s%v", v.Score, diff, err)
	}
}

// The embeddings are a tensor inside a fused operator.
func TestLensInsideAFusedOperator(t *testing.T) {
	m := parsed(t, `<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (int32[B,S] ids) => (float[B,S,2] y)
<float[3,2] words = {1, 0, 1, 1, 2, 1}, float[4,2] positions = {1, 2, 3, 4, 5, 6, 7, 8}, float[2] gamma = {1, 2}, float[2] beta = {0, 1}>
{
  y, mask = com.microsoft.EmbedLayerNormalization (ids, , words, positions, , gamma, beta)
}`)
	l := lens(t, m, Options{})
	if m.IR().Graph.Find(l.Tensor) != nil || l.below == nil {
		t.Fatalf("%q is a tensor of the file; want one inside an operator", l.Tensor)
	}
	if v := look(t, l, map[string]*ir.Tensor{"ids": ir.Of([]int32{0, 2}, 1, 2)}); !slices.Equal(v.X, []float64{1, 0, 2, 1}) {
		t.Errorf("embeddings %v, want those of words 0 and 2", v.X)
	}
}

// Of many targets not all programs are kept.
func TestProgramsAreBounded(t *testing.T) {
	const classes = 2 * keptExplainers
	weights := make([]string, 2*classes) // class k is k+1 times the first feature, which is 2 of the last token
	for k := range classes {
		weights[k], weights[classes+k] = strconv.Itoa(k+1), "0"
	}
	wide := strings.NewReplacer("float[2,2] w = {1, 0, 0, 2}", fmt.Sprintf("float[2,%d] w = {%s}", classes, strings.Join(weights, ", ")),
		"float[B,S,2] logits", fmt.Sprintf("float[B,S,%d] logits", classes)).Replace(padded)
	l := lens(t, parsed(t, wide), Options{})
	in := l.Rows(batch())[0]
	for k := range classes {
		target := passes.Target{Class: []int64{int64(k)}, Position: -1}
		v, err := l.Look(t.Context(), in, &target)
		if err != nil {
			t.Fatal(err)
		}
		r, err := v.Relevance(t.Context(), gradientInput(t), passes.GradientForm)
		if want := 2 * float64(k+1); err != nil || math.Abs(r[4]+r[5]-want) > 1e-9 {
			t.Fatalf("target %s: relevance %v, want a sum of %g; %v", target, r, want, err)
		}
	}
	if len(l.rules) != keptExplainers {
		t.Errorf("%d programs are kept, want %d", len(l.rules), keptExplainers)
	}
}

// What makes NaN 0 and the column of a sink come between softmax and values; a
// tower that does not depend on the tensor has attention of its own.
func TestRolloutReadsWhatValuesAreMultipliedWith(t *testing.T) {
	m := parsed(t, `<ir_version: 10, opset_import: ["" : 21]>
g (float[N,1,2,3] scores, float[N,1,2,2] v, float[N,1,3,3] others) => (float[N,1,2,2] y, float[N,1,3,3] z)
<float zero = {0}, int64[1] start = {0}, int64[1] end = {2}, int64[1] axis = {3}>
{
  p = Softmax <axis = -1> (scores)
  none = IsNaN (p)
  clean = Where (none, zero, p)
  kept = Slice (clean, start, end, axis)
  y = MatMul (kept, v)
  q = Softmax <axis = -1> (others)
  z = MatMul (q, others)
}`)
	nan := float32(math.NaN())
	l2 := float32(math.Log(2))
	in := map[string]*ir.Tensor{
		"scores": ir.Of([]float32{l2, 0, 0, nan, nan, nan}, 1, 1, 2, 3), // attention ½ ¼ and a sink of ¼; nothing
		"v":      ir.Of(make([]float32, 4), 1, 1, 2, 2),
		"others": ir.Of(make([]float32, 9), 1, 1, 3, 3),
	}
	// The scores are logarithms, rounded to float32.
	for position, want := range [][]float64{{0.75, 0.125}, {0, 0.5}} {
		got, err := Rollout(t.Context(), m, reference.NewDouble(), backend.Options{}, in, "scores", position)
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-7)); diff != "" || err != nil {
			t.Errorf("position %d: %s%v", position, diff, err)
		}
	}
	if _, err := Rollout(t.Context(), m, reference.NewDouble(), backend.Options{}, in, "", 0); err == nil {
		t.Error("layers of 2 and 3 tokens: no error")
	}
}
