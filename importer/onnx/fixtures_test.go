package onnx

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// fixtures returns the models of the golden fixtures; they are not part of the
// repository.
func fixtures(t *testing.T) []string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "fixtures")
	var files []string
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".onnx") {
			files = append(files, path)
		}
		return nil
	})
	if len(files) == 0 {
		t.Skipf("no models under %s", root)
	}
	return files
}

// Every fixture loads, or fails with the list of what has no meaning here and
// loads if that is kept.
func TestFixturesLoad(t *testing.T) {
	for _, file := range fixtures(t) {
		t.Run(strings.TrimPrefix(filepath.ToSlash(file), "../../../shared/fixtures/"), func(t *testing.T) {
			m, err := Load(file)
			var e *diag.Error
			if errors.As(err, &e) && e.Code == "LX1010" && len(e.Trail) > 0 {
				t.Log(err)
				m, err = Load(file, KeepUnknown())
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if err := ir.Verify(m); err != nil {
				t.Error(err)
			}
		})
	}
}
