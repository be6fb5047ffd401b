package onnx

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
)

// Find returns the ONNX file that path means. A file is itself. In a folder it
// is the first of model.onnx, onnx/model.onnx, decoder_model.onnx and
// onnx/decoder_model.onnx, else the only ONNX file there. A variant such as
// "quantized" is put before the ending: model_quantized.onnx.
func Find(path, variant string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", diag.Errorf("LX1001", "%w", err)
	}
	if !info.IsDir() {
		if variant != "" {
			return "", diag.Errorf("LX1001", "variant %q asked for, but the model is a file", variant).In(path).
				Help("give the folder that holds the variants, or the variant's own file")
		}
		return path, nil
	}
	ending := ".onnx"
	if variant != "" {
		ending = "_" + variant + ".onnx"
	}
	for _, name := range []string{"model", "onnx/model", "decoder_model", "onnx/decoder_model"} {
		file := filepath.Join(path, filepath.FromSlash(name)+ending)
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file, nil
		}
	}
	found := models(path)
	if len(found) == 1 && variant == "" {
		return filepath.Join(path, found[0]), nil
	}
	e := diag.Errorf("LX1001", "no model%s here", ending).In(path)
	if len(found) > 0 {
		return "", e.Help("name one of its files: %s", strings.Join(found, ", "))
	}
	return "", e.Help("export the model to ONNX first")
}

// models lists the ONNX files in a folder and its onnx folder, relative to it.
func models(dir string) []string {
	var found []string
	for _, sub := range []string{"", "onnx"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil { // there need not be an onnx folder
			continue
		}
		for _, e := range entries {
			if !e.IsDir() && strings.HasSuffix(e.Name(), ".onnx") {
				found = append(found, filepath.Join(sub, e.Name()))
			}
		}
	}
	return found
}
