package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/tokenizer"
)

// subject is a model with the files that belong to it.
type subject struct {
	*lxtc.Model
	name   string  // for titles
	file   string  // the model's file; "" if it came from elsewhere
	first  string  // the file of the encoder before it, in a pair of them; "" if it is alone
	beside []fs.FS // where tokenizer.json and the like may lie
	prompt string  // the text to explain if none is given; "" for none
	again  reopening

	tok  *tokenizer.Tokenizer
	conf *config
}

// open reads a model: an .onnx file, a folder that holds one, text in ONNX
// syntax (.onnxtxt), or "-" for either on standard input.
func (a *app) open(path string, opts ...onnx.Option) (*subject, error) {
	if path == "-" {
		return a.openStdin(opts)
	}
	file, err := find(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(file)
	s := &subject{
		name: filepath.Base(path), file: file,
		beside: []fs.FS{os.DirFS(dir), os.DirFS(filepath.Dir(absolute(dir)))},
	}
	from := file
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		s.name = filepath.Base(absolute(path))
		from, s.first = path, onnx.Encoder(file)
		a.noteOthers(s, path)
	}
	if name := hubName(absolute(path)); name != "" {
		s.name = name
	}
	if strings.EqualFold(filepath.Ext(file), ".onnxtxt") {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, unreadable(err)
		}
		s.Model, err = parseModel(file, string(text))
		return s, err
	}
	s.again = func(more ...onnx.Option) (*lxtc.Model, error) {
		return lxtc.Load(from, append(slices.Clip(opts), more...)...)
	}
	s.Model, err = s.again()
	return s, surveyed(err, file, func(o ...onnx.Option) (*ir.Model, error) { return onnx.Load(from, o...) })
}

// noteOthers says which models of a folder were not chosen.
func (a *app) noteOthers(s *subject, dir string) {
	var others []string
	for _, name := range onnx.Models(dir) {
		if file := filepath.Join(dir, name); file != s.file && file != s.first {
			others = append(others, name)
		}
	}
	read := s.file
	if s.first != "" {
		read = s.first + " and " + s.file
	}
	if len(others) > 0 {
		read += "; others here, by their path: " + strings.Join(others, ", ")
	}
	a.note("model: %s", read)
}

// whole reports a model that cannot be rewritten as it is.
func (s *subject) whole() error {
	if v := s.chooser(); v != nil {
		return coded{exitUnsupported, diag.Errorf("", "the model holds two decoders, of which the input %s chooses one at each run", v.Name).In(s.file).
			Help("use decoder_model.onnx, which is one of them; optimum writes it with --no-post-process")}
	}
	return nil
}

// choose makes a model that holds two decoders, as optimum merges them, the one
// that the inputs choose.
func (s *subject) choose(in map[string]*ir.Tensor) {
	if v := s.chooser(); v != nil && in[v.Name] != nil {
		g := s.IR().Graph
		g.ReplaceUses(v, g.Const(v.Name+"_chosen", in[v.Name]))
	}
}

// chooser returns the input that chooses one of two decoders; nil if there is none.
func (s *subject) chooser() *ir.Value {
	for _, v := range s.IR().Graph.Inputs {
		for _, u := range v.Uses() {
			if v.Name == "use_cache_branch" && u.Node.Op.Name == "If" {
				return v
			}
		}
	}
	return nil
}

// hubName returns the name of a model in HuggingFace's cache, which lies in
// models--OWNER--NAME/snapshots/REVISION; "" elsewhere.
func hubName(path string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	for i, p := range parts {
		if name, ok := strings.CutPrefix(p, "models--"); ok && i+1 < len(parts) && parts[i+1] == "snapshots" {
			return strings.Replace(name, "--", "/", 1)
		}
	}
	return ""
}

// find returns the file that path means; in a folder without an ONNX file it
// is model.onnxtxt.
func find(path string) (string, error) {
	file, err := onnx.Find(path, "")
	if err == nil {
		return file, nil
	}
	text := filepath.Join(path, "model.onnxtxt")
	if _, statErr := os.Stat(text); statErr == nil {
		return text, nil
	}
	return "", unreadable(notFound(path, err))
}

