package lxtc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/image"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
	"github.com/lxtc/lxtc/tokenizer"
)

// quantized are the variants that `make models-quantized` builds. A limit is
// twice what was measured: the distance of relevance from that of the model in
// float32, and of outputs and relevance from those of ONNX Runtime.
//
// In 8 bits the latter is 0, or as large as what quantization itself moved:
// where floats are rounded (QDQ: every operator; dynamic: norms), one in ten
// million falls to the other side of a step, and following layers multiply that.
var quantized = []struct {
	base, variant, rules string
	relevance            float64
	runtime              float64
}{
	{"smollm2", "fp16", "attnlrp", 5e-4, 2e-3}, // ONNX Runtime computes in float16
	{"smollm2", "int8", "attnlrp", 0.7, 0.6},
	{"smollm2", "qdq", "attnlrp", 0.7, 0.6},
	{"smollm2", "int4", "attnlrp", 0.5, 1.4e-5},
	{"minilm", "fp16", "attnlrp", 2e-3, 1e-3},
	{"minilm", "int8", "attnlrp", 0.15, 1e-6},
	{"efficientnet-lite0", "fp16", "attnlrp", 0.3, 2e-3},
	{"efficientnet-lite0", "qdq", "attnlrp", 1.5, 0.5}, // gradients of convnets are noise
	{"efficientnet-lite0", "qoperator", "attnlrp", 1.5, 2e-6},
	{"efficientnet-lite0", "fp16", "epsilon-plus", 5e-3, 2e-5},
	{"efficientnet-lite0", "qdq", "epsilon-plus", 0.2, 0.05},
	{"efficientnet-lite0", "qoperator", "epsilon-plus", 0.15, 2e-7},
	{"focus-vit", "fp16", "attnlrp", 6e-3, 1e-3},
}

// TestQuantized explains real models in half precision, 8 and 4 bits, and
// compares with the same models in float32. With LXTC_PYTHON, a Python that has
// onnxruntime, it does so with the large ones, and also compares outputs and
// emitted models with ONNX Runtime.
// With -v the log is the table of docs/fidelity.md.
func TestQuantized(t *testing.T) {
	python := os.Getenv("LXTC_PYTHON")
	t.Log("| model | rules | outputs | relevance | cosine | outputs in ONNX Runtime | relevance in ONNX Runtime |")
	full := map[string]explained{}
	for _, q := range quantized {
		folder := filepath.Join("models", q.base+"-"+q.variant)
		t.Run(q.base+"-"+q.variant+" "+q.rules, func(t *testing.T) {
			if _, err := os.Stat(folder); err != nil {
				t.Skipf("%s is not there; `make models-quantized` builds it", folder)
			}
			if python == "" && (q.base == "smollm2" || q.base == "focus-vit") {
				t.Skip("takes long: `make quantized` runs it")
			}
			want, ok := full[q.base+q.rules]
			if !ok {
				want = explain(t, filepath.Join("models", q.base), q.base, q.rules, nil)
				full[q.base+q.rules] = want
			}
			got := explain(t, folder, q.base, q.rules, want.target)
			d := distance(got.relevance, want.relevance)
			row := fmt.Sprintf("| %s-%s | %s | %.1e | %.1e | %.4f |", q.base, q.variant, q.rules, distance(got.output, want.output), d, cosine(got.relevance, want.relevance))
			if !(d <= q.relevance) {
				t.Errorf("relevance is %.3g from that of float32, want at most %g", d, q.relevance)
			}
			if python != "" {
				plain := onnxRuntime(t, python, filepath.Join(folder, "model.onnx"), got.inputs)
				emitted := onnxRuntime(t, python, got.emitted, got.inputs)
				o, r := distance(got.output, floats(t, plain[got.name])), distance(got.relevance, floats(t, emitted[got.sum]))
				row += fmt.Sprintf(" %.1e | %.1e |", o, r)
				if !(max(o, r) <= q.runtime) {
					t.Errorf("outputs are %.3g and relevance is %.3g from ONNX Runtime's, want at most %g", o, r, q.runtime)
				}
			}
			t.Log(row)
		})
	}
}

