package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// A status is how a test ended.
type status string

const (
	passed      status = "passed"
	failed      status = "FAILED"      // it ran, and gave another result or an error
	unsupported status = "unsupported" // it was refused before it ran
)

type verdict struct {
	status status
	reason string // "" if it passed
}

// An engine is a backend with what comes before it.
type engine struct {
	name    string
	backend backend.Backend
	kernels *kernels // of gorgonia, before which the passes are run as well; nil for the reference
}

// judge runs a test. A panic is a failure, and so is a run that takes longer
// than limit; its goroutine is left behind.
func (e engine) judge(t *test, limit time.Duration) verdict {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan verdict, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- verdict{failed, fmt.Sprintf("panic: %v", r)}
			}
		}()
		done <- e.verdict(ctx, t)
	}()
	select {
	case v := <-done:
		return v
	case <-ctx.Done():
		return verdict{failed, fmt.Sprintf("it takes longer than %v", limit)}
	}
}

func (e engine) verdict(ctx context.Context, t *test) verdict {
	m, p, err := e.compile(ctx, t)
	if err != nil {
		return verdict{unsupported, reason(err)}
	}
	defer m.Close()
	s, err := p.NewSession()
	if err != nil {
		return verdict{unsupported, reason(err)}
	}
	defer s.Close()
	sets, err := filepath.Glob(filepath.Join(t.dir, "test_data_set_*"))
	if err != nil || len(sets) == 0 {
		return verdict{failed, "it has no data"}
	}
	for _, set := range sets {
		if err := t.check(ctx, s, m, set); err != nil {
			return verdict{failed, reason(err)}
		}
	}
	return verdict{status: passed}
}

// compile makes a program of the test's model.
func (e engine) compile(ctx context.Context, t *test) (*ir.Model, backend.Program, error) {
	m, err := onnx.Decode(t.model, onnx.Dir(t.dir))
	if err != nil {
		return nil, nil, err
	}
	if e.kernels != nil {
		opt := passes.Options{Eval: reference.Eval, Supports: e.backend.Supports}
		if _, err := forward().Run(ctx, m, opt, passes.Driver{Strict: true}); err != nil {
			return nil, nil, err
		}
	}
	p, err := e.backend.Compile(m, backend.Options{Threads: 1})
	if err == nil && e.kernels != nil {
		e.kernels.saw(m)
	}
	return m, p, err
}

// forward is the default passes but those that choose what to explain and add
// relevance.
func forward() passes.Pipeline {
	skip := []string{"target", "demand", "fold-cut", "dead-cut", "swap", "seed", "relevance", "dead-after"}
	return slices.DeleteFunc(passes.Default(), func(p passes.Pass) bool { return slices.Contains(skip, p.Name) })
}

// check runs the program on one set of data.
func (t *test) check(ctx context.Context, s backend.Session, m *ir.Model, set string) error {
	in := map[string]*ir.Tensor{}
	for i, name := range t.inputs {
		x, err := tensor(set, "input", i)
		if errors.Is(err, os.ErrNotExist) && m.Graph.Find(name) == nil {
			continue // an initializer
		}
		if err != nil {
			return err
		}
		in[name] = x
	}
	got, err := s.Run(ctx, in)
	if err != nil {
		return err
	}
	for i, name := range t.outputs {
		want, err := tensor(set, "output", i)
		if err != nil {
			return err
		}
		if err := agree(got[name], want); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

func tensor(set, what string, i int) (*ir.Tensor, error) {
	b, err := os.ReadFile(filepath.Join(set, fmt.Sprintf("%s_%d.pb", what, i)))
	if err != nil {
		return nil, err
	}
	return onnx.DecodeTensor(b)
}

// reason is the message of an error without the names that the test gives, on
// one line.
func reason(err error) string {
	s := err.Error()
	var e *diag.Error
	if errors.As(err, &e) {
		s = e.Msg
		if e.Code == "LX1010" && len(e.Trail) > 1 {
			s = "operators without a meaning, among them " + strings.Fields(e.Trail[0])[0]
		}
	}
	s, _, _ = strings.Cut(s, "\n")
	return s
}
