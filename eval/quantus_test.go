package eval

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestQuantus compares with results of Quantus 0.6.0 on a small network. They
// are float32: the largest difference is 3e-7.
func TestQuantus(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "shared", "fixtures", "anchors", "quantus_metrics.json"))
	if err != nil {
		t.Skip("results of Quantus are not here: ", err)
	}
	var q struct {
		W1, W2  [][]float64
		B1      []float64   `json:"b1"`
		B2      []float64   `json:"b2"`
		X       [][]float64 `json:"x"`
		Y       []int       `json:"y"`
		A       [][]float64 `json:"a"`
		Metrics struct {
			PixelFlipping        [][]float64
			FaithfulnessEstimate []float64
			Sparseness           []float64
			Complexity           []float64
			AUC                  []float64 `json:"PixelFlipping_auc_step4"`
		} `json:"metrics"`
	}
	if err := json.Unmarshal(text, &q); err != nil {
		t.Fatal(err)
	}
	batch := 0.0 // Quantus divides by the greatest magnitude of the whole batch
	for _, a := range q.A {
		batch = max(batch, slices.Max(Magnitudes(a)))
	}
	const limit = 1e-6
	check := func(name string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= limit) {
			t.Errorf("%s: %.9g, Quantus has %.9g", name, got, want)
		}
	}
	for i, x := range q.X {
		a := Magnitudes(q.A[i])
		signed := make([]float64, len(a))
		for k := range a {
			a[k] /= batch
			signed[k] = q.A[i][k] / batch
		}
		base := make([]float64, len(x))
		for k := range base {
			base[k] = slices.Min(x) // "black"
		}
		logits := func(x []float64) []float64 {
			h := layer(x, q.W1, q.B1)
			for k := range h {
				h[k] = max(h[k], 0)
			}
			return layer(h, q.W2, q.B2)
		}
		probability := model{x, base, func(x []float64) float64 { return softmax(logits(x))[q.Y[i]] }}
		logit := model{x, base, func(x []float64) float64 { return logits(x)[q.Y[i]] }}

		curve, err := Curve(t.Context(), probability, Order(signed), len(x))
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range q.Metrics.PixelFlipping[i] { // Quantus leaves out the whole input
			check("pixel flipping", curve[k+1], want)
		}
		curve, err = Curve(t.Context(), probability, Order(signed), len(x)/4)
		if err != nil {
			t.Fatal(err)
		}
		// Quantus's area has steps of length 1 and starts after the first.
		check("area", Area(curve[1:])*float64(len(curve)-2), q.Metrics.AUC[i])

		removals, err := Remove(t.Context(), logit, Singles(len(x)))
		if err != nil {
			t.Fatal(err)
		}
		check("faithfulness estimate", removals.Correlation(signed), q.Metrics.FaithfulnessEstimate[i])
		check("sparseness", Gini(a), q.Metrics.Sparseness[i])
		check("complexity", Entropy(a), q.Metrics.Complexity[i])
	}
}

func layer(x []float64, w [][]float64, b []float64) []float64 {
	y := slices.Clone(b)
	for i := range x {
		for j := range y {
			y[j] += x[i] * w[i][j]
		}
	}
	return y
}

func softmax(x []float64) []float64 {
	top, sum := slices.Max(x), 0.0
	y := make([]float64, len(x))
	for i := range x {
		y[i] = math.Exp(x[i] - top)
		sum += y[i]
	}
	for i := range y {
		y[i] /= sum
	}
	return y
}
