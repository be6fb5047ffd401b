package cli

import (
	"io/fs"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/importer/onnx"
	carried "github.com/lxtc/lxtc/testdata/onnx"
)

// openCarried opens the language model that is part of the program. It has a
// text of its own to explain.
func openCarried() (*subject, error) {
	const name = "tinylm"
	dir, err := fs.Sub(carried.Files, name)
	if err != nil {
		return nil, err
	}
	b, err := fs.ReadFile(dir, "model.onnx")
	if err != nil {
		return nil, err
	}
	m, err := onnx.Decode(b)
	if err != nil {
		return nil, err
	}
	m.File = name
	prompt, err := fs.ReadFile(dir, "prompt.txt")
	if err != nil {
		return nil, err
	}
	return &subject{
		Model: lxtc.FromIR(m), name: name, beside: []fs.FS{dir},
		prompt: strings.TrimSpace(string(prompt)),
	}, nil
}
