package lxtc_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// symbolic are models of every architecture of testdata with symbolic dimensions.
var symbolic = []string{
	"golden/llama.dynamo.onnx", "golden/llama.torchscript.onnx", "golden/gpt2.dynamo.onnx", "golden/gpt2.torchscript.onnx",
	"golden/bert.dynamo.onnx", "golden/bert.torchscript.onnx", "golden/vgg.dynamo.onnx", "golden/vgg.torchscript.onnx",
	"masked/llama.counted.dynamo.onnx", "masked/llama.given.torchscript.onnx", "masked/t5.torchscript.onnx",
	"digits-vit/model.onnx", "digits-cnn/model.onnx",
}

// sizes of the symbolic dimensions, in an order in which what is kept of one run
// would spoil the next: longer, shorter, one row, one token, and again.
var sizes = []map[string]int{
	{"batch": 2, "sequence": 9, "decoded": 4},
	{"batch": 1, "sequence": 1, "decoded": 1},
	{"batch": 5, "sequence": 12, "decoded": 7},
	{"batch": 2, "sequence": 9, "decoded": 4},
}

// One compiled program, run at one size after another, gives what a program
// gives that was compiled for one size alone: bit by bit what a fresh one gives,
// and up to rounding what one gives whose model has numbers for symbols.
func TestOneProgramForAllShapes(t *testing.T) {
	for _, file := range symbolic {
		m := loaded(t, file)
		for _, e := range engines {
			for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
				if form == passes.ExplicitForm && e.backend.Name() == "reference" {
					continue // the interpreter has nothing that either form would use alone
				}
				t.Run(fmt.Sprintf("%s/%s/%v", file, e.backend.Name(), form), func(t *testing.T) {
					opt := lxtc.Options{Form: form, TargetsOnly: form == passes.GradientForm, Sums: true}
					all := explainer(t, m, e.backend, opt)
					for i, size := range sizes {
						in := symbolInputs(m.IR(), size, uint64(i))
						got := runOn(t, all, in)
						if i > 0 {
							bitwise(t, size, got, runOn(t, explainer(t, m, e.backend, opt), in))
						}
						if i < 2 {
							nearly(t, size, got, runOn(t, explainer(t, fixed(t, m, in), e.backend, opt), in), e.rounding)
						}
					}
				})
			}
		}
	}
}

// engines are what runs models in these tests. Rounding is how far apart, as a
// share of a tensor's largest value, the same sums may be in another order: kernels
// cut up products by their sizes, and constants that are folded are rounded to
// float32, which the interpreter's own values are not. Measured: at most 8e-8 on
// the interpreter, 8e-7 in float32.
var engines = []engine{{reference.NewDouble(), 1e-6}, {gorgonia.New(), 1e-5}}

type engine struct {
	backend  backend.Backend
	rounding float64
}

func loaded(t *testing.T, file string) *lxtc.Model {
	t.Helper()
	m, err := lxtc.Load(filepath.Join("testdata", "onnx", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func explainer(t *testing.T, m *lxtc.Model, b backend.Backend, opt lxtc.Options) *lxtc.Explainer {
	t.Helper()
	x, err := m.Explainer(context.Background(), b, opt, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func runOn(t *testing.T, x *lxtc.Explainer, in map[string]*ir.Tensor) map[string]*ir.Tensor {
	t.Helper()
	out, err := x.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// symbolInputs makes inputs for a model whose symbols have the given sizes: random
// tokens, of which none is padding.
func symbolInputs(m *ir.Model, size map[string]int, seed uint64) map[string]*ir.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	in := map[string]*ir.Tensor{}
	for _, v := range m.Graph.Inputs {
		shape := make([]int, v.Type.Rank())
		n := 1
		for a, d := range v.Type.Shape {
			if k, known := d.Num(); known {
				shape[a] = int(k)
			} else {
				shape[a] = size[d.Sym]
			}
			n *= shape[a]
		}
		if v.Type.Elem == ir.Float {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			in[v.Name] = ir.Of(x, shape...)
			continue
		}
		x := make([]int64, n)
		for i := range x {
			switch last := shape[len(shape)-1]; {
			case strings.Contains(v.Name, "mask"):
				x[i] = 1
			case strings.Contains(v.Name, "position"):
				x[i] = int64(i % last)
			case strings.Contains(v.Name, "type"):
				x[i] = int64(i % last / 2 % 2)
			default:
				x[i] = r.Int64N(61)
			}
		}
		in[v.Name] = ir.Of(x, shape...)
	}
	return in
}

// fixed returns the model with the inputs' shapes as numbers, and all that
// follows from them.
func fixed(t *testing.T, m *lxtc.Model, in map[string]*ir.Tensor) *lxtc.Model {
	t.Helper()
	c := m.IR().Clone()
	c.Closer = nil
	for _, v := range c.Graph.Inputs {
		v.Type = in[v.Name].TypeOf()
	}
	for n := range c.Graph.Nodes() {
		if err := c.Reinfer(n); err != nil {
			t.Fatalf("%v: %v", n, err)
		}
	}
	return lxtc.FromIR(c)
}

// bitwise compares bit by bit.
func bitwise(t *testing.T, what any, got, want map[string]*ir.Tensor) {
	t.Helper()
	for name, w := range want {
		g := got[name]
		if g == nil || fmt.Sprint(g.Shape) != fmt.Sprint(w.Shape) || !bytes.Equal(g.Raw, w.Raw) {
			t.Errorf("%v: %s is not the same, bit by bit", what, name)
		}
	}
}

// nearly compares up to a share of the largest value of each tensor.
func nearly(t *testing.T, what any, got, want map[string]*ir.Tensor, share float64) {
	t.Helper()
	for name, w := range want {
		if d := apart(t, got[name], w); !(d <= share) {
			t.Errorf("%v: %s is %.3g apart, want at most %.3g", what, name, d, share)
		} else {
			t.Logf("%v: %s is %.3g apart", what, name, d)
		}
	}
}

// apart is the largest difference, as a share of the largest value.
func apart(t *testing.T, got, want *ir.Tensor) float64 {
	t.Helper()
	if got == nil || fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		return math.Inf(1)
	}
	g, err := got.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	w, err := want.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	var most, diff float64
	for i := range w {
		most = max(most, math.Abs(w[i]))
		if d := math.Abs(g[i] - w[i]); !(d <= diff) { // NaN as well
			diff = d
		}
	}
	if diff == 0 {
		return 0
	}
	return diff / most
}
