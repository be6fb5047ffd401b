package onnx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
	if len(p.beside) > 0 {
		if err := replace(p.dataPath(), p.writeData); err != nil {
			return in(err, p.dataPath())
		}
	}
	return in(replace(path, func(w io.Writer) error { return pb.Write(w, model) }), path)
}

// Write writes m to w with all its weights inside. A model of 2 GiB or more is
// an error: it needs Save.
func Write(w io.Writer, m *ir.Model) error {
	model, err := encode(m, &plan{})
	if err != nil {
		return err
	}
	if err := pb.Write(w, model); err != nil {
		return diag.Errorf("LX4001", "%w", err)
	}
	return nil
}

// replace writes a file beside path and moves it there.
func replace(path string, write func(io.Writer) error) (err error) {
	f, err := create(path)
	if err != nil {
		return diag.Errorf("LX4001", "%w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // it may be closed already; err is what happened first
			err = diag.Errorf("LX4001", "%w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
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
	if err == nil {
		return nil
	}
	var e *diag.Error
	if !errors.As(err, &e) {
		e = diag.Errorf("LX4001", "%w", err)
		err = e
	}
	e.In(path)
	return err
}
