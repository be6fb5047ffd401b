package onnx

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
)

// Find returns the ONNX file that path means. A file is itself. In a folder it
// is the first of model.onnx, onnx/model.onnx, what genai_config.json names,
// decoder_model.onnx and onnx/decoder_model.onnx, else the only ONNX file there.
// A variant such as "quantized" is put before the ending: model_quantized.onnx.
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
	candidates := []string{"model" + ending, "onnx/model" + ending}
	if name := genaiModel(path); name != "" && variant == "" {
		candidates = append(candidates, name)
	}
	candidates = append(candidates, decoderFile+ending, "onnx/"+decoderFile+ending)
	for _, name := range candidates {
		file := filepath.Join(path, filepath.FromSlash(name))
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file, nil
		}
	}
	found := Models(path)
	if len(found) == 1 && variant == "" {
		return filepath.Join(path, found[0]), nil
	}
	e := diag.Errorf("LX1001", "no model%s here", ending).In(path)
	switch {
	case len(found) == 0:
		return "", e.Help("export the model to ONNX first")
	case slices.ContainsFunc(found, func(name string) bool { return strings.Contains(name, "_merged") }):
		return "", e.Help("name one of its files: %s; a merged decoder holds two, and cannot be rewritten: optimum writes decoder_model.onnx with --no-post-process", strings.Join(found, ", "))
	}
	return "", e.Help("name one of its files: %s", strings.Join(found, ", "))
}

// genaiModel returns the file that the configuration of ONNX Runtime's
// generate() API names, "" if there is none.
func genaiModel(dir string) string {
	path := filepath.Join(dir, "genai_config.json")
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // there need not be one, and a pipe would not end
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	var c struct {
		Model struct {
			Decoder struct{ Filename string }
		}
	}
	if json.Unmarshal(b, &c) != nil || !filepath.IsLocal(filepath.FromSlash(c.Model.Decoder.Filename)) {
		return ""
	}
	return c.Model.Decoder.Filename
}

// Models lists the ONNX files in a folder and its onnx folder, relative to it.
func Models(dir string) []string {
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
