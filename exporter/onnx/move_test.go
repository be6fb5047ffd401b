package onnx

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// If the second of two files cannot be moved, the first is what it was: an old
// model beside new data would be a damaged one.
func TestMoveOfSeveralIsAllOrNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		made bool // the second file
		want map[string]string
	}{
		{"both whole", true, map[string]string{"m.onnx": "new", "m.onnx_data": "new data"}},
		{"one gone", false, map[string]string{"m.onnx": "old", "m.onnx_data": "old data"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			data := &file{path: write("m.onnx_data", "old data"), made: write(".made", "new data")}
			model := &file{path: write("m.onnx", "old"), made: filepath.Join(dir, ".gone")}
			if c.made {
				write(".gone", "new")
			}
			if err := move([]*file{data, model}); (err == nil) != c.made {
				t.Errorf("move: %v", err)
			}
			got := map[string]string{}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				b, err := os.ReadFile(filepath.Join(dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				got[e.Name()] = string(b)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("files (-want +got):\n%s", d)
			}
		})
	}
}
