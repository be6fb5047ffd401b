package lxtc_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/golden"
	"github.com/lxtc/lxtc/passes"
)

// TestGolden compares relevance with float64 references of the project's own
// scripts, on both backends.
func TestGolden(t *testing.T) {
	for _, dir := range []string{"golden", "golden/zoo", "vision"} {
		cases, err := golden.Project(filepath.Join("testdata", "onnx", dir))
		if err != nil {
			t.Fatal(err)
		}
		checkCases(t, cases)
	}
}

// TestLanguageModels compares with references of LXT, in the folder that
// LXTC_GOLDEN names.
func TestLanguageModels(t *testing.T) {
	root := os.Getenv("LXTC_GOLDEN")
	if root == "" {
		root = filepath.Join("..", "shared", "fixtures", "lm")
	}
	cases, err := golden.LXT(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Skipf("no golden cases under %s", root)
	}
	checkCases(t, cases)
}

func checkCases(t *testing.T, cases []golden.Case) {
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			m, err := lxtc.Load(c.Model)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			for _, b := range []backend.Backend{reference.NewDouble(), gorgonia.New()} {
				t.Run(b.Name(), func(t *testing.T) {
					for _, run := range c.Runs {
						if b.Name() == "reference" || !run.Exact {
							checkRun(t, m, b, run)
						}
					}
				})
			}
		})
	}
}

func checkRun(t *testing.T, m *lxtc.Model, b backend.Backend, run golden.Run) {
	t.Helper()
	out, err := run.Explain(context.Background(), m, b)
	if err != nil {
		t.Errorf("%s: %v", run.Name, err)
		return
	}
	for _, w := range run.Want {
		d, err := w.Distance(out["R:"+w.Tensor])
		if err != nil {
			t.Errorf("%s: %v", run.Name, err)
			continue
		}
		limit := w.Limit
		if b.Name() == "reference" && run.Form == passes.GradientForm {
			limit = min(limit, golden.ExactLimit)
		}
		t.Logf("%-36s %-24s %.2g (at most %.2g)", run.Name, w.Key, d, limit)
		if !(d <= limit) {
			t.Errorf("%s: relevance of %s is %.3g off, want at most %.3g", run.Name, w.Key, d, limit)
		}
	}
}
