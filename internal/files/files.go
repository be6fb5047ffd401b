// Package files writes files that appear whole or not at all.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Replace writes b beside the path and renames, so that a reader never sees
// half a file and what was there stays if writing fails. A link leads to the file
// that is replaced. What is no file, such as /dev/stdout, is written to.
func Replace(path string, b []byte) error {
	mode := fs.FileMode(0)
	switch info, err := os.Stat(path); {
	case err != nil: // there is none yet
	case info.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case !info.Mode().IsRegular():
		return write(path, b)
	default:
		mode = info.Mode().Perm()
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
	}
	return replace(path, b, mode)
}

// replace is Replace for a file, of which mode is zero if there is none yet.
func replace(path string, b []byte, mode fs.FileMode) error {
	f, err := create(path)
	if err != nil {
		return at(path, err)
	}
	defer os.Remove(f.Name()) // does nothing after the rename
	_, err = f.Write(b)
	if err == nil && mode != 0 {
		err = f.Chmod(mode)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return at(path, err)
}

// create makes a file of a new name beside the path, with the permissions that
// the user gives to new files.
func create(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	for {
		name := fmt.Sprintf("%s.%s-%d", dir, base, rand.Uint32())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// write writes to what is no file.
func write(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return at(path, err)
	}
	_, err = f.Write(b)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return at(path, err)
}

// at says of an error which file it is about: the user knows no other.
func at(path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	default:
		return err
	}
	return fmt.Errorf("%s cannot be written: %w", path, err)
}
