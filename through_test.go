package lxtc_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
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
		x, err := m.Explainer(t.Context(), reference.NewDouble(), opt, backend.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		out, err := x.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		r, err := out["R:pixels"].Float64s()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	name := hidden.Name
	for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
		all, sum := relevance(form), make([]float64, len(pixels))
		var most, rest float64
		for _, part := range []string{"0", "1|2", rest3(channels)} {
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

// rest3 names the channels from 3 on.
func rest3(n int64) string {
	var words []string
	for i := int64(3); i < n; i++ {
		words = append(words, fmt.Sprint(i))
	}
	return strings.Join(words, "|")
}

func TestConditionsThatCannotBeMet(t *testing.T) {
	m, err := lxtc.Load(filepath.Join("testdata", "onnx", "digits-cnn"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, s := range []string{"pixel[:,0]", "pixels[:,1]", "pixels[0]", "pixels[:,0,0,0,0]", "logits[:,-11]"} {
		c, err := passes.ParseCondition(s)
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Rewrite(t.Context(), lxtc.Options{Through: []passes.Condition{c}})
		if d := (*diag.Error)(nil); !errors.As(err, &d) || d.Code != "LX3006" {
			t.Errorf("%s: error %v, want LX3006", s, err)
		}
	}
	for _, s := range []string{"pixels", "pixels[:]", "[:,0]", "pixels[a]", "pixels[0", "pixels[]"} {
		if c, err := passes.ParseCondition(s); err == nil {
			t.Errorf("%q is read as %v", s, c)
		}
	}
}