func (a *app) openStdin(opts []onnx.Option) (*subject, error) {
	b, err := io.ReadAll(a.stdin)
	if err != nil {
		return nil, unreadable(err)
	}
	s := &subject{name: "model"}
	if !isONNX(b) {
		s.Model, err = parseModel("standard input", string(b))
		return s, err
	}
	m, err := onnx.Decode(b, opts...)
	if err != nil {
		return nil, surveyed(err, "standard input", func(o ...onnx.Option) (*ir.Model, error) { return onnx.Decode(b, o...) })
	}
	m.File = "standard input"
	s.Model = lxtc.FromIR(m)
	return s, nil
}

// isONNX tells an ONNX file from text: the first field of a ModelProto,
// whatever it is, starts with a byte that no text starts with, or with
// ir_version, which is a backspace.
func isONNX(b []byte) bool {
	return len(b) == 0 || b[0] == 0x08 || bytes.IndexByte(b[:min(len(b), 512)], 0) >= 0
}

func parseModel(file, text string) (*lxtc.Model, error) {
	m, err := ir.Parse(text, ops.Standard())
	if err != nil {
		return nil, unreadable(fmt.Errorf("%s:%w", file, err))
	}
	m.File = file
	return lxtc.FromIR(m), nil
}

// notFound adds what the user may have meant to an error over a path.
func notFound(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, dirErr := os.ReadDir(filepath.Dir(path))
	if dirErr != nil { // the folder does not exist either
		return diag.Errorf("LX1001", "no such file or folder").In(path)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(filepath.Ext(e.Name()), ".onnx") {
			names = append(names, e.Name())
		}
	}
	return diag.Errorf("LX1001", "no such file or folder%s", diag.DidYouMean(filepath.Base(path), names)).In(path)
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path // the working directory is gone; the relative path is as good
}

// read returns a file that belongs to the model: beside it or one level up.
// The error is fs.ErrNotExist if there is none.
func (s *subject) read(name string) ([]byte, error) {
	for _, dir := range s.beside {
		b, err := readSmall(dir, name, name)
		if !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// tokenizer reads the model's tokenizer.json.
func (s *subject) tokenizer() (*tokenizer.Tokenizer, error) {
	if s.tok != nil {
		return s.tok, nil
	}
	b, err := s.read("tokenizer.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(diag.Errorf("", "no tokenizer.json beside the model or one folder up").In(s.IR().File).
			Help("copy it there, or give token ids with --input in.npz"))
	}
	if err != nil {
		return nil, unreadable(err)
	}
	s.tok, err = tokenizer.Decode(b)
	if err != nil {
		return nil, unreadable(fmt.Errorf("tokenizer.json: %w", err))
	}
	return s.tok, nil
}

// config is the part of config.json that lxtc reads.
type config struct {
	ID2Label     map[string]string `json:"id2label"`
	LabelNames   []string          `json:"label_names"` // timm's
	DecoderStart *int64            `json:"decoder_start_token_id"`
}

// config reads the model's config.json; without one it is empty.
func (s *subject) config() (*config, error) {
	if s.conf != nil {
		return s.conf, nil
	}
	c := &config{}
	b, err := s.read("config.json")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, unreadable(err)
	default:
		if err := json.Unmarshal(b, c); err != nil {
			return nil, unreadable(fmt.Errorf("config.json: %w", err))
		}
		if c.ID2Label == nil && c.LabelNames != nil {
			c.ID2Label = map[string]string{}
			for i, name := range c.LabelNames {
				c.ID2Label[strconv.Itoa(i)] = name
			}
		}
	}
	s.conf = c
	return c, nil
}

// class returns the number of a class name, without regard to case.
func (c *config) class(name string) (int64, bool) {
	best, found := int64(0), false
	for id, label := range c.ID2Label {
		n, err := strconv.ParseInt(id, 10, 64)
		if err == nil && strings.EqualFold(label, name) && (!found || n < best) {
			best, found = n, true
		}
	}
	return best, found
}
