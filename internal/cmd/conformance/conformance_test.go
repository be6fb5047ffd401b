package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	exporter "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func TestAgree(t *testing.T) {
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name      string
		got, want *ir.Tensor
		differ    string // "" if they agree
	}{
		{"a thousandth off", ir.Of([]float32{1.0009}), ir.Of([]float32{1}), ""},
		{"more than that", ir.Of([]float32{1.0011}), ir.Of([]float32{1}), "element 0"},
		{"next to 0", ir.Of([]float32{2e-7}), ir.Of([]float32{0}), "element 0"},
		{"NaN and NaN", ir.Of([]float32{nan}), ir.Of([]float32{nan}), ""},
		{"NaN and a number", ir.Of([]float32{nan}), ir.Of([]float32{0}), "element 0"},
		{"another shape", ir.Of([]float32{1}, 1), ir.Of([]float32{1}), "got float[1], want float"},
		{"another type", ir.Of([]int64{1}), ir.Of([]int32{1}), "got int64, want int32"},
	} {
		err := agree(tt.got, tt.want)
		if (err == nil) != (tt.differ == "") || err != nil && !strings.Contains(err.Error(), tt.differ) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.differ)
		}
	}
}

// TestRun judges three tests as the command does: right, wrong, and of an
// operator that there is not.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, model []byte, want float32) {
		set := filepath.Join(dir, name, "test_data_set_0")
		if err := os.MkdirAll(set, 0o777); err != nil {
			t.Fatal(err)
		}
		for file, data := range map[string][]byte{
			"../model.onnx": model, "input_0.pb": tensorFile(t, -2), "output_0.pb": tensorFile(t, want),
		} {
			if err := os.WriteFile(filepath.Join(set, file), data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	abs := modelFile(t)
	write("test_abs", abs, 2)
	write("test_abs_wrong", abs, 3)
	write("test_strange", bytes.Replace(abs, []byte("Abs"), []byte("Foo"), 1), 2)

	tests, err := find(dir, regexp.MustCompile(""))
	if err != nil {
		t.Fatal(err)
	}
	k := &kernels{fast: map[ir.OpName]bool{}, interpreted: map[ir.OpName]bool{}}
	es := engines(k)
	results := runAll(tests, es, time.Minute)
	for i, want := range []verdict{
		{status: passed},
		{failed, "output 0: element 0 is 2, want 3"},
		{unsupported, "operator Foo has no meaning here"},
	} {
		for j, e := range es {
			if got := results[i][j]; got != want {
				t.Errorf("%s on %s: %+v, want %+v", tests[i].name, e.name, got, want)
			}
		}
	}
	text := page("onnx 0.0", tests, es, results, k)
	for _, want := range []string{
		"| all | 1 / 3 | 1 / 3 |",
		"| Abs | 6 | ✓ |  | fast | 1 / 2 | 1 / 2 |",
		"- FAILED: output 0: element 0 is 2, want 3 (reference, gorgonia): `abs_wrong`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

func modelFile(t *testing.T) []byte {
	t.Helper()
	m, err := ir.Parse("g (float[1] x) => (float[1] y) {\n  y = Abs (x)\n}", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := exporter.Write(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tensorFile(t *testing.T, x float32) []byte {
	t.Helper()
	p := &onnxpb.TensorProto{Dims: []int64{1}, DataType: int32(ir.Float), FloatData: []float32{x}}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
