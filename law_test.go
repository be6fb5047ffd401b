package lxtc_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lxtc/lxtc"

// within is the law: which packages of this module a package may import, tests
// not counted. Whoever adds a package adds a line. "*" is any package but the
// command line, which cmd/lxtc alone imports.
var within = map[string][]string{
	"ir":              {},
	"ir/ops":          {"ir"},
	"internal/diag":   {},
	"internal/files":  {},
	"internal/npy":    {"internal/files"},
	"internal/arrays": {"internal/npy", "ir"},
	"internal/onnxpb": {},

	"rules":           {"internal/diag", "ir"},
	"passes/rewrite":  {"ir"},
	"passes/patterns": {"ir", "passes/rewrite"},
	"passes":          {"internal/diag", "ir", "passes/patterns", "passes/rewrite", "rules"},

	"importer/onnx": {"internal/diag", "internal/onnxpb", "ir", "ir/ops"},
	"exporter/onnx": {"internal/diag", "internal/onnxpb", "ir"},

	"backend":             {"ir"},
	"backend/cpu":         {},
	"backend/reference":   {"backend", "ir", "ir/ops"},
	"backend/gorgonia":    {"backend", "backend/cpu", "backend/reference", "ir", "ir/ops"},
	"backend/backendtest": {"backend", "backend/reference", "ir", "ir/ops"},
	"backend/onnxgo":      {"backend", "importer/onnx", "internal/onnxpb", "ir", "ir/ops"},

	"heatmap":   {"internal/files"},
	"image":     {},
	"tokenizer": {},

	// The façade names no backend that needs Gorgonia: a program that only
	// rewrites models does not carry it.
	"":              {"backend", "backend/reference", "exporter/onnx", "importer/onnx", "ir", "passes", "rules"},
	"eval":          {},
	"attribution":   {"", "backend", "backend/reference", "eval", "image", "internal/arrays", "internal/diag", "ir", "passes", "rules"},
	"internal/view": {},
	"internal/cli":  {"*"},
	"cmd/lxtc":      {"internal/cli"},

	// Tools of the tests and the documentation.
	"internal/golden":          {"", "backend", "internal/arrays", "internal/npy", "ir", "passes", "rules"},
	"internal/hollow":          {"internal/onnxpb"},
	"internal/cmd/bigmodel":    {"internal/hollow"},
	"internal/cmd/conformance": {"*"},
	"internal/cmd/fidelity":    {"*"},
	"internal/cmd/turns":       {"*"},
}

// outside says which packages may import a module of someone else. What is not
// listed, nobody may.
var outside = map[string][]string{
	"codeberg.org/go-pdf/fpdf":        {"heatmap"},
	"github.com/chewxy/hm":            {"backend/gorgonia"}, // in the signature of gorgonia.Op
	"github.com/dlclark/regexp2":      {"tokenizer"},
	"github.com/gogo/protobuf":        {"internal/onnxpb"},
	"github.com/owulveryck/onnx-go":   {"backend/onnxgo"},
	"github.com/rivo/uniseg":          {"tokenizer"},
	"github.com/spf13/cobra":          {"internal/cli"},
	"github.com/spf13/pflag":          {"internal/cli"},
	"go4.org/unsafe":                  {"backend/gorgonia"},
	"golang.org/x/image":              {"heatmap", "image"},
	"golang.org/x/sys":                {"backend/cpu"},
	"golang.org/x/term":               {"internal/cli"},
	"golang.org/x/text":               {"tokenizer"},
	"gonum.org/v1/gonum":              {"backend/onnxgo", "eval"}, // in the signature of onnx-go's Backend
	"github.com/google/go-cmp":        {"backend/backendtest"},
	"github.com/rogpeppe/go-internal": {"backend/backendtest"},
	"gorgonia.org/gorgonia":           {"backend/gorgonia"},
	"gorgonia.org/tensor":             {"backend/gorgonia", "backend/onnxgo"}, // likewise
}

// A goPackage is what these tests read of `go list -json`.
type goPackage struct {
	ImportPath string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func (p goPackage) name() string { return inModule(p.ImportPath) }

// inModule returns the path of a package within the module.
func inModule(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}

func listPackages(t *testing.T, patterns ...string) []goPackage {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,GoFiles,Imports,Deps"}, patterns...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return list
		case err != nil:
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 { // others hold tests only
			list = append(list, p)
		}
	}
}

// TestImportLaw holds every package to its line in the law.
func TestImportLaw(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t, "./...") {
		name := p.name()
		seen[name] = true
		may, listed := within[name]
		if !listed {
			t.Errorf("package %q has no line in the law: say in law_test.go what it may import", name)
			continue
		}
		for _, path := range p.Imports {
			switch {
			case path == module || strings.HasPrefix(path, module+"/"):
				inner := inModule(path)
				any := slices.Contains(may, "*") && inner != "internal/cli"
				if !any && !slices.Contains(may, inner) {
					t.Errorf("package %q imports %q; it may import %q", name, inner, may)
				}
			case isStandard(path):
			default:
				if !mayImport(name, path) {
					t.Errorf("package %q imports %s; see the table outside in law_test.go", name, path)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(within)) {
		if !seen[name] {
			t.Errorf("the law has a line for package %q, which does not exist", name)
		}
	}
}

// isStandard reports whether a package is Go's own: the first element of any
// other path has a dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func mayImport(name, path string) bool {
	for prefix, who := range outside {
		if (path == prefix || strings.HasPrefix(path, prefix+"/")) && slices.Contains(who, name) {
			return true
		}
	}
	return false
}

// TestLibraryWithoutGorgonia says what a program does not carry if it uses
// packages of lxtc as a library.
func TestLibraryWithoutGorgonia(t *testing.T) {
	for _, c := range []struct{ pkg, without string }{
		{".", "gorgonia.org/"},
		{".", "github.com/spf13/"},
		{".", "github.com/owulveryck/"},
		{"./rules", "github.com/gogo/"},
		{"./passes", "github.com/gogo/"},
		{"./backend/reference", "gorgonia.org/"},
	} {
		for _, p := range listPackages(t, c.pkg) {
			for _, dep := range p.Deps {
				if strings.HasPrefix(dep, c.without) {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
	}
}
