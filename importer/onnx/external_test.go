package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// externalModel has one int8 tensor of 4 elements with external data. Entries
// read "key=value".
func externalModel(entries ...string) *pb.ModelProto {
	m := protoModel(21, "x", "y", protoNode("y = Relu(x)"))
	w := &pb.TensorProto{Name: "w", Dims: []int64{4}, DataType: 3, DataLocation: pb.TensorProto_EXTERNAL}
	for _, e := range entries {
		key, value, _ := strings.Cut(e, "=")
		w.ExternalData = append(w.ExternalData, &pb.StringStringEntryProto{Key: key, Value: value})
	}
	m.Graph.Initializer = []*pb.TensorProto{w}
	return m
}

// writeFiles writes a model to dir/model.onnx and its data, ten bytes from 0 to
// 9, to dir/data.bin.
func writeFiles(t *testing.T, dir string, m *pb.ModelProto) string {
	t.Helper()
	path := filepath.Join(dir, "model.onnx")
	write(t, path, protoBytes(t, m))
	write(t, filepath.Join(dir, "data.bin"), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	return path
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestExternalData(t *testing.T) {
	tests := []struct {
		name    string
		entries []string
		want    []byte
	}{
		{"from the start", []string{"location=data.bin"}, []byte{0, 1, 2, 3}},
		{"from an offset to the end", []string{"location=data.bin", "offset=6", "length=4"}, []byte{6, 7, 8, 9}},
		{"from an offset that is not aligned", []string{"location=data.bin", "offset=3", "length=4"}, []byte{3, 4, 5, 6}},
		{"keys that are not known", []string{"location=data.bin", "checksum=abc"}, []byte{0, 1, 2, 3}},
		{"a path that stays inside", []string{"location=./sub/../data.bin"}, []byte{0, 1, 2, 3}},
	}
	for _, tt := range tests {
		for mode, opts := range map[string][]Option{"mapped": nil, "in memory": {InMemory()}} {
			t.Run(tt.name+", "+mode, func(t *testing.T) {
				dir := t.TempDir()
				path := writeFiles(t, dir, externalModel(tt.entries...))
				if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
					t.Fatal(err)
				}
				m, err := Load(path, opts...)
				if err != nil {
					t.Fatal(err)
				}
				w := m.Graph.Consts[0].Data
				if !bytes.Equal(w.Raw, tt.want) {
					t.Errorf("bytes %v, want %v", w.Raw, tt.want)
				}
				real, err := filepath.EvalSymlinks(filepath.Join(dir, "data.bin"))
				if err != nil {
					t.Fatal(err)
				}
				want := ir.Source{Path: real, Offset: int64(tt.want[0]), Length: 4}
				if w.From == nil || *w.From != want {
					t.Errorf("source %v, want %v", w.From, want)
				}
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestExternalDataRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), make([]byte, 10))
	inside := filepath.Join(dir, "model")
	for name, target := range map[string]string{"out": "../secret", "outside": ".."} {
		if err := os.MkdirAll(inside, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(inside, name)); err != nil {
			t.Skip("no symbolic links here")
		}
	}
	tests := []struct {
		name, want string
		entries    []string
	}{
		{"no location", "no location", nil},
		{"a file that is not there", "cannot be found", []string{"location=nothing.bin"}},
		{"an absolute path", "not a path inside", []string{"location=" + filepath.Join(dir, "secret")}},
		{"a path that climbs out", "not a path inside", []string{"location=../secret"}},
		{"a path that climbs out later", "not a path inside", []string{"location=a/../../secret"}},
		{"a path of another system", "not a path inside", []string{`location=..\secret`}},
		{"a link out of the folder", "leaves the model's folder", []string{"location=out"}},
		{"a file behind a link out of the folder", "leaves the model's folder", []string{"location=outside/secret"}},
		{"beyond the end", "which has 10", []string{"location=data.bin", "offset=7"}},
		{"an offset beyond the end", "which has 10", []string{"location=data.bin", "offset=11"}},
		{"an offset that overflows with the length", "9223372036854775811", []string{"location=data.bin", "offset=9223372036854775807"}},
		{"an offset beyond 64 bits", "not a number", []string{"location=data.bin", "offset=18446744073709551616"}},
		{"a negative offset", "not a number", []string{"location=data.bin", "offset=-1"}},
		{"a length of another shape", "needs 4", []string{"location=data.bin", "length=3"}},
		{"a folder", "not a regular file", []string{"location=."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(writeFiles(t, inside, externalModel(tt.entries...)))
			if tt.name == "a folder" {
				wantCode(t, err, "LX1001", tt.want)
				return
			}
			wantCode(t, err, "LX1006", tt.want)
		})
	}
}

func TestExternalDataNeedAFolder(t *testing.T) {
	m := externalModel("location=data.bin")
	_, err := Decode(protoBytes(t, m))
	wantCode(t, err, "LX1006", "without a folder")

	dir := t.TempDir()
	writeFiles(t, dir, m)
	got, err := Decode(protoBytes(t, m), Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if w := got.Graph.Consts[0].Data.Raw; !bytes.Equal(w, []byte{0, 1, 2, 3}) {
		t.Errorf("bytes %v", w)
	}
}

// HuggingFace's cache links snapshots/REV/model.onnx and its data to files in a
// folder blobs.
func TestExternalDataInALinkedCache(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "blobs", "aa"), protoBytes(t, externalModel("location=data.bin")))
	write(t, filepath.Join(dir, "blobs", "bb"), []byte{0, 1, 2, 3})
	snapshot := filepath.Join(dir, "snapshots", "rev")
	if err := os.MkdirAll(snapshot, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, blob := range map[string]string{"model.onnx": "aa", "data.bin": "bb"} {
		if err := os.Symlink(filepath.Join("..", "..", "blobs", blob), filepath.Join(snapshot, name)); err != nil {
			t.Skip("no symbolic links here")
		}
	}
	m, err := Load(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if w := m.Graph.Consts[0].Data.Raw; !bytes.Equal(w, []byte{0, 1, 2, 3}) {
		t.Errorf("bytes %v", w)
	}
}

// A program may keep the bytes of a weight and forget the model. If the garbage
// collector unmapped them, reading would end the process.
func TestBytesOutliveTheModel(t *testing.T) {
	path := writeFiles(t, t.TempDir(), externalModel("location=data.bin"))
	raw := func() []byte {
		m, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return m.Graph.Consts[0].Data.Raw
	}()
	for range 5 {
		runtime.GC()
	}
	if !bytes.Equal(raw, []byte{0, 1, 2, 3}) {
		t.Errorf("bytes %v", raw)
	}
}

func TestCloseUnmaps(t *testing.T) {
	mapped := func(dir string) bool {
		b, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skip("mappings are listed on Linux only")
		}
		return bytes.Contains(b, []byte(dir))
	}
	path := writeFiles(t, t.TempDir(), externalModel("location=data.bin"))
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !mapped(filepath.Dir(path)) {
		t.Error("the model is not mapped")
	}
	for range 2 { // the second time does nothing
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if mapped(filepath.Dir(path)) {
		t.Error("the closed model is mapped")
	}

	write(t, path, protoBytes(t, externalModel("location=nothing.bin")))
	if _, err := Load(path); err == nil || mapped(filepath.Dir(path)) {
		t.Errorf("the model that failed to load with %v is mapped", err)
	}
}

func TestFind(t *testing.T) {
	tests := []struct {
		name, variant string
		files         []string
		want          string
	}{
		{"model.onnx comes first", "", []string{"model.onnx", "decoder_model.onnx", "onnx/model.onnx"}, "model.onnx"},
		{"then the onnx folder", "", []string{"decoder_model.onnx", "onnx/model.onnx"}, "onnx/model.onnx"},
		{"then a decoder", "", []string{"encoder_model.onnx", "decoder_model.onnx"}, "decoder_model.onnx"},
		{"a decoder that is not merged", "", []string{"decoder_model.onnx", "decoder_model_merged.onnx", "decoder_with_past_model.onnx"}, "decoder_model.onnx"},
		{"variants beside it", "", []string{"onnx/model_fp16.onnx", "onnx/model.onnx", "onnx/model_q4.onnx"}, "onnx/model.onnx"},
		{"variants alone", "", []string{"onnx/model_fp16.onnx", "onnx/model_q4.onnx"}, ""},
		{"then the only one", "", []string{"net.onnx", "config.json"}, "net.onnx"},
		{"a variant", "quantized", []string{"onnx/model.onnx", "onnx/model_quantized.onnx"}, "onnx/model_quantized.onnx"},
		{"a variant that is not there", "fp16", []string{"onnx/model.onnx"}, ""},
		{"two of which none is usual", "", []string{"a.onnx", "b.onnx"}, ""},
		{"none", "", []string{"config.json"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tt.files {
				write(t, filepath.Join(dir, f), nil)
			}
			got, err := Find(dir, tt.variant)
			if tt.want == "" {
				wantCode(t, err, "LX1001", "no model")
				return
			}
			if err != nil || got != filepath.Join(dir, tt.want) {
				t.Errorf("Find: %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	_, err := Find(filepath.Join(t.TempDir(), "nothing"), "")
	wantCode(t, err, "LX1001", "no such file")
}

func TestFindByGenAI(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.onnx", "phi.onnx"} {
		write(t, filepath.Join(dir, name), nil)
	}
	for config, want := range map[string]string{
		`{"model": {"decoder": {"filename": "phi.onnx"}}}`:    "phi.onnx",
		`{"model": {"decoder": {"filename": "../phi.onnx"}}}`: "",
		`{"model": {"decoder": {"filename": "b.onnx"}}}`:      "",
		`{`: "",
	} {
		write(t, filepath.Join(dir, "genai_config.json"), []byte(config))
		got, err := Find(dir, "")
		if want == "" {
			wantCode(t, err, "LX1001", "name one of its files: a.onnx, phi.onnx")
		} else if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: %q, %v; want %s", config, got, err, want)
		}
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.onnx")
	write(t, path, []byte("nonsense"))
	_, err := Load(path)
	wantCode(t, err, "LX1002", path+": not an ONNX model")
}
