package onnx

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the tests find into the golden files")

// A golden is a file of expected texts, one section for each case.
type golden struct {
	path string
	file txtar.Archive
	was  map[string]string
}

// openGolden reads testdata/name. With -update the file is written anew when
// the test ends.
func openGolden(t *testing.T, name string) *golden {
	t.Helper()
	g := &golden{path: filepath.Join("testdata", name), was: map[string]string{}}
	a, err := txtar.ParseFile(g.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && *update:
		return g
	case err != nil:
		t.Fatal(err)
	}
	for _, f := range a.Files {
		g.was[f.Name] = string(f.Data)
	}
	g.file.Comment = a.Comment
	return g
}

// check compares got with the section of the given name.
func (g *golden) check(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		g.file.Files = append(g.file.Files, txtar.File{Name: name, Data: []byte(got)})
		if err := os.WriteFile(g.path, txtar.Format(&g.file), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, ok := g.was[name]
	if !ok {
		t.Fatalf("%s has no section %q; write it with -update and read it", g.path, name)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
