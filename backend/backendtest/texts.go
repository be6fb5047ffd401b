package backendtest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// textCases reads the cases with which package ops tests its operators, in
// float32.
func textCases(t *testing.T, dir string) []*testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	var cases []*testCase
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			c, err := textCase(f.Name, strings.ReplaceAll(string(f.Data), "double", "float"))
			if err != nil {
				t.Fatalf("%s: %s: %v", file, f.Name, err)
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// textCase is a model as text. Comments say what its inputs hold: "# x in A B"
// is an interval to draw from, otherwise [-2, 2), "# x = A B C" the elements.
func textCase(name, text string) (*testCase, error) {
	given, interval := map[string][]float64{}, map[string][]float64{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 4 || words[0] != "#" {
			continue
		}
		var xs []float64
		for _, w := range words[3:] {
			x, err := strconv.ParseFloat(w, 64)
			if err != nil {
				return nil, fmt.Errorf("line %q: %w", line, err)
			}
			xs = append(xs, x)
		}
		if words[2] == "=" {
			given[words[1]] = xs
		} else {
			interval[words[1]] = xs
		}
	}
	build := func() (*ir.Model, map[string]*ir.Tensor, error) {
		m, err := ir.Parse(text, ops.Standard())
		if err != nil {
			return nil, nil, err
		}
		in := map[string]*ir.Tensor{}
		for _, v := range m.Graph.Inputs {
			shape, ok := v.Type.Static()
			if !ok {
				return nil, nil, fmt.Errorf("input %s is %s, want a static type", v, v.Type)
			}
			xs := given[v.Name]
			if xs == nil {
				lo, hi := -2.0, 2.0
				if iv := interval[v.Name]; iv != nil {
					lo, hi = iv[0], iv[1]
				}
				xs = draw(name+"/"+v.Name, count(shape), lo, hi)
			}
			if in[v.Name], err = tensorOf(v.Type.Elem, shape, xs); err != nil {
				return nil, nil, fmt.Errorf("input %s: %w", v, err)
			}
		}
		return m, in, nil
	}
	return &testCase{name, build}, nil
}

// draw returns numbers that depend on the key only.
func draw(key string, n int, lo, hi float64) []float64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = lo + (hi-lo)*r.Float64()
	}
	return xs
}
