package backendtest

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/lxtc/lxtc/ir"
)

// Each calls f for every case that RunAll runs: models of mostly one node, of
// every operator, with inputs that they run on. The model is f's to change.
func Each(t *testing.T, f func(name string, m *ir.Model, in map[string]*ir.Tensor)) {
	t.Helper()
	root := moduleRoot(t)
	operators := textCases(t, filepath.Join(root, "ir", "ops", "testdata"))
	nodes := nodeCases(t, filepath.Join(root, "backend", "reference", "testdata"))
	for _, c := range slices.Concat(operators, nodes, randomCases(), moveCases(), graphCases(t)) {
		m, in, err := c.build()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		f(c.name, m, in)
	}
}
