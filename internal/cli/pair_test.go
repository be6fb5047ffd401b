package cli

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/internal/npy"
)

// An encoder and a decoder in two files have the relevance, on both sides, of
// the same T5 exported as one model.
func TestPairIsExplainedAsAWhole(t *testing.T) {
	folder := filepath.Join("..", "..", "testdata", "onnx", "t5-pair")
	dir := t.TempDir()
	in := filepath.Join(dir, "in.npz")
	ints := func(name string, x ...int64) npy.Entry {
		a, err := npy.New([]int{1, len(x)}, x)
		if err != nil {
			t.Fatal(err)
		}
		return npy.Entry{Name: name, Array: a}
	}
	err := npy.WriteFile(in, npy.Archive{
		ints("input_ids", 5, 9, 3, 12, 1), ints("attention_mask", 1, 1, 1, 1, 1), ints("decoder_input_ids", 0, 7, 21),
	})
	if err != nil {
		t.Fatal(err)
	}
	explain := func(model, form string) map[int][]float64 {
		out := filepath.Join(dir, "out.npz")
		var stdout, stderr bytes.Buffer
		args := []string{"explain", model, "--input", in, "--form", form, "-o", out}
		if code := Run(context.Background(), args, strings.NewReader(""), &stdout, &stderr); code != 0 {
			t.Fatalf("exit status %d: %s", code, stderr.String())
		}
		archive, err := npy.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		byLength := map[int][]float64{} // of the sequence, which tells the sides apart
		for _, e := range archive {
			if !strings.HasPrefix(e.Name, "R:") {
				continue
			}
			if byLength[e.Array.Shape[1]], err = e.Array.Float64s(); err != nil {
				t.Fatal(err)
			}
		}
		return byLength
	}
	for _, form := range []string{"gradient", "explicit"} {
		pair, whole := explain(folder, form), explain(filepath.Join(folder, "whole.onnx"), form)
		if len(pair[5]) == 0 || len(pair[3]) == 0 {
			t.Fatalf("%s form: relevance for %d and %d tokens only", form, len(pair[5]), len(pair[3]))
		}
		// Measured: the same bits. Sums in another order would differ by some 1e-7.
		near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(largest(whole[5]), largest(whole[3])) })
		if d := cmp.Diff(whole, pair, near); d != "" {
			t.Errorf("%s form: relevance (-whole +pair):\n%s", form, d)
		}
	}
}

func largest(x []float64) (most float64) {
	for _, v := range x {
		most = max(most, math.Abs(v))
	}
	return most
}
