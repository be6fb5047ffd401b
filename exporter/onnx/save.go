package onnx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// Options say how a model is written. The zero value refers to weights that
// came from external data and embeds the others, up to DefaultLimit.
type Options struct {
	// Limit is the number of bytes of weights that the model file may hold
	// before they go to a file beside it; 0 means DefaultLimit.
	Limit int64

	// CopyWeights writes all weights anew, so that the output does not depend
	// on any other file.
	CopyWeights bool

	// Stop is asked now and then while files are written, which can take minutes.
	// Its error ends the writing, and leaves what was there. Nil for never.
	Stop func() error
}

// DefaultLimit leaves room below the 2 GiB at which protobuf ends.
const DefaultLimit = 1_500_000_000

// Save writes m to the file at path and, if its weights need it, to path_data
// beside it. Each is written under another name and renamed when it is whole,
// so that a failed Save leaves what was there.
func Save(path string, m *ir.Model, o Options) error {
	p, err := newPlan(path, m, o)
	if err != nil {
		return in(err, path)
	}
	model, err := encode(m, p)
	if err != nil {
		return in(err, path)
	}
	files := []*file{{path: path, write: func(w io.Writer) error { return pb.Write(w, model) }}}
	if len(p.beside) > 0 { // moved first: a model without its data is worth nothing
		files = append([]*file{{path: p.dataPath(), write: p.writeData}}, files...)
	}
	return replace(files, o.Stop)
}

// Write writes m to w with all its weights inside. A model of 2 GiB or more is
// an error: it needs Save.
func Write(w io.Writer, m *ir.Model) error {
	model, err := encode(m, &plan{})
	if err != nil {
		return err
	}
	if err := pb.Write(w, model); err != nil {
		e := diag.Errorf("LX4001", "%w", err)
		if errors.Is(err, pb.ErrTooLarge) {
			e.Help("write to a file: its weights then stay where they are, or go to a file beside it")
		}
		return e
	}
	return nil
}

// A file is one that Save writes.
type file struct {
	path  string
	write func(io.Writer) error
	made  string // where it is until all are whole
}

// replace writes files beside their paths and, when all are whole, moves them
// there. What it cannot move is removed.
func replace(files []*file, stop func() error) error {
	defer func() {
		for _, f := range files {
			if f.made != "" {
				_ = os.Remove(f.made) // the first error is the one that tells
			}
		}
	}()
	for _, f := range files {
		if err := f.make(stop); err != nil {
			return in(err, f.path)
		}
	}
	return move(files)
}

// move gives whole files their names. One takes the place of another at once. Of
// several, what was there is set aside before: a process that is killed in between
// must not leave an old model beside new data, whose numbers it would take for its
// own weights. None is better, and the next Save writes it.
func move(files []*file) (err error) {
	old := make([]string, len(files)) // where what was there is
	defer func() {
		for i, f := range files {
			switch {
			case old[i] == "":
			case err != nil:
				_ = os.Rename(old[i], f.path) // the first error is the one that tells
			default:
				_ = os.Remove(old[i])
			}
		}
	}()
	for i := len(files) - 1; i >= 0 && len(files) > 1; i-- { // the model first
		if old[i], err = setAside(files[i].path); err != nil {
			return in(err, files[i].path)
		}
	}
	for _, f := range files {
		if err := os.Rename(f.made, f.path); err != nil {
			return in(err, f.path)
		}
		f.made = ""
	}
	return nil
}

// setAside gives a file a name that nobody looks for, and returns it; empty if
// there is no file.
func setAside(path string) (string, error) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return "", nil // Rename says what is wrong
	}
	f, err := create(path)
	if err != nil {
		return "", err
	}
	err = f.Close()
	if err == nil {
		err = os.Rename(path, f.Name())
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// make writes the file beside its path.
func (f *file) make(stop func() error) error {
	out, err := create(f.path)
	if err != nil {
		return err
	}
	f.made = out.Name()
	w := bufio.NewWriterSize(&stoppable{out, stop}, 1<<20)
	err = f.write(w)
	if err == nil {
		err = w.Flush()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

// stoppable writes as long as stop has no error.
type stoppable struct {
	w    io.Writer
	stop func() error
}

// between is how much is written before stop is asked again.
const between = 16 << 20

func (s *stoppable) Write(b []byte) (n int, err error) {
	for chunk := range slices.Chunk(b, between) {
		if s.stop != nil {
			if err := s.stop(); err != nil {
				return n, err
			}
		}
		k, err := s.w.Write(chunk)
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}

// create makes a new file in the folder of path, with the permissions that any
// new file has.
func create(path string) (*os.File, error) {
	for i := 0; ; i++ {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d-%d", filepath.Base(path), os.Getpid(), i))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, os.ErrExist) || i > 100 {
			return f, err
		}
	}
}

// in adds the file to err.
func in(err error, path string) error {
	var e *diag.Error
	if !errors.As(err, &e) {
		e = diag.Errorf("LX4001", "%w", err)
		err = e
	}
	e.In(path)
	return err
}
