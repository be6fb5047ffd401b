//go:build linux

package cli

import (
	"bytes"
	std "cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/internal/hollow"
	"github.com/lxtc/lxtc/ir"
)

// LLaMA-2-7B, 13 GB in one file, and Mixtral-8x7B in 4 bits, 26 GB in seven, are
// rewritten without their weights being read or copied. All are holes: a page
// that is read would count as resident.
func TestBigModels(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector takes memory of its own")
	}
	for name, beyond := range map[string]int64{"llama2-7b": 12 << 30, "mixtral-8x7b-qdq4": 3 << 30, "mixtral-8x7b-nbits": 3 << 30} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			model, weights, err := hollow.Make(filepath.Join("..", "..", "testdata", "onnx", "big", name+".onnx.gz"), dir)
			if err != nil {
				t.Skipf("no room for a file of holes: %v", err)
			}
			if used := diskUsed(t, dir); used > 64<<20 {
				t.Skipf("no holes here: %d bytes of weights take %d", weights, used)
			}
			before := peakMemory(t)
			out := filepath.Join(dir, "out.onnx")
			commands := [][]string{{"rewrite", model, "-o", out, "-q"}}
			if name == "llama2-7b" {
				commands = append(commands, []string{"inspect", model}, []string{"rewrite", model, "-n"})
			}
			for _, args := range commands {
				var stdout, stderr bytes.Buffer
				if code := Run(context.Background(), args, strings.NewReader(""), &stdout, &stderr); code != 0 {
					t.Fatalf("lxtc %s: exit status %d\n%s", args[0], code, stderr.String())
				}
			}
			// Measured: 170 MB for the 16,000 nodes of the last, less for the others.
			if grown := peakMemory(t) - before; grown > 300<<20 {
				t.Errorf("memory grew by %d MB", grown>>20)
			}
			if used := diskUsed(t, dir); used > 64<<20 {
				t.Errorf("the files take %d MB of disk: weights were copied", used>>20)
			}
			want, got := places(t, model), places(t, out)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("where the weights lie (-original +rewritten):\n%s", d)
			}
			last := slices.MaxFunc(want, func(a, b ir.Source) int { return std.Compare(a.Offset, b.Offset) }).Offset
			if last < beyond {
				t.Errorf("the last weight is at byte %d, want one beyond %d", last, beyond)
			}
		})
	}
}

// places returns where the large weights of a model lie, in order. What is small
// may have been computed with.
func places(t *testing.T, path string) []ir.Source {
	t.Helper()
	m, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var at []ir.Source
	for _, v := range m.Graph.Consts {
		if s := v.Data.From; s != nil && s.Length > 64<<10 && filepath.Ext(s.Path) != ".onnx" {
			at = append(at, *s)
		}
	}
	slices.SortFunc(at, func(a, b ir.Source) int {
		return std.Or(std.Compare(a.Path, b.Path), std.Compare(a.Offset, b.Offset))
	})
	return at
}

// peakMemory is the largest resident set of this process so far.
func peakMemory(t *testing.T) int64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return int64(u.Maxrss) * 1024
}

// diskUsed is what the files of a folder take of the disk.
func diskUsed(t *testing.T, dir string) (used int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		var s syscall.Stat_t
		if err == nil {
			err = syscall.Stat(path, &s)
		}
		used += s.Blocks * 512
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}
