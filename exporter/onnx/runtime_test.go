package onnx_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	exporter "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/ir"
)

// checker asks the onnx package whether files are right, types and shapes
// included, and runs pairs of files in ONNX Runtime on the same numbers.
const checker = `
import sys, numpy as np, onnx, onnxruntime as ort
ort.set_default_logger_severity(4)
def run(path, feed):
    so = ort.SessionOptions()
    so.intra_op_num_threads = 1
    so.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    s = ort.InferenceSession(path, so, providers=["CPUExecutionProvider"])
    if feed is None:
        r = np.random.default_rng(0)
        feed = {}
        for i in s.get_inputs():
            shape = [d if isinstance(d, int) else 4 for d in i.shape]
            dtype = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}.get(i.type)
            feed[i.name] = r.standard_normal(shape).astype(dtype) if dtype else np.ones(shape, np.int64)
    return feed, s.run(None, feed)
for before, after in zip(sys.argv[1::2], sys.argv[2::2]):
    onnx.checker.check_model(after, full_check=True)
    feed, want = run(before, None)
    _, got = run(after, feed)
    for w, g in zip(want, got):
        np.testing.assert_array_equal(g, w, err_msg=before)
`

// python returns a Python that has onnx and onnxruntime: the one that
// LXTC_PYTHON names, or the usual one.
func python(t *testing.T) string {
	t.Helper()
	name := os.Getenv("LXTC_PYTHON")
	if name == "" {
		name = "python3"
	}
	if err := exec.Command(name, "-c", "import onnx, onnxruntime, numpy").Run(); err != nil {
		t.Skipf("%s has no onnx and onnxruntime: %v", name, err)
	}
	return name
}

// What is written is right by onnx.checker and computes the same bits in ONNX
// Runtime as the file it was read from.
func TestCheckerAndRuntime(t *testing.T) {
	py := python(t)
	args := []string{"-c", checker}
	for _, file := range models(filepath.Join("..", "..", "importer", "onnx", "testdata")) {
		path := filepath.Join(t.TempDir(), filepath.Base(file))
		if err := exporter.Save(path, load(t, file), exporter.Options{CopyWeights: true}); err != nil {
			t.Fatal(err)
		}
		args = append(args, file, path)
	}
	if len(args) == 2 {
		t.Fatal("there are no models in the importer's testdata")
	}
	beside := filepath.Join(t.TempDir(), "beside.onnx")
	inside := filepath.Join(t.TempDir(), "inside.onnx")
	m := parse(t, `<ir_version: 10, opset_import: ["" : 20, "lxt" : 1]>
g (float[N,600] x) => (float[N,600] y, float[N,600] z) {
  h = lxt.Scaled <by = 0.5> (x)
  none = lxt.Scaled <by = 0.0> (x)
  y = Add (h, h)
  z = Add (h, none)
}
<domain: "lxt", opset_import: ["" : 20]>
Scaled <by> (x) => (y) {
  c = Constant <value_float: float = @by> ()
  y = Mul (x, c)
}`)
	w := m.Graph.Const("w", ir.Of(make([]float32, 600), 600))
	for n := range m.Graph.Nodes() {
		if n.Op.Name == "Add" && n.Out[0].Name == "y" {
			n.SetInput(1, w)
		}
	}
	args = append(args, inside, beside)
	if err := exporter.Save(inside, m, exporter.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := exporter.Save(beside, m, exporter.Options{Limit: 1}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(py, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
