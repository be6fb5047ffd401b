package passes_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

func TestStages(t *testing.T) {
	const text = `<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x, float a, float b, bool ok) => (float[2] once, float[2] often, float[2] x2)
<float[2] w = {1, 2}>
{
  y = Mul (x, w)
  once = Relu (y)
  ya = Mul (y, a)
  both = Mul (ya, b)
  often = If (ok) <
    then_branch = yes () => (float[2] p) { p = Add (both, once) },
    else_branch = no () => (float[2] q) { q = Add (ya, w) }
  >
  x2 = Neg (ya)
}`
	m, err := ir.Parse(text, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	before := m.Text()
	for _, c := range []struct {
		name    string
		last    []string
		in, out [][]string
	}{
		{"b is turned most often", []string{"a", "b"}, [][]string{{"x"}, {"a", "y"}, {"b", "ok", "once", "ya"}}, [][]string{{"y", "once"}, {"ya", "x2"}, {"often"}}},
		{"a is turned most often", []string{"b", "a"}, [][]string{{"x"}, {}, {"a", "b", "ok", "y", "once"}}, [][]string{{"y", "once"}, {}, {"often", "x2"}}},
		{"nothing is turned", nil, [][]string{{"x", "a", "b", "ok"}}, [][]string{{"once", "often", "x2"}}},
	} {
		stages, err := passes.Stages(t.Context(), m, c.last)
		if err != nil {
			t.Fatal(err)
		}
		var in, out [][]string
		for _, s := range stages {
			if err := ir.Verify(s); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			in, out = append(in, valueNames(s.Graph.Inputs)), append(out, valueNames(s.Graph.Outputs))
		}
		for _, list := range [][][]string{in, out, c.in, c.out} {
			for _, l := range list {
				slices.Sort(l)
			}
		}
		if diff := cmp.Diff(c.in, in); diff != "" {
			t.Errorf("%s: inputs: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.out, out); diff != "" {
			t.Errorf("%s: outputs: %s", c.name, diff)
		}
	}
	if m.Text() != before {
		t.Error("the model itself changed")
	}
	if _, err := passes.Stages(t.Context(), m, []string{"c"}); err == nil {
		t.Error("an input that is not there: no error")
	}
}

// TestStagesUnpackWeightsThemselves says that what products need of a weight does not
// pass from stage to stage, where it would have to be there as a whole.
func TestStagesUnpackWeightsThemselves(t *testing.T) {
	m, err := ir.Parse(`g (float[1,2] x, float a) => (float[1,2] y) <float16[2,2] h = {1, 2, 3, 4}> {
  w = Cast <to = 1> (h)
  up = Relu (w)
  turned = Transpose (up)
  z = MatMul (x, up)
  s = Mul (z, a)
  y = MatMul (s, turned)
}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	stages, err := passes.Stages(t.Context(), m, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"z"}, valueNames(stages[0].Graph.Outputs)); d != "" {
		t.Errorf("stage 0 computes for others (-want +got):\n%s", d)
	}
	if err := ir.Verify(stages[1]); err != nil {
		t.Error(err)
	}
}

func valueNames(vs []*ir.Value) []string {
	names := []string{}
	for _, v := range vs {
		names = append(names, v.Name)
	}
	return names
}
