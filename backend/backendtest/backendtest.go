// Package backendtest says what every backend must do. A backend's own tests
// call RunAll.
package backendtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// RunAll runs every fact about backends on b. It reads cases from the testdata
// of other packages of this module, so the test must run inside it.
func RunAll(t *testing.T, b backend.Backend) {
	root := moduleRoot(t)
	operators := textCases(t, filepath.Join(root, "ir", "ops", "testdata"))
	nodes := nodeCases(t, filepath.Join(root, "backend", "reference", "testdata"))
	random, moves, graphs := randomCases(), moveCases(), graphCases(t)
	t.Run("operators", func(t *testing.T) { testCases(t, b, operators) })
	t.Run("nodes", func(t *testing.T) { testCases(t, b, nodes) })
	t.Run("random", func(t *testing.T) { testCases(t, b, random) })
	t.Run("moves", func(t *testing.T) { testCases(t, b, moves) })
	t.Run("graphs", func(t *testing.T) { testCases(t, b, graphs) })
	t.Run("coverage", func(t *testing.T) { testCoverage(t, b, slices.Concat(operators, nodes, random, moves, graphs)) })
	t.Run("errors", func(t *testing.T) { testErrors(t, b) })
	t.Run("sessions", func(t *testing.T) { testSessions(t, b) })
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test")
	return ""
}

// A testCase is a model with inputs. Build makes a new one each time, because
// cases are rewritten.
type testCase struct {
	name  string
	build func() (*ir.Model, map[string]*ir.Tensor, error)
}

// testCases runs every case in every form on b and in float64.
func testCases(t *testing.T, b backend.Backend, cases []*testCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range forms {
				m, in, err := c.build()
				if err != nil {
					t.Fatal(err)
				}
				if err := f.apply(m, in); err != nil {
					t.Fatalf("operands %s: %v", f.name, err)
				}
				if err := check(b, m, in); err != nil {
					t.Errorf("operands %s: %v\n%s", f.name, err, m.Text())
				}
			}
		})
	}
}

// testCoverage says that every operator of the compiler that b runs has a case.
func testCoverage(t *testing.T, b backend.Backend, cases []*testCase) {
	seen := map[ir.OpName]bool{}
	for _, c := range cases {
		m, _, err := c.build()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for n := range m.Graph.Nodes() {
			seen[n.Op] = true
		}
	}
	for _, op := range ops.Standard().All() {
		if !seen[op.Name] && b.Supports(&ir.Node{Op: op.Name}) == nil {
			t.Errorf("%s has no case", op.Name)
		}
	}
}

// check compares what b makes of a model with what the interpreter makes of it
// in float64.
func check(b backend.Backend, m *ir.Model, in map[string]*ir.Tensor) error {
	want, err := run(reference.NewDouble(), m, in)
	if err != nil {
		return fmt.Errorf("in float64: %w", err)
	}
	for n := range m.Graph.Nodes() {
		if b.Supports(n) != nil {
			return nil // another pass makes something else of it first
		}
	}
	got, err := run(b, m, in)
	if err != nil {
		return err
	}
	for _, v := range m.Graph.Outputs {
		if err := agree(got[v.Name], want[v.Name], v.Type.Elem); err != nil {
			return fmt.Errorf("output %s: %w", v, err)
		}
	}
	return nil
}

// run runs a model once.
func run(b backend.Backend, m *ir.Model, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	return backend.Run(context.Background(), b, m, backend.Options{}, in)
}

// agree compares a result with the same in float64.
func agree(got, want *ir.Tensor, elem ir.DType) error {
	switch {
	case got == nil:
		return fmt.Errorf("it is missing")
	case got.Elem != elem:
		return fmt.Errorf("it has elements of type %s, want %s", got.Elem, elem)
	case !slices.Equal(got.Shape, want.Shape):
		return fmt.Errorf("it has shape %v, want %v", got.Shape, want.Shape)
	case elem == ir.String && !slices.Equal(got.Strs, want.Strs):
		return fmt.Errorf("got %q, want %q", got.Strs, want.Strs)
	case elem == ir.String:
		return nil
	case !elem.IsFloat() && !elem.IsSmallFloat():
		return equal(got, want)
	}
	return near(got, want)
}

func equal(got, want *ir.Tensor) error {
	if string(got.Raw) == string(want.Raw) {
		return nil
	}
	g, err := got.Int64s()
	if err != nil {
		return err
	}
	w, err := want.Int64s()
	if err != nil {
		return err
	}
	for i := range w {
		if g[i] != w[i] {
			return fmt.Errorf("element %d is %d, want %d", i, g[i], w[i])
		}
	}
	return fmt.Errorf("bits beyond the last element are set")
}
