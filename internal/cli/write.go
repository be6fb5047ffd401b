package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/internal/files"
	"github.com/lxtc/lxtc/ir"
)

// checkFolder reports before a long run that a result could not be written.
func checkFolder(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case err != nil:
		return usagef("-o %s: there is no folder %s", path, dir)
	case !info.IsDir():
		return usagef("-o %s: %s is no folder", path, dir)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usagef("-o %s: that is a folder", path)
	}
	return nil
}

// overwrites reports a result that would take the place of what it is made from.
func overwrites(out string, from source) error {
	info, err := os.Stat(out)
	if err != nil || !info.Mode().IsRegular() {
		return nil // it does not exist yet, or is no file
	}
	read := []string{from.image, from.input}
	for _, text := range []string{from.text, from.decoder} {
		if file, ok := strings.CutPrefix(text, "@"); ok {
			read = append(read, file)
		}
	}
	for _, in := range read {
		if other, err := os.Stat(in); err == nil && os.SameFile(info, other) {
			return usageError(diag.Errorf("", "%s would overwrite %s, which is explained", out, in).Help("give another name with -o"))
		}
	}
	return nil
}

// writeBytes writes a result to a file, or to standard output for "-" and "".
// A file appears whole or not at all.
func (a *app) writeBytes(path string, b []byte) error {
	if path == "" || path == "-" {
		_, err := a.stdout.Write(b)
		return err
	}
	return files.Replace(path, b)
}

// textOfModel prints a model so that it can be read back, weights and all.
func textOfModel(m *ir.Model) ([]byte, error) {
	if err := printable(m); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	err := ir.Print(&buf, m, ir.PrintOptions{Weights: true, Comments: true})
	return buf.Bytes(), err
}

// maxPrinted bounds the weights that are printed as text, in which a number takes
// some four times its bytes.
const maxPrinted = 256 << 20

// printable reports a model that is too large for text.
func printable(m *ir.Model) error {
	own, mapped := held(m.Graph)
	if own+mapped <= maxPrinted {
		return nil
	}
	return usageError(diag.Errorf("", "its weights are %s, and text is for at most %s of them", size(own+mapped), size(maxPrinted)).
		Help("write .onnx, or use `lxtc dump` without --weights"))
}
