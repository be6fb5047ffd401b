package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

func TestInterruptedCommandsWriteNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, command := range [][]string{
		{"explain", "-o", "heat.html"},
		{"rewrite", "-o", "out.onnx"},
	} {
		t.Run(command[0], func(t *testing.T) {
			dir := t.TempDir()
			model := filepath.Join(dir, "model.onnxtxt")
			if err := os.WriteFile(model, []byte("g (float[2] x) => (float[2] y) { y = Relu (x) }"), 0o644); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(dir, command[2])
			args := []string{command[0], model, "-o", out}
			if command[0] == "explain" {
				args = []string{command[0], "-o", out} // the model that lxtc carries
			}
			var stdout, stderr bytes.Buffer
			code := Run(ctx, args, strings.NewReader(""), &stdout, &stderr)
			if code != exitInterrupted || stderr.String() != "lxtc: interrupted\n" || stdout.Len() > 0 {
				t.Errorf("code %d, stdout %q, stderr %q; want %d, nothing, interrupted", code, stdout.String(), stderr.String(), exitInterrupted)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); !cmp.Equal(left, []string{model}) {
				t.Errorf("the folder holds %v, want the model only", left)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"done", nil, 0},
		{"a plain error", errors.New("disk on fire"), 1},
		{"bad usage", usagef("no"), 2},
		{"interrupted, whatever else", fmt.Errorf("node 3: %w", context.Canceled), 130},
		{"unreadable", unreadable(errors.New("no")), 3},
		{"text that is no model", &ir.SyntaxError{Line: 1}, 3},
		{"a file that is not there", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, 3},
		{"a damaged model", diag.Errorf("LX1002", "no"), 3},
		{"an operator without a meaning", diag.Errorf("LX1010", "no"), 4},
		{"an operator without a rule", fmt.Errorf("pass swap: %w", diag.Errorf("LX3001", "no")), 4},
		{"a tensor that is not there", diag.Errorf("LX3003", "no"), 2},
		{"a rule map with a mistake", errors.Join(diag.Errorf("LX5002", "no"), errors.New("and")), 3},
		{"a file that cannot be written", diag.Errorf("LX4001", "%w", &fs.PathError{Op: "open", Err: fs.ErrNotExist}), 1},
		{"a bug in the compiler", diag.Errorf("LX1099", "no"), 1},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.want)
		}
	}
}

func TestHelpDocumentsEveryExitCode(t *testing.T) {
	for _, code := range []int{exitOK, exitFailed, exitUsage, exitInput, exitUnsupported, exitCheck, exitInterrupted} {
		if !strings.Contains(exitCodes, fmt.Sprintf("\n  %-3d  ", code)) && code != exitOK {
			t.Errorf("exit code %d is not documented", code)
		}
	}
}
