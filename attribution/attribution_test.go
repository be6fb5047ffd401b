package attribution

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/eval"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

func parsed(t *testing.T, text string) *lxtc.Model {
	t.Helper()
	m, err := ir.Parse(text, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return lxtc.FromIR(m)
}

func carried(t *testing.T, name string) *lxtc.Model {
	t.Helper()
	m, err := lxtc.Load(filepath.Join("..", "testdata", "onnx", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func lens(t *testing.T, m *lxtc.Model, opt Options) *Lens {
	t.Helper()
	l, err := NewLens(t.Context(), m, reference.NewDouble(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func look(t *testing.T, l *Lens, in map[string]*ir.Tensor) *View {
	t.Helper()
	v, err := l.Look(t.Context(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func gradientInput(t *testing.T) *rules.Map {
	t.Helper()
	m, err := rules.Load("gradient-input")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// affine scores 2x₀ + 3x₁ - x₂ + 1 and x₀.
const affine = `<ir_version: 10, opset_import: ["" : 21]>
affine (float[N,3] x) => (float[N,2] y)
<float[3,2] w = {2, 1, 3, 0, -1, 0}, float[2] b = {1, 0}>
{
  s = MatMul (x, w)
  y = Add (s, b)
}`

func TestALinearModelHasOneExplanation(t *testing.T) {
	v := look(t, lens(t, parsed(t, affine), Options{}), map[string]*ir.Tensor{"x": ir.Of([]float32{1, 2, 4}, 1, 3)})
	if v.Score != 5 || !slices.Equal(v.Index, []int64{0, 0}) {
		t.Fatalf("score %g of element %v, want 5 of [0 0]", v.Score, v.Index)
	}
	gradient := Rules(gradientInput(t), passes.GradientForm)
	parts, err := FeaturesOf(v.Shape, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{2, 6, -4}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, method := range []Method{
		gradient, Integrated(gradient, nil, 3), Smoothed(gradient, 0, 4, rng), Occluded(parts, parts.Zero()),
	} {
		got, err := method.Explain(t.Context(), v)
		// A third of the input, a step of the path, is rounded to float32: 1.2e-7.
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-6)); diff != "" || err != nil {
			t.Errorf("%s: %s%v", method.Name, diff, err)
		}
	}
	smooth, err := Smoothed(gradient, 0.1, 400, rng).Explain(t.Context(), v)
	// The deviation of the noise is 0.3, that of the mean of 400 of it 0.015, times the weight 3.
	if diff := cmp.Diff(want, smooth, cmpopts.EquateApprox(0, 5*0.045)); diff != "" || err != nil {
		t.Errorf("SmoothGrad: %s%v", diff, err)
	}
}

func TestProbability(t *testing.T) {
	v := look(t, lens(t, parsed(t, affine), Options{Probability: true}), map[string]*ir.Tensor{"x": ir.Of([]float32{1, 0, 0}, 1, 3)})
	if want := 1 / (1 + math.Exp(1-3)); math.Abs(v.Score-want) > 1e-12 { // scores 3 and 1
		t.Errorf("probability %g, want %g", v.Score, want)
	}
}

// The gradients of a convnet, integrated from a black picture, sum to what the
// picture changes.
func TestIntegratedGradientsAreComplete(t *testing.T) {
	l := lens(t, carried(t, "digits-cnn"), Options{})
	x := make([]float32, 32*32)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range x {
		x[i] = rng.Float32()
	}
	v := look(t, l, map[string]*ir.Tensor{l.Tensor: ir.Of(x, 1, 1, 32, 32)})
	at0, err := v.Scores(t.Context(), [][]float64{make([]float64, len(x))})
	if err != nil {
		t.Fatal(err)
	}
	gradient := Rules(gradientInput(t), passes.GradientForm)
	var errors []float64
	for _, steps := range []int{20, 80} {
		got, err := Integrated(gradient, nil, steps).Explain(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, g := range got {
			sum += g
		}
		errors = append(errors, math.Abs(sum-(v.Score-at0[0]))/math.Abs(v.Score-at0[0]))
	}
	// Right ends of steps are off by the order of the step: 1.8e-2, and 3.6e-3 with 80.
	if errors[1] > 5e-3 || errors[1] > errors[0] {
		t.Errorf("the sum is off by %.2g of the change in 20 steps and %.2g in 80", errors[0], errors[1])
	}
}

// A lens on the embeddings of a language model sees the score of the model, in
// one row or many, and the relevance that the whole model has.
func TestLensOnEmbeddings(t *testing.T) {
	m := carried(t, "tinylm")
	l := lens(t, m, Options{Batch: 3})
	if l.below == nil || len(l.batched) < 2 {
		t.Fatalf("%q is computed by %v and batched with %v; want embeddings and ids", l.Tensor, l.below, l.batched)
	}
	ids := []int64{5, 17, 9, 30, 12, 9}
	in := map[string]*ir.Tensor{}
	for _, g := range m.IR().Graph.Inputs {
		in[g.Name] = ir.Of(ids, 1, len(ids))
	}
	v := look(t, l, in)
	x, err := m.Explainer(t.Context(), reference.NewDouble(), lxtc.Options{Rules: gradientInput(t)}, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	out, err := x.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := out[l.Output].Float64s()
	if err != nil {
		t.Fatal(err)
	}
	vocabulary := out[l.Output].Shape[2]
	// Recognised operators add in another order.
	if want := slices.Max(logits[len(logits)-vocabulary:]); math.Abs(v.Score-want) > 1e-9 {
		t.Errorf("score %g, the model's greatest logit is %g", v.Score, want)
	}
	want, err := out["R:"+l.Tensor].Float64s()
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Relevance(t.Context(), gradientInput(t), passes.GradientForm)
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" || err != nil {
		t.Errorf("relevance: %s%v", diff, err)
	}

	parts, err := FeaturesOf(v.Shape, 1)
	if err != nil || parts.Len() != len(ids) {
		t.Fatalf("%d features, want %d; %v", parts.Len(), len(ids), err)
	}
	many := Removable{v, parts, make([]float64, len(v.X))}
	together, err := many.Scores(t.Context(), eval.Singles(len(ids)))
	if err != nil {
		t.Fatal(err)
	}
	for i, set := range eval.Singles(len(ids)) {
		alone, err := many.Scores(t.Context(), []eval.Set{set})
		if err != nil || math.Abs(alone[0]-together[i]) > 1e-12 {
			t.Errorf("without token %d the score is %g alone and %g in a batch; %v", i, alone[0], together[i], err)
		}
	}
}

func TestFeatures(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape []int
		side  int
		want  Features
	}{
		{"tokens", []int{1, 2, 3}, 1, Features{"tokens", []int{2}, []int{0, 0, 0, 1, 1, 1}, 3, 1}},
		{"patches with a rest", []int{1, 1, 2, 3}, 2, Features{"patches", []int{1, 2}, []int{0, 0, 1, 0, 0, 1}, 1, 6}},
		{"channels last", []int{1, 5, 2, 1}, 2, Features{"patches", []int{3, 1}, []int{0, 0, 0, 0, 1, 1, 1, 1, 2, 2}, 1, 1}},
		{"a side by default", []int{1, 1, 1, 32}, 0, Features{"patches", []int{1, 16}, slices.Sorted(slices.Values(slices.Repeat([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, 2))), 1, 32}},
		{"elements", []int{1, 3}, 1, Features{"elements", []int{3}, []int{0, 1, 2}, 1, 1}},
	} {
		got, err := FeaturesOf(c.shape, c.side)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&c.want, got, cmp.AllowUnexported(Features{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		ones := make([]float64, len(c.want.of))
		for i := range ones {
			ones[i] = 1
		}
		var sum float64
		for _, s := range got.Share(got.Sum(ones)) {
			sum += s // each feature is shared by as many as it was summed over
		}
		if math.Abs(sum-float64(len(ones))) > 1e-12 {
			t.Errorf("%s: shares of sums of %d ones add up to %g", c.name, len(ones), sum)
		}
	}
	pixels, err := FeaturesOf([]int{1, 2, 1, 2}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{2, 2, 6, 6}, pixels.Mean([]float64{1, 3, 5, 7})); diff != "" {
		t.Error(diff)
	}
	if _, err := FeaturesOf([]int{1, 3, 4, 4}, -1); err == nil {
		t.Error("patches of 0 pixels: no error")
	}
}

// attention has scores that are its input, for one head of two tokens.
const attention = `<ir_version: 10, opset_import: ["" : 21]>
attention (float[N,1,2,2] scores, float[N,1,2,2] v) => (float[N,1,2,2] y)
{
  p = Softmax <axis = -1> (scores)
  one = MatMul (p, v)
  q = Softmax <axis = -1> (scores)
  twice = Add (one, v)
  y = MatMul (q, twice)
}`

func TestRollout(t *testing.T) {
	l3, l4 := float32(math.Log(3)), float32(math.Log(4))
	in := map[string]*ir.Tensor{
		"scores": ir.Of([]float32{l3, 0, 0, l4}, 1, 1, 2, 2), // attention ¾ ¼, ⅕ ⅘
		"v":      ir.Of([]float32{1, 2, 3, 4}, 1, 1, 2, 2),
	}
	m := parsed(t, attention)
	got, err := Rollout(t.Context(), m, reference.NewDouble(), backend.Options{}, in, "", -1)
	// (A + I)/2 is ⅞ ⅛, ⅒ 9⁄10; the last row of its square, but for logarithms that
	// were rounded to float32:
	want := []float64{0.1*0.875 + 0.9*0.1, 0.1*0.125 + 0.9*0.9}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-7)); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
	if _, err := Rollout(t.Context(), m, reference.NewDouble(), backend.Options{}, in, "", 2); err == nil {
		t.Error("position 2 of 2 tokens: no error")
	}
	if _, err := Rollout(t.Context(), parsed(t, affine), reference.NewDouble(), backend.Options{}, nil, "", 0); err == nil {
		t.Error("a model without attention: no error")
	}
}

func TestRolloutOfRealModelsSumsToOne(t *testing.T) {
	for name, in := range map[string]map[string]*ir.Tensor{
		"digits-vit": {"pixel_values": ir.Of(make([]float32, 32*32), 1, 1, 32, 32)},
		"tinylm":     {"input_ids": ir.Of([]int64{5, 17, 9, 30}, 1, 4)},
	} {
		m := carried(t, name)
		inputs := map[string]*ir.Tensor{}
		for _, v := range m.IR().Graph.Inputs {
			for _, x := range in {
				inputs[v.Name] = x
			}
		}
		got, err := Rollout(t.Context(), m, reference.NewDouble(), backend.Options{}, inputs, "", 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var sum float64
		for _, a := range got {
			sum += a
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%s: shares sum to %g", name, sum)
		}
	}
}

func TestRandomizeDrawsTheUpperWeights(t *testing.T) {
	m := carried(t, "digits-cnn")
	before := ir.Hash(m.IR())
	var first *ir.Tensor
	for _, share := range []float64{0.01, 1} {
		r, err := Randomize(m, share, rand.New(rand.NewPCG(5, 6)))
		if err != nil {
			t.Fatal(err)
		}
		changed, total := 0, 0
		for i, v := range r.IR().Graph.Consts {
			old := m.IR().Graph.Consts[i]
			if old.Type.Rank() < 2 || !old.Type.Elem.IsFloat() || old.NumUses() == 0 {
				continue
			}
			total++
			if !slices.Equal(old.Data.Raw, v.Data.Raw) {
				changed++
				first = v.Data
			}
		}
		if want := map[float64]int{0.01: 1, 1: total}[share]; changed != want {
			t.Errorf("share %g: %d of %d weights are new, want %d", share, changed, total, want)
		}
	}
	if ir.Hash(m.IR()) != before {
		t.Error("the model itself changed")
	}
	if x, err := first.Float64s(); err != nil || slices.Max(x) == slices.Min(x) {
		t.Errorf("drawn weights do not vary; %v", err)
	}
}

// Quantized weights keep their numbers, in another order.
func TestRandomizeShufflesQuantizedWeights(t *testing.T) {
	m := parsed(t, `<ir_version: 10, opset_import: ["" : 21]>
g (float[N,4] x) => (float[N,2] y)
<int8[4,2] w = {1, 2, 3, 4, 5, 6, 7, 8}, float scale = {0.5}>
{
  full = DequantizeLinear (w, scale)
  y = MatMul (x, full)
}`)
	r, err := Randomize(m, 1, rand.New(rand.NewPCG(5, 6)))
	if err != nil {
		t.Fatal(err)
	}
	w := slices.Clone(r.IR().Graph.Find("w").Data.Raw)
	if slices.Equal(w, m.IR().Graph.Find("w").Data.Raw) {
		t.Error("the weights are as they were")
	}
	slices.Sort(w)
	if diff := cmp.Diff(m.IR().Graph.Find("w").Data.Raw, w); diff != "" {
		t.Errorf("sorted: %s", diff)
	}
	for _, share := range []float64{-1, 1.5, math.NaN()} {
		if _, err := Randomize(m, share, rand.New(rand.NewPCG(5, 6))); err == nil {
			t.Errorf("a share of %g: no error", share)
		}
	}
}
