// Command fidelity measures how far relevance is from golden numbers and
// writes the table of docs/fidelity.md:
//
//	go run ./internal/cmd/fidelity [-python PYTHON] [-o docs/fidelity.md] [FOLDER…]
//
// Each FOLDER holds cases of LXT, or a golden.json (see package golden); the
// project's own cases are measured, too. With -o -, only those of the folders
// are, and the table is printed. With -python, a Python that has onnxruntime, the emitted
// ONNX is measured in ONNX Runtime as well.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/golden"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
)

const (
	begin = "<!-- measured: go run ./internal/cmd/fidelity -->"
	end   = "<!-- end of measured -->"
)

func main() {
	python := flag.String("python", "", "a Python with onnxruntime, to run the emitted models")
	out := flag.String("o", "docs/fidelity.md", "the page to write the table into")
	flag.Parse()
	if err := run(*python, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "fidelity:", err)
		os.Exit(1)
	}
}

func run(python, out string, folders []string) error {
	var sb strings.Builder
	engines := []engine{{"reference, float64", on(reference.NewDouble())}, {"gorgonia, float32", on(gorgonia.New())}}
	if python != "" {
		engines = append(engines, engine{"emitted, ONNX Runtime", emitted(python)})
	}
	write := func(title string, cases []golden.Case) error {
		fmt.Fprintf(&sb, "\n### %s\n\n| case | rules | form |", title)
		for _, e := range engines {
			fmt.Fprintf(&sb, " %s |", e.name)
		}
		fmt.Fprintf(&sb, "\n| --- | --- | --- |%s\n", strings.Repeat(" --: |", len(engines)))
		for _, c := range cases {
			if err := measure(&sb, c, engines); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
		}
		return nil
	}
	own := []struct{ title, folder string }{
		{"The project's own cases", "golden"},
		{"Other architectures, each against its own PyTorch code under the documented rules", "golden/zoo"},
		{"Convnets and vision transformers against zennit's rules", "vision"},
	}
	if out == "-" {
		own = nil
	}
	for _, o := range own {
		cases, err := golden.Project(filepath.Join("testdata", "onnx", o.folder))
		if err != nil {
			return err
		}
		if err := write(o.title, cases); err != nil {
			return err
		}
	}
	for _, f := range folders {
		title, read := "Against LXT", golden.LXT
		if _, err := os.Stat(filepath.Join(f, "golden.json")); err == nil {
			title, read = filepath.Base(f), golden.Project
		}
		cases, err := read(f)
		if err != nil {
			return err
		}
		if err := write(title, cases); err != nil {
			return err
		}
	}
	if out == "-" {
		fmt.Print(sb.String())
		return nil
	}
	page, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(page, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", out, begin, end)
	}
	text := string(before) + begin + "\n" + sb.String() + "\n" + end + string(after)
	return os.WriteFile(out, []byte(text), 0o644)
}

// An engine runs a case and returns outputs by name.
type engine struct {
	name string
	run  func(m *lxtc.Model, r golden.Run) (map[string]*ir.Tensor, error)
}

func on(b backend.Backend) func(*lxtc.Model, golden.Run) (map[string]*ir.Tensor, error) {
	return func(m *lxtc.Model, r golden.Run) (map[string]*ir.Tensor, error) {
		return r.Explain(context.Background(), m, b)
	}
}

// emitted saves the rewritten model and runs it in ONNX Runtime.
func emitted(python string) func(*lxtc.Model, golden.Run) (map[string]*ir.Tensor, error) {
	return func(m *lxtc.Model, r golden.Run) (map[string]*ir.Tensor, error) {
		dir, err := os.MkdirTemp("", "fidelity")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		opt, err := r.Options()
		if err != nil {
			return nil, err
		}
		w, err := m.Rewrite(context.Background(), opt)
		if err != nil {
			return nil, err
		}
		model, in, out := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "in.npz"), filepath.Join(dir, "out.npz")
		if err := w.Save(model, lxtc.SaveOptions{}); err != nil {
			return nil, err
		}
		var archive npy.Archive
		for name, t := range r.Inputs {
			a, err := arrays.Array(t)
			if err != nil {
				return nil, err
			}
			archive = append(archive, npy.Entry{Name: name, Array: a})
		}
		if err := npy.WriteFile(in, archive); err != nil {
			return nil, err
		}
		if msg, err := exec.Command(python, "testdata/gen/run_onnx.py", model, in, out).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ONNX Runtime: %s", lastLine(msg))
		}
		got, err := npy.ReadFile(out)
		if err != nil {
			return nil, err
		}
		res := map[string]*ir.Tensor{}
		for _, e := range got {
			if res[e.Name], err = arrays.Tensor(e.Array); err != nil {
				return nil, err
			}
		}
		return res, nil
	}
}

// lastLine returns what a Python program died of, without the exception's name.
func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	s := lines[len(lines)-1]
	return s[strings.LastIndex(s, " : ")+1:]
}

// measure writes one row for each rule map and form: the largest error over
// all inputs and tensors.
func measure(sb *strings.Builder, c golden.Case, engines []engine) error {
	m, err := lxtc.Load(c.Model)
	if err != nil {
		fmt.Fprintf(sb, "| %s | not imported: %s |\n", c.Name, firstLine(err))
		return nil
	}
	defer m.Close()
	type row struct{ rules, form string }
	var order []row
	worst := map[row][]string{}
	most := map[row][]float64{}
	for _, r := range c.Runs {
		k := row{r.Rules, r.Form.String()}
		if r.Exact {
			k.form += ", ε → 0"
		}
		if worst[k] == nil {
			order = append(order, k)
			worst[k], most[k] = make([]string, len(engines)), make([]float64, len(engines))
		}
		for i, e := range engines {
			if r.Exact && i > 0 { // the others compute in float32
				worst[k][i] = "–"
				continue
			}
			out, err := e.run(m, r)
			if err != nil {
				worst[k][i] = firstLine(err)
				continue
			}
			for _, w := range r.Want {
				d, err := w.Distance(out["R:"+w.Tensor])
				if err != nil {
					return err
				}
				most[k][i] = max(most[k][i], d)
			}
		}
	}
	for _, k := range order {
		fmt.Fprintf(sb, "| %s | %s | %s |", c.Name, k.rules, k.form)
		for i := range engines {
			if worst[k][i] != "" {
				fmt.Fprintf(sb, " %s |", worst[k][i])
				continue
			}
			fmt.Fprintf(sb, " %.1e |", most[k][i])
		}
		sb.WriteString("\n")
	}
	fmt.Fprintln(os.Stderr, c.Name)
	return nil
}

func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return strings.ReplaceAll(s, "|", "/")
}
