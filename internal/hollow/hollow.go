// Package hollow makes models of real size that take no room: an ONNX graph as
// an exporter wrote it, with weights in files of external data that are holes.
// Scripts in testdata/gen/big wrote the graphs.
package hollow

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
)

// Make writes the graph packed in the file at path, an .onnx.gz, to
// dir/model.onnx, and its weights, as zeros that take no blocks of the disk, to
// the files beside it that it names. It returns the model's path and the bytes
// of the weights, by which the files are as large as they would be.
func Make(path, dir string) (model string, weights int64, err error) {
	b, err := unpack(path)
	if err != nil {
		return "", 0, err
	}
	model = filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(model, b, 0o644); err != nil {
		return "", 0, err
	}
	sizes, err := external(b)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", path, err)
	}
	for name, size := range sizes {
		if err := hole(filepath.Join(dir, filepath.FromSlash(name)), size); err != nil {
			return "", 0, err
		}
		weights += size
	}
	return model, weights, nil
}

func unpack(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return io.ReadAll(z)
}

// external returns how large each file of external data must be.
func external(model []byte) (map[string]int64, error) {
	m, err := pb.Unmarshal(model)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, t := range m.GetGraph().GetInitializer() {
		if t.GetDataLocation() != pb.TensorProto_EXTERNAL {
			continue
		}
		name, end := "", int64(0)
		for _, e := range t.GetExternalData() {
			if e.GetKey() == "location" {
				name = e.GetValue()
				continue
			}
			n, err := strconv.ParseInt(e.GetValue(), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("tensor %q: %w", t.GetName(), err)
			}
			end += n // offset and length
		}
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return nil, fmt.Errorf("tensor %q: data at %q", t.GetName(), name)
		}
		sizes[name] = max(sizes[name], end)
	}
	return sizes, nil
}

// hole makes a file of zeros.
func hole(path string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