// TestQuantizedReference compares the three spellings of 8 bits with relevance
// that testdata/gen/golden/quantized.py computes in float64.
func TestQuantizedReference(t *testing.T) {
	folder := filepath.Join("testdata", "onnx", "quantized")
	text, err := os.ReadFile(filepath.Join(folder, "quantized.json"))
	if err != nil {
		t.Fatal(err)
	}
	type forms struct{ Explicit, Gradient [][]float64 }
	var want struct {
		X                     [][]float32
		Target                []int64
		QDQ, QLinear, Dynamic forms
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	rm, err := rules.Parse("reference.rules", `
		lxt.Linear, Gemm, MatMul, Add => epsilon(1e-9, plus)
		Relu, Mul                     => identity
		Cast                          => move
		lxt.FakeQuantize              => straight-through`, rules.Standard())
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{"x": ir.Of(slices.Concat(want.X...), len(want.X), len(want.X[0]))}
	for name, f := range map[string]forms{"qdq": want.QDQ, "qlinear": want.QLinear, "dynamic": want.Dynamic} {
		for form, relevance := range map[passes.Form][][]float64{passes.ExplicitForm: f.Explicit, passes.GradientForm: f.Gradient} {
			for _, b := range []backend.Backend{reference.NewDouble(), gorgonia.New()} {
				t.Run(name+" "+form.String()+" "+b.Name(), func(t *testing.T) {
					m, err := lxtc.Load(filepath.Join(folder, name+".onnx"))
					if err != nil {
						t.Fatal(err)
					}
					defer m.Close()
					opt := lxtc.Options{Rules: rm, Form: form, Targets: []passes.Target{{Index: want.Target}}}
					x, err := m.Explainer(context.Background(), b, opt, backend.Options{})
					if err != nil {
						t.Fatal(err)
					}
					defer x.Close()
					out, err := x.Run(context.Background(), in)
					if err != nil {
						t.Fatal(err)
					}
					// Scales and zero points are float32 in the file; ε, once with the bias
					// and once without it, is far below.
					if d := distance(floats(t, out["R:x"]), slices.Concat(relevance...)); !(d <= 1e-6) {
						t.Errorf("relevance is %.3g off, want at most 1e-6", d)
					}
				})
			}
		}
	}
}

// TestFinerSteps says that relevance goes to that of float32 as the steps of a
// quantization do to 0.
func TestFinerSteps(t *testing.T) {
	x := []float32{0.31, -1.27, 0.88, 1.94, -0.45, 0.07}
	run := func(first, second string) []float64 {
		m, err := ir.Parse(`g (float[2,3] x) => (float[2,2] y)
			<float[3,4] w = {0.5, -1, 0.25, 2, -0.75, 1, 1.5, -0.5, 0.3, 0.6, -0.9, 1.2}, float[4] b = {0.5, -1, 2, 1.5}, float[4,2] v = {1, -0.5, 0.3, 0.8, -1.1, 0.7, 0.6, 0.2}, int16 z = {100}> {
			`+first+`
			p = MatMul (d, w)
			a = Add (p, b)
			h = Relu (a)
			`+second+`
			y = MatMul (e, v)
		}`, ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		e, err := lxtc.FromIR(m).Explainer(context.Background(), reference.NewDouble(), lxtc.Options{Targets: []passes.Target{{Index: []int64{1, 0}}}}, backend.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		out, err := e.Run(context.Background(), map[string]*ir.Tensor{"x": ir.Of(x, 2, 3)})
		if err != nil {
			t.Fatal(err)
		}
		return floats(t, out["R:x"])
	}
	want := run("d = Identity (x)", "e = Identity (h)")
	for _, step := range []string{"0.1", "0.01", "0.001", "0.0003"} {
		scale := "s = Constant <value = float {" + step + "}> () "
		got := run(scale+"q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)", "r = QuantizeLinear (h, s, z) e = DequantizeLinear (r, s, z)")
		most, err := strconv.ParseFloat(step, 64)
		if err != nil {
			t.Fatal(err)
		}
		if d := distance(got, want); !(d <= most) {
			t.Errorf("relevance with steps of %s is %g from that of float32, want at most a step", step, d)
		}
	}
}

// explained is a model's output and the relevance of its tokens or pixels.
type explained struct {
	output, relevance []float64
	name, sum         string // of these two
	target            []int64
	inputs            map[string]*ir.Tensor
	emitted           string // the saved model
}

// explain explains one element of the output: the given one, or the largest.
func explain(t *testing.T, folder, base, rulemap string, target []int64) explained {
	t.Helper()
	m, err := lxtc.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e := explained{inputs: inputsOf(t, m, base), target: target, name: m.IR().Graph.Outputs[0].Name}
	if target == nil {
		e.target = largest(t, m, e)
	}
	rm, err := rules.Load(rulemap)
	if err != nil {
		t.Fatal(err)
	}
	opt := lxtc.Options{Rules: rm, Sums: true, Targets: []passes.Target{{Output: e.name, Index: e.target}}}
	x, err := m.Explainer(context.Background(), gorgonia.New(), opt, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	out, err := x.Run(context.Background(), e.inputs)
	if err != nil {
		t.Fatal(err)
	}
	e.sum = "R.sum:" + x.Report.Explained[0]
	e.output, e.relevance = floats(t, out[e.name]), floats(t, out[e.sum])
	if os.Getenv("LXTC_PYTHON") != "" && target != nil {
		r, err := m.Rewrite(context.Background(), opt)
		if err != nil {
			t.Fatal(err)
		}
		e.emitted = filepath.Join(t.TempDir(), "model.onnx")
		if err := r.Save(e.emitted, lxtc.SaveOptions{CopyWeights: true}); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// largest returns the index of the largest element of the first output, at the
// last position of a language model.
func largest(t *testing.T, m *lxtc.Model, e explained) []int64 {
	t.Helper()
	out, err := backend.Run(context.Background(), gorgonia.New(), m.IR(), backend.Options{}, e.inputs)
	if err != nil {
		t.Fatal(err)
	}
	y := out[e.name]
	xs := floats(t, y)
	last := xs[len(xs)-y.Shape[len(y.Shape)-1]:]
	index := make([]int64, len(y.Shape))
	for i := range index {
		index[i] = int64(y.Shape[i] - 1)
	}
	index[len(index)-1] = int64(slices.Index(last, slices.Max(last)))
	return index
}

// inputsOf makes inputs of a text or of the flower, in the model's types.
func inputsOf(t *testing.T, m *lxtc.Model, base string) map[string]*ir.Tensor {
	t.Helper()
	folder := filepath.Join("models", base)
	if _, err := os.Stat(filepath.Join(folder, "tokenizer.json")); err == nil {
		tok, err := tokenizer.Load(folder)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := tok.Encode("Mount Everest is the highest mountain above sea level. Its height was measured most recently in the year", tokenizer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]int64, len(tokens))
		for i, tk := range tokens {
			ids[i] = int64(tk.ID)
		}
		return languageInputs(m, ids)
	}
	prep, err := image.ReadConfig(filepath.Join(folder, "preprocessor_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := image.Open(filepath.Join("models", "efficientnet-lite0", "flower.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	x, err := prep.Apply(picture)
	if err != nil {
		t.Fatal(err)
	}
	v := m.IR().Graph.Inputs[0]
	in, err := arrays.Convert(ir.Of(x.Data, x.Shape...), v.Type.Elem)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*ir.Tensor{v.Name: in}
}

// onnxRuntime runs a file in ONNX Runtime.
func onnxRuntime(t *testing.T, python, model string, inputs map[string]*ir.Tensor) map[string]*ir.Tensor {
	t.Helper()
	var archive npy.Archive
	for name, x := range inputs {
		a, err := arrays.Array(x)
		if err != nil {
			t.Fatal(err)
		}
		archive = append(archive, npy.Entry{Name: name, Array: a})
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.npz"), filepath.Join(dir, "out.npz")
	if err := npy.WriteFile(in, archive); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command(python, "testdata/gen/run_onnx.py", model, in, out, "basic").CombinedOutput(); err != nil {
		t.Fatalf("ONNX Runtime: %s", msg)
	}
	got, err := npy.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	res := map[string]*ir.Tensor{}
	for _, e := range got {
		if res[e.Name], err = arrays.Tensor(e.Array); err != nil {
			t.Fatal(err)
		}
	}
	return res
}

func floats(t *testing.T, x *ir.Tensor) []float64 {
	t.Helper()
	if x == nil {
		t.Fatal("an output is missing")
	}
	xs, err := x.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	return xs
}

// distance is ‖got − want‖₂ / ‖want‖₂.
func distance(got, want []float64) float64 {
	diff := make([]float64, len(want))
	for i, w := range want {
		diff[i] = got[i] - w
	}
	return norm(diff) / norm(want)
}

func cosine(a, b []float64) float64 {
	dot := 0.0
	for i, x := range a {
		dot += x * b[i]
	}
	return dot / (norm(a) * norm(b))
}

func norm(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x * x
	}
	return math.Sqrt(sum)
}
