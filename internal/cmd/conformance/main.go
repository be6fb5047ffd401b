// Command conformance runs the node tests of the onnx package on the backends
// and writes docs/conformance.md:
//
//	python testdata/gen/conformance.py FOLDER
//	go run ./internal/cmd/conformance [-o docs/conformance.md] FOLDER
//
// Models go through the importer and, but for the relevance, through the
// default passes, so that what is tested is what users run. With -run, only the
// tests whose names match are run, and the results go to standard output.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

func main() {
	out := flag.String("o", "docs/conformance.md", "the page to write")
	only := flag.String("run", "", "run only the tests that match this, and print their results")
	limit := flag.Duration("timeout", 20*time.Second, "how long a test may take on a backend")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *out, *only, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// engines are what the tests run on, in the order of the page's columns.
func engines(k *kernels) []engine {
	return []engine{
		{"reference", reference.New(), nil},
		{"gorgonia", gorgonia.New(), k},
	}
}

func run(folder, out, only string, limit time.Duration) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	tests, err := find(folder, match)
	if err != nil {
		return err
	}
	if len(tests) == 0 {
		return fmt.Errorf("no tests in %s: testdata/gen/conformance.py writes them", folder)
	}
	k := &kernels{fast: map[ir.OpName]bool{}, interpreted: map[ir.OpName]bool{}}
	es := engines(k)
	results := runAll(tests, es, limit)
	if only != "" {
		for i, t := range tests {
			for j, e := range es {
				fmt.Printf("%s\t%s\t%s\t%s\t%s\n", t.name, e.name, results[i][j].status, t.beyond, results[i][j].reason)
			}
		}
		return nil
	}
	version, err := os.ReadFile(filepath.Join(folder, "VERSION"))
	if err != nil {
		return err
	}
	text := page(strings.TrimSpace(string(version)), tests, es, results, k)
	return os.WriteFile(out, []byte(text), 0o644)
}

// runAll returns the verdict of every test on every engine.
func runAll(tests []*test, es []engine, limit time.Duration) [][]verdict {
	results := make([][]verdict, len(tests))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				results[i] = make([]verdict, len(es))
				for j, e := range es {
					results[i][j] = e.judge(tests[i], limit)
				}
			}
		})
	}
	for i := range tests {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}
