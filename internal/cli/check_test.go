package cli

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/ir"
)

// Where activations are quantized, an output may move as far as rounding alone
// moves it, and no further; elsewhere it may not move.
func TestRoundingExcusesQuantizedActivationsOnly(t *testing.T) {
	folder := filepath.Join("..", "..", "testdata", "onnx")
	for _, c := range []struct {
		model    string
		relative func(rounding float64) float64
		same     bool
	}{
		{"quantized/qdq.onnx", func(r float64) float64 { return 1.5 * r }, true},
		{"quantized/qdq.onnx", func(r float64) float64 { return 3*r + 1e-3 }, false},
		{"digits-cnn", func(float64) float64 { return 0.5 }, false},
	} {
		m, err := lxtc.Load(filepath.Join(folder, filepath.FromSlash(c.model)))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, f := &subject{Model: m}, &feed{tensors: map[string]*ir.Tensor{}}
		for _, v := range m.IR().Graph.Inputs {
			shape, n := make([]int, v.Type.Rank()), 1
			for i, d := range v.Type.Shape {
				k, known := d.Num()
				if !known {
					k = 2
				}
				shape[i], n = int(k), n*int(k)
			}
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(i%13)/13 - 0.4
			}
			f.tensors[v.Name] = ir.Of(x, shape...)
		}
		a := &app{stderr: io.Discard, quiet: true, memory: func() (int64, bool) { return 0, false }}
		plain, err := a.forward(t.Context(), s, gorgonia.New(), backend.Options{}, f)
		if err != nil {
			t.Fatal(err)
		}
		moved := []comparison{{Output: m.IR().Graph.Outputs[0].Name}}
		if err := a.judgeRounding(t.Context(), s, moved, plain, f); err != nil {
			t.Fatal(err)
		}
		rounding := float64(moved[0].Rounding)
		moved[0] = comparison{Output: moved[0].Output, Relative: figure(c.relative(rounding))}
		if err := a.judgeRounding(t.Context(), s, moved, plain, f); err != nil {
			t.Fatal(err)
		}
		if moved[0].Same != c.same {
			t.Errorf("%s: moved by %.2g, rounding moves it by %.2g: same is %v, want %v", c.model, moved[0].Relative, rounding, moved[0].Same, c.same)
		}
	}
}
