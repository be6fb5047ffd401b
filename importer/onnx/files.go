package onnx

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// files are the files of one model. Each is mapped once.
type files struct {
	dir      string   // what locations of external data are relative to; "" if nothing
	roots    []string // resolved folders that external data must lie in
	inMemory bool
	mapped   map[string]*mapping // by resolved path
}

// A mapping is the content of a file, mapped or read.
type mapping struct {
	path  string // "" for bytes that came from no file
	data  []byte
	unmap func() error // nil for bytes in memory
}

// allow lets external data lie in the folder of the model and, if the model is
// a symbolic link, in the folder of what it points to: HuggingFace's cache
// links both a model and its data to files in a common folder.
func (fs *files) allow(model string) {
	for _, dir := range []string{filepath.Dir(model), fs.dir} {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			fs.roots = append(fs.roots, real)
		}
	}
	if real, err := filepath.EvalSymlinks(model); err == nil {
		fs.roots = append(fs.roots, filepath.Dir(real))
	}
}

// open maps the file at path, unless that has been done.
func (fs *files) open(path string) (*mapping, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, diag.Errorf("LX1001", "%w", err)
	}
	if abs, err := filepath.Abs(real); err == nil {
		real = abs
	}
	if m := fs.mapped[real]; m != nil {
		return m, nil
	}
	if info, err := os.Stat(real); err == nil && !info.Mode().IsRegular() { // opening a named pipe would wait for a writer
		return nil, diag.Errorf("LX1001", "%s is not a regular file", path)
	}
	f, err := os.Open(real)
	if err != nil {
		return nil, diag.Errorf("LX1001", "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, diag.Errorf("LX1001", "%w", err)
	case !info.Mode().IsRegular():
		return nil, diag.Errorf("LX1001", "%s is not a regular file", path)
	case info.Size() != int64(int(info.Size())):
		return nil, diag.Errorf("LX1001", "%s has %d bytes, too many for this machine's addresses", path, info.Size())
	}
	m := &mapping{path: real}
	switch {
	case info.Size() == 0:
	case fs.inMemory:
		m.data, err = os.ReadFile(real)
	default:
		m.data, m.unmap, err = mapFile(f, int(info.Size()))
	}
	if err != nil {
		return nil, diag.Errorf("LX1001", "%s: %w", path, err)
	}
	if fs.mapped == nil {
		fs.mapped = map[string]*mapping{}
	}
	fs.mapped[real] = m
	return m, nil
}

// external returns the file that a tensor names as the location of its data.
func (fs *files) external(location string) (*mapping, error) {
	name := filepath.FromSlash(location)
	if fs.dir == "" {
		return nil, diag.Errorf("LX1006", "data are in the file %q, but the model came without a folder", location).
			Help("load the model from its file, or give the folder by Dir")
	}
	if !filepath.IsLocal(name) || strings.ContainsRune(location, '\\') {
		return nil, diag.Errorf("LX1006", "data are at %q, which is not a path inside the model's folder", location)
	}
	path := filepath.Join(fs.dir, name)
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, diag.Errorf("LX1006", "data are in a file that cannot be found: %w", err).
			Help("external data lie beside the model; copy them along with it")
	}
	if len(fs.roots) == 0 {
		root, err := filepath.EvalSymlinks(fs.dir)
		if err != nil {
			return nil, diag.Errorf("LX1006", "%w", err)
		}
		fs.roots = []string{root}
	}
	for _, root := range fs.roots {
		if rel, err := filepath.Rel(root, real); err == nil && filepath.IsLocal(rel) {
			return fs.open(path)
		}
	}
	return nil, diag.Errorf("LX1006", "data are at %q, a symbolic link that leaves the model's folder", location)
}

// close unmaps all files. Nothing else does, the garbage collector least of all:
// it cannot see who reads mapped bytes, and a model is often forgotten before
// the weights that a program made of it. One that is never closed costs
// addresses, not memory.
func (fs *files) close() error {
	var errs []error
	for _, m := range fs.mapped {
		if m.unmap != nil {
			errs = append(errs, m.unmap())
		}
		m.data, m.unmap = nil, nil
	}
	fs.mapped = nil
	return errors.Join(errs...)
}

// source says where part lies in m; nil if m is no file, or part is of another.
func (m *mapping) source(part []byte) *ir.Source {
	if m.path == "" {
		return nil
	}
	s := &ir.Source{Path: m.path, Length: int64(len(part))}
	if len(part) > 0 {
		s.Offset = int64(uintptr(unsafe.Pointer(&part[0])) - uintptr(unsafe.Pointer(&m.data[0])))
		if s.Offset < 0 || s.Offset >= int64(len(m.data)) {
			return nil
		}
	}
	return s
}
