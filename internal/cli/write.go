package cli

import (
	"os"
	"path/filepath"
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
	f, err := os.CreateTemp(filepath.Dir(path), ".lxtc-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing after the rename
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
