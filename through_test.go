package lxtc_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// What flows through each half of the channels is together what flows through
// all: relevance is linear.
func TestConditionsDivideRelevance(t *testing.T) {
	m, err := lxtc.Load(filepath.Join("testdata", "onnx", "digits-cnn"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var hidden *ir.Value // the second convolution's
	for n := range m.IR().Graph.Nodes() {
		if n.Op.Name == "Conv" {
			hidden = n.Out[0]
		}
	}
	channels, _ := hidden.Type.Shape[1].Num()
	pixels := make([]float32, 32*32)
	for i := range pixels {
		pixels[i] = float32(i%7) / 7
	}
	in := map[string]*ir.Tensor{"pixels": ir.Of(pixels, 1, 1, 32, 32)}
	relevance := func(form passes.Form, through ...string) []float64 {
		t.Helper()
		opt := lxtc.Options{Form: form}
		for _, s := range through {
			c, err := passes.ParseCondition(s)
			if err != nil {
				t.Fatal(err)
			}
			if c.String() != s {
				t.Errorf("%q is printed as %q", s, c)
			}
			opt.Through = append(opt.Through, c)
		}
		return relevanceOf(t, m, reference.NewDouble(), opt, in, "R:pixels")[0]
	}
	name := hidden.Name
	for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
		all, sum := relevance(form), make([]float64, len(pixels))
		var most, rest float64
		for _, part := range []string{"0", "1|2", fmt.Sprintf("3:%d", channels)} {
			for i, r := range relevance(form, name+"[:,"+part+"]") {
				sum[i] += r
			}
		}
		for i := range all {
			most = max(most, math.Abs(all[i]))
			rest = max(rest, math.Abs(all[i]-sum[i]))
		}
		if rest > 1e-12*most {
			t.Errorf("%v form: parts sum to something %.2g of the largest relevance away", form, rest/most)
		}
		// Two conditions on one tensor let through what either does.
		either, both := relevance(form, name+"[:,0]", name+"[:,-1]"), relevance(form, fmt.Sprintf("%s[:,0|%d]", name, channels-1))
		if diff := cmp.Diff(both, either); diff != "" {
			t.Errorf("%v form: %s", form, diff)
		}
		// On a channel of the input, of which there is one.
		if diff := cmp.Diff(all, relevance(form, "pixels[:,0]")); diff != "" {
			t.Errorf("%v form: %s", form, diff)
		}
	}
}

func TestConditionsThatCannotBeMet(t *testing.T) {
	m, err := lxtc.Load(filepath.Join("testdata", "onnx", "digits-cnn"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, s := range []string{"pixel[:,0]", "pixels[:,1]", "pixels[:,:,:,32]", "pixels[:,0,0,0,0]", "logits[:,-11]"} {
		c, err := passes.ParseCondition(s)
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Rewrite(t.Context(), lxtc.Options{Through: []passes.Condition{c}})
		if d := (*diag.Error)(nil); !errors.As(err, &d) || d.Code != "LX3006" {
			t.Errorf("%s: error %v, want LX3006", s, err)
		}
	}
	for _, s := range []string{"pixels", "pixels[:]", "[:,0]", "pixels[a]", "pixels[0", "pixels[]", "pixels[:,2:]", "pixels[:,-2:0]", "pixels[3:3]"} {
		if c, err := passes.ParseCondition(s); err == nil {
			t.Errorf("%q is read as %v", s, c)
		}
	}
}

// A mask that comes with the inputs does what a condition does, in any shape that
// broadcasts, and nothing if it is left out; rows and positions, whose number only a
// run knows, can be chosen as well.
func TestMasksThatComeWithTheInputs(t *testing.T) {
	m, err := ir.Parse(`g (float[B,3,S] x) => (float[B,2,S] y) <float[2,3] w = {1, -2, 3, 4, 5, -6}> {
		h = MatMul (w, x)
		y = Relu (h)
	}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	model := lxtc.FromIR(m)
	x := make([]float32, 24)
	for i := range x {
		x[i] = float32(i*5%24) - 9
	}
	relevance := func(form passes.Form, c passes.Condition, mask *ir.Tensor) []float64 {
		t.Helper()
		opt := lxtc.Options{Form: form, Through: []passes.Condition{c}, Targets: []passes.Target{{Output: "y", Select: passes.Elements{nil}}}}
		in := map[string]*ir.Tensor{"x": ir.Of(x, 2, 3, 4)}
		if mask != nil {
			in["mask:h"] = mask
		}
		return relevanceOf(t, model, reference.NewDouble(), opt, in, "R:x")[0]
	}
	input := passes.Condition{Tensor: "h", Input: true}
	for _, tt := range []struct {
		condition passes.Elements
		mask      *ir.Tensor
	}{
		{passes.Elements{nil, {1}}, ir.Of([]float32{0, 1}, 1, 2, 1)},
		{passes.Elements{{-1}}, ir.Of([]float32{0, 1}, 2, 1, 1)},
		{passes.Elements{nil, nil, {0, -1}}, ir.Of([]float32{1, 0, 0, 1}, 1, 1, 4)},
		{passes.Elements{{0}, {1}, {2}}, ir.Of([]float32{0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 2, 2, 4)},
		{passes.Elements{nil, {0, 1}}, nil},
		{passes.Elements{nil, nil, {9}}, ir.Of([]float32{0}, 1, 1, 1)}, // outside: nowhere
	} {
		for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
			want := relevance(form, passes.Condition{Tensor: "h", Index: tt.condition}, nil)
			got := relevance(form, input, tt.mask)
			if d := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return a == b })); d != "" { // 0 is -0
				t.Errorf("%v, %v form:\n%s", tt.condition, form, d)
			}
			if zero := slices.Max(want) == 0 && slices.Min(want) == 0; zero != (len(tt.condition) == 3 && tt.condition[2][0] == 9) {
				t.Errorf("%v, %v form: relevance is %v", tt.condition, form, want)
			}
		}
	}
}
