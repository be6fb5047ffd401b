package rules_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	exporter "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// onnxRuntime is a backend that writes a model, as the exporter does, has the file
// checked by the onnx package, and runs it in ONNX Runtime.
type onnxRuntime struct {
	dir    string
	ask    io.Writer
	answer *bufio.Scanner
	models int
}

// runner runs one file on one archive of inputs for each line that it reads.
const runner = `
import sys, numpy as np, onnx, onnxruntime as ort
ort.set_default_logger_severity(3)
options = ort.SessionOptions()
options.intra_op_num_threads = 1
opened = None
for line in sys.stdin:
    model, feed, result = line.rstrip("\n").split("\t")
    try:
        if model != opened:
            onnx.checker.check_model(model, full_check=True)
            session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            opened = model
        names = [o.name for o in session.get_outputs()]
        inputs = dict(np.load(feed))
        np.savez(result, **dict(zip(names, session.run(names, {i.name: inputs[i.name] for i in session.get_inputs()}))))
        print("done", flush=True)
    except Exception as e:
        print(repr(e).replace("\n", " "), flush=True)
`

// newRuntime starts the Python that LXTC_PYTHON names, which has onnx and
// onnxruntime. Without one there is no such backend: nil.
func newRuntime(t *testing.T) backend.Backend {
	t.Helper()
	python := os.Getenv("LXTC_PYTHON")
	if python == "" {
		return nil
	}
	cmd := exec.Command(python, "-c", runner)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &onnxRuntime{dir: t.TempDir(), ask: in, answer: bufio.NewScanner(out)}
}

func (*onnxRuntime) Name() string              { return "onnxruntime" }
func (*onnxRuntime) Supports(n *ir.Node) error { return nil }

func (b *onnxRuntime) Compile(m *ir.Model, opt backend.Options) (backend.Program, error) {
	b.models++
	path := filepath.Join(b.dir, fmt.Sprintf("%d.onnx", b.models))
	return runtimeProgram{b, path}, exporter.Save(path, m, exporter.Options{CopyWeights: true})
}

type runtimeProgram struct {
	*onnxRuntime
	path string
}

func (p runtimeProgram) NewSession() (backend.Session, error) { return p, nil }
func (p runtimeProgram) Stats() backend.Stats                 { return backend.Stats{} }
func (p runtimeProgram) Close() error                         { return os.Remove(p.path) }

func (p runtimeProgram) Run(_ context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	feed, result := filepath.Join(p.dir, "feed.npz"), filepath.Join(p.dir, "result.npz")
	var given npy.Archive
	for name, x := range in {
		a, err := arrays.Array(x)
		if err != nil {
			return nil, err
		}
		given = append(given, npy.Entry{Name: name, Array: a})
	}
	if err := npy.WriteFile(feed, given); err != nil {
		return nil, err
	}
	fmt.Fprintf(p.ask, "%s\t%s\t%s\n", p.path, feed, result)
	if !p.answer.Scan() {
		return nil, errors.Join(errors.New("ONNX Runtime has gone"), p.answer.Err())
	}
	if said := p.answer.Text(); said != "done" {
		return nil, errors.New(said)
	}
	got, err := npy.ReadFile(result)
	if err != nil {
		return nil, err
	}
	out := map[string]*ir.Tensor{}
	for _, e := range got {
		if out[e.Name], err = arrays.Tensor(e.Array); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// suited adds to opt what a model is rewritten for: what b supports, or for a file
// what lxtc.Rewrite does.
func suited(b backend.Backend, m *ir.Model, opt passes.Options) passes.Options {
	if _, file := b.(*onnxRuntime); file {
		opt.Opset, opt.Eval = max(21, m.Opsets[""]), reference.Eval
		return opt
	}
	opt.Supports, opt.Eval = b.Supports, reference.EvalFor(b)
	return opt
}
