package attribution

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lxtc/lxtc/ir"
)

// curved scores x₀² x₁, whose gradient is (2x₀x₁, x₀²).
const curved = `<ir_version: 10, opset_import: ["" : 21]>
curved (float[N,2] x) => (float[N,1] y)
<int64[1] from = {0}, int64[1] mid = {1}, int64[1] end = {2}, int64[1] axis = {1}>
{
  a = Slice (x, from, mid, axis)
  b = Slice (x, mid, end, axis)
  s = Mul (a, a)
  y = Mul (s, b)
}`

func curvedAt(t *testing.T, x0, x1 float32) *View {
	t.Helper()
	return look(t, lens(t, parsed(t, curved), Options{}), map[string]*ir.Tensor{"x": ir.Of([]float32{x0, x1}, 1, 2)})
}

// The gradient is there also where the input is 0 and its product with the input is not.
func TestGradientIsNotDividedByTheInput(t *testing.T) {
	m, err := Gradient()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ x0, x1 float32 }{{3, 0}, {-2, 0.5}, {0, 4}} {
		got, err := m.Explain(t.Context(), curvedAt(t, tt.x0, tt.x1))
		want := []float64{float64(2 * tt.x0 * tt.x1), float64(tt.x0 * tt.x0)}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("at (%g, %g): %s%v", tt.x0, tt.x1, d, err)
		}
	}
}

// Integrated gradients start where they are told to, and cross 0 on their way; the right
// ends of steps are those of Captum's riemann_right.
func TestIntegratedGradientsFromABase(t *testing.T) {
	gradient, err := GradientInput()
	if err != nil {
		t.Fatal(err)
	}
	x, base := []float64{3, 1}, []float64{-1, -1}
	for _, steps := range []int{1, 2, 4} {
		want := []float64{0, 0}
		for k := 1; k <= steps; k++ {
			a := float64(k) / float64(steps)
			p0, p1 := base[0]+a*(x[0]-base[0]), base[1]+a*(x[1]-base[1])
			want[0] += (x[0] - base[0]) * 2 * p0 * p1 / float64(steps)
			want[1] += (x[1] - base[1]) * p0 * p0 / float64(steps)
		}
		got, err := Integrated(gradient, slices.Clone(base), steps).Explain(t.Context(), curvedAt(t, 3, 1))
		if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); d != "" || err != nil {
			t.Errorf("%d steps: %s%v", steps, d, err)
		}
	}
	if _, err := Integrated(Occluded(nil, nil), nil, 3).Explain(t.Context(), curvedAt(t, 3, 1)); err == nil {
		t.Error("occlusion has no gradients to integrate, and there is no error")
	}
}

// A picture of 8 x 8 in 16 patches is one of patches of 2 pixels.
func TestPatchSide(t *testing.T) {
	for _, tt := range []struct {
		shape   []int
		n, want int
	}{
		{[]int{1, 3, 8, 8}, 16, 2}, {[]int{1, 3, 8, 8}, 1, 8}, {[]int{1, 3, 8, 8}, 64, 1}, {[]int{1, 3, 8, 8}, 9, 0}, {[]int{1, 3, 8, 4}, 16, 0}, {[]int{1, 16, 8}, 16, 0},
	} {
		if got := patchSide(tt.shape, tt.n); got != tt.want {
			t.Errorf("%d patches of %v: side %d, want %d", tt.n, tt.shape, got, tt.want)
		}
	}
}
