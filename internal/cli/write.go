package cli

import (
	"os"
	"path/filepath"

	"github.com/lxtc/lxtc/internal/files"
)

// checkFolder reports before a long run that a result could not be written.
func checkFolder(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case err != nil:
		return usagef("-o %s: there is no folder %s", path, dir)
	case !info.IsDir():
		return usagef("-o %s: %s is no folder", path, dir)
	}
	return nil
}

// writeBytes writes a result to a file, or to standard output for "-" and "".
// A file appears whole or not at all.
func (a *app) writeBytes(path string, b []byte) error {
	if path == "" || path == "-" {
		_, err := a.stdout.Write(b)
		return err
	}
	return files.Replace(path, b)
}
