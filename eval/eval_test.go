package eval

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// near allows for float64 rounding of sums of a few numbers.
var near = cmpopts.EquateApprox(0, 1e-12)

// model is a function of an input whose removed features are those of base.
type model struct {
	x, base []float64
	f       func(x []float64) float64
}

func (m model) Features() int { return len(m.x) }

func (m model) Scores(_ context.Context, removed []Set) ([]float64, error) {
	var out []float64
	for _, s := range removed {
		x := append([]float64(nil), m.x...)
		for i, in := range s {
			if in {
				x[i] = m.base[i]
			}
		}
		out = append(out, m.f(x))
	}
	return out, nil
}

// linear is 4x₀ + x₁ - 2x₂ at x = 1, whose relevance is its weights.
func linear() (model, []float64) {
	w := []float64{4, 1, -2}
	return model{[]float64{1, 1, 1}, make([]float64, 3), func(x []float64) float64 {
		return w[0]*x[0] + w[1]*x[1] + w[2]*x[2]
	}}, w
}

func TestPerturbTakesTheMostRelevantFirst(t *testing.T) {
	m, r := linear()
	p, err := Perturb(t.Context(), m, r, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := Perturbation{MoRF: []float64{3, -1, -2, 0}, LeRF: []float64{3, 5, 4, 0}}
	if diff := cmp.Diff(want, p, near); diff != "" {
		t.Error(diff)
	}
	// (3/2 - 1 - 2)/3 and (3/2 + 5 + 4)/3
	if got, want := p.Gap(), 4.0; math.Abs(got-want) > 1e-12 {
		t.Errorf("gap %g, want %g", got, want)
	}
}

func TestCurveInFewerStepsThanFeatures(t *testing.T) {
	m, r := linear()
	got, err := Curve(t.Context(), m, Order(r), 2) // 0, 1 and 3 of 3 features
	if diff := cmp.Diff([]float64{3, -1, 0}, got, near); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, steps := range []int{0, 4} {
		if _, err := Curve(t.Context(), m, Order(r), steps); err == nil {
			t.Errorf("%d steps of 3 features: no error", steps)
		}
	}
	if _, err := Curve(t.Context(), m, []int{0}, 1); err == nil {
		t.Error("an order of one feature of three: no error")
	}
}

// What a linear model loses with a feature is the feature's relevance.
func TestALinearModelIsExplainedFaithfully(t *testing.T) {
	m, r := linear()
	sets := append(Singles(3), RandomSets(rand.New(rand.NewPCG(1, 2)), 3, 2, 5)...)
	removals, err := Remove(t.Context(), m, sets)
	if err != nil {
		t.Fatal(err)
	}
	for _, factor := range []float64{1, 10} {
		scaled := []float64{factor * r[0], factor * r[1], factor * r[2]}
		if c := removals.Correlation(scaled); math.Abs(c-1) > 1e-12 {
			t.Errorf("×%g: correlation %g, want 1", factor, c)
		}
		if d := removals.Infidelity(scaled); d > 1e-12 {
			t.Errorf("×%g: infidelity %g, want 0", factor, d)
		}
	}
	// Relevance (1, 0, 0) foretells falls of (4, 1, -2) but for (0, 1, -2).
	if removals, err = Remove(t.Context(), m, Singles(3)); err != nil {
		t.Fatal(err)
	}
	if d, want := removals.Infidelity([]float64{1, 0, 0}), 5.0/3; math.Abs(d-want) > 1e-12 {
		t.Errorf("infidelity %g, want %g", d, want)
	}
}

func TestRandomSetsHaveTheirSize(t *testing.T) {
	for _, s := range RandomSets(rand.New(rand.NewPCG(1, 2)), 10, 4, 20) {
		n := 0
		for _, in := range s {
			if in {
				n++
			}
		}
		if n != 4 || len(s) != 10 {
			t.Errorf("a set of %d out of %d, want 4 of 10", n, len(s))
		}
	}
}

func TestClarity(t *testing.T) {
	for _, c := range []struct {
		name          string
		r             []float64
		gini, entropy float64
	}{
		{"all the same", []float64{2, -2, 2, 2}, 0, math.Log(4)},
		{"one has all", []float64{0, -3, 0, 0}, 0.75, 0},
		{"one to three", []float64{1, -3}, 0.25, -0.25*math.Log(0.25) - 0.75*math.Log(0.75)},
		{"none", []float64{0, 0}, math.NaN(), math.NaN()},
	} {
		got := []float64{Gini(c.r), Entropy(c.r)}
		if diff := cmp.Diff([]float64{c.gini, c.entropy}, got, near, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestSpearman(t *testing.T) {
	for _, c := range []struct {
		name string
		x, y []float64
		want float64
	}{
		{"any growing function", []float64{1, 2, 3, 4}, []float64{1, 10, 11, 1000}, 1},
		{"any falling function", []float64{1, 2, 3, 4}, []float64{9, 8, 2, 1}, -1},
		{"equals share a rank", []float64{1, 1, 2}, []float64{5, 5, 7}, 1},
		{"a constant has no ranks", []float64{1, 1}, []float64{1, 2}, math.NaN()},
	} {
		if diff := cmp.Diff(c.want, Spearman(c.x, c.y), near, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestSensitivityIsTheWorstChange(t *testing.T) {
	changes := []float64{0.3, -1.5, 0.6}
	got, err := Sensitivity(t.Context(), []float64{3, 0}, len(changes), func(_ context.Context, k int) ([]float64, error) {
		return []float64{3, changes[k]}, nil
	})
	if err != nil || math.Abs(got-0.5) > 1e-12 {
		t.Errorf("sensitivity %g, want 0.5; %v", got, err)
	}
}

func TestMeanHasStudentsInterval(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name    string
		samples []float64
		want    Interval
	}{
		// t(0.975, 3) = 3.182446305; the deviation of 1, 2, 3, 4 is √(5/3).
		{"four", []float64{1, 2, 3, 4}, Interval{2.5, 3.182446305284263 * math.Sqrt(5.0/3) / 2, 4}},
		{"those without a number do not count", []float64{1, nan, 2, 3, 4}, Interval{2.5, 3.182446305284263 * math.Sqrt(5.0/3) / 2, 4}},
		{"one", []float64{7}, Interval{7, nan, 1}},
		{"none", nil, Interval{nan, nan, 0}},
	} {
		if diff := cmp.Diff(c.want, Mean(c.samples), cmpopts.EquateApprox(0, 1e-9), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// Two methods that differ by 2 ± little on samples that differ by 100: the interval
// says how sure the difference is, not how unlike the samples are.
func TestWithin(t *testing.T) {
	got := Within([][]float64{{0, 101, 200}, {2, 103, 203}})
	// What is left of the samples' means: (-1, -1, -1.5) and (1, 1, 1.5), of deviation
	// 0.5/√3; √2 for two methods; t of two degrees of freedom.
	half := math.Sqrt2 * 4.302652729749464 * 0.5 / math.Sqrt(3) / math.Sqrt(3)
	want := []Interval{{301.0 / 3, half, 3}, {308.0 / 3, half, 3}}
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); d != "" {
		t.Error(d)
	}
	nan := math.NaN()
	got = Within([][]float64{{1, nan, 3}, {2, 3, 5}})
	if got[0].N != 2 || got[1].N != 2 || got[1].Mean != 10.0/3 {
		t.Errorf("with a sample that has no number: %v", got)
	}
	if got := Within([][]float64{{1, 3}}); got[0] != Mean([]float64{1, 3}) {
		t.Errorf("of one method: %v", got)
	}
}
