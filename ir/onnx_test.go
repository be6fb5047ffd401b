package ir

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// onnxScript reads texts and says for each what ONNX's own parser and checker
// make of it, and how ONNX prints it.
const onnxScript = `
import json, sys, onnx, onnx.checker, onnx.parser, onnx.printer
out = []
for text in json.load(sys.stdin):
    r = {"parse": "", "check": "", "text": ""}
    try:
        m = onnx.parser.parse_model(text)
        r["text"] = onnx.printer.to_text(m)
        try:
            onnx.checker.check_model(m)
        except Exception as e:
            r["check"] = str(e)
    except Exception as e:
        r["parse"] = str(e)
    out.append(r)
json.dump(out, sys.stdout)
`

type onnxResult struct{ Parse, Check, Text string }

func askONNX(t *testing.T, texts []string) []onnxResult {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	if out, err := exec.Command(python, "-c", "import onnx; assert tuple(map(int, onnx.__version__.split('.')[:2])) >= (1, 19)").CombinedOutput(); err != nil {
		t.Skipf("no onnx 1.19 or newer for python3: %s", bytes.TrimSpace(out))
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", onnxScript)
	cmd.Stdin = bytes.NewReader(in)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var rs []onnxResult
	if err := json.Unmarshal(out, &rs); err != nil {
		t.Fatal(err)
	}
	return rs
}

// What ONNX is known to refuse, and why.
var (
	beyondONNX = map[string]string{ // texts that only our parser reads
		"names that ONNX text cannot write": "quotes around operators and attributes",
	}
	notChecked = map[string]string{ // texts that are no valid models
		"attributes":                         "attributes that Softmax does not have",
		"every element type":                 "an output that is a constant, complex numbers",
		"a list of graphs":                   "an attribute that Softmax does not have",
		"no types at all":                    "inputs without types",
		"functions alone":                    "no main graph",
		"a function by its attributes alone": "no main graph",
		"typed inputs and values":            "no main graph",
		"omitted inputs and outputs":         "a first output of Dropout that is omitted",
		"ranks and dimensions":               "inputs of unknown rank",
	}
	notCompared = map[string]string{ // what ONNX prints is not what it read
		"attributes":                "lists of tensors are dropped",
		"a list of graphs":          "lists of graphs are dropped",
		"every element type":        "4-bit and complex elements are printed as ...",
		"functions with attributes": "defaults of a function's attributes are dropped",
		"functions alone":           "likewise",
	}
)

func TestONNXAcceptsOurText(t *testing.T) {
	var names, texts []string
	var models []*Model
	add := func(name string, m *Model) {
		names, models = append(names, name), append(models, m)
		texts = append(texts, printed(t, m, PrintOptions{Weights: true, Comments: true}))
	}
	files, err := filepath.Glob("testdata/text/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, name := range files {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			if name, ok := strings.CutPrefix(f.Name, "in "); ok && beyondONNX[name] == "" {
				add(name, mustParse(t, string(f.Data)))
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		add("random", randomModel(r, 30))
	}
	for i, got := range askONNX(t, texts) {
		t.Run(names[i], func(t *testing.T) {
			if got.Parse != "" {
				t.Fatalf("onnx.parser: %s\n%s", got.Parse, texts[i])
			}
			if got.Check != "" && notChecked[names[i]] == "" {
				t.Errorf("onnx.checker: %s\n%s", got.Check, texts[i])
			}
			if notCompared[names[i]] != "" {
				return
			}
			m, err := Parse(got.Text, testOps)
			if err != nil {
				t.Fatalf("Parse of what ONNX prints: %v\n%s", err, got.Text)
			}
			if d := Diff(models[i].Graph, m.Graph); d != "" {
				t.Errorf("ONNX reads another model: %s\n%s\n%s", d, texts[i], got.Text)
			}
		})
	}
}
