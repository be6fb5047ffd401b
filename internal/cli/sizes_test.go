package cli

import (
	"path/filepath"
	"testing"

	"github.com/lxtc/lxtc"
	export "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/ir"
)

// A layer that goes step by step is written out for as many steps as the input has.
func TestStepsAreWrittenOutForTheInput(t *testing.T) {
	m := parse(t, `g (float[S,1,2] x) => (y) <float[1,4,2] w = {1, 0, 0, 1, 1, 1, 0, 0}, float[1,4,1] r = {1, 0, 1, 0}> {
		t, y = LSTM <hidden_size = 1> (x, w, r)
	}`)
	path := filepath.Join(t.TempDir(), "lstm.onnx")
	if err := export.Save(path, m, export.Options{}); err != nil {
		t.Fatal(err)
	}
	s, err := newApp(nil).open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Rewrite(t.Context(), lxtc.Options{}); err == nil {
		t.Error("relevance passes an LSTM of unknown length")
	}
	if err := s.withSizes(map[string]*ir.Tensor{"x": ir.Of(make([]float32, 6), 3, 1, 2)}); err != nil {
		t.Fatal(err)
	}
	if got, want := s.IR().Graph.Inputs[0].Type.String(), "float[3,1,2]"; got != want {
		t.Errorf("x is %s, want %s", got, want)
	}
	if _, err := s.Rewrite(t.Context(), lxtc.Options{}); err != nil {
		t.Errorf("relevance does not pass three steps: %v", err)
	}
}

// A model of unknown sizes that needs none is not read twice.
func TestSizesStayOpenWithoutSteps(t *testing.T) {
	m := parse(t, `g (float[S,2] x) => (y) { y = Relu (x) }`)
	s := &subject{Model: lxtc.FromIR(m), again: func(...onnx.Option) (*lxtc.Model, error) {
		t.Error("the model is opened again")
		return lxtc.FromIR(m), nil
	}}
	if err := s.withSizes(map[string]*ir.Tensor{"x": ir.Of(make([]float32, 6), 3, 2)}); err != nil {
		t.Fatal(err)
	}
	if got, want := s.IR().Graph.Inputs[0].Type.String(), "float[S,2]"; got != want {
		t.Errorf("x is %s, want %s", got, want)
	}
}
