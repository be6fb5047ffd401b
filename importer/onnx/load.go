package onnx

import (
	"errors"
	"path/filepath"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// Load reads the model at path: an ONNX file, or a folder as HuggingFace and
// optimum lay them out (see Find). Of a folder with encoder_model.onnx and
// decoder_model.onnx the two are read as one model. The file and its external
// data stay mapped until the model is closed.
func Load(path string, opts ...Option) (*ir.Model, error) {
	o := newOptions(opts)
	file, err := Find(path, o.variant)
	if err != nil {
		return nil, err
	}
	if o.dir == "" {
		o.dir = filepath.Dir(file)
	}
	fs := &files{dir: o.dir, inMemory: o.inMemory}
	fs.allow(file)
	encoder := ""
	if file != path {
		encoder = Encoder(file)
	}
	m, err := load(encoder, file, fs, o)
	if err != nil {
		_ = fs.close() // the first error is the one that tells
		return nil, inFile(err, file)
	}
	m.File = file
	m.Closer = fs.close
	return m, nil
}

// load reads a file, behind that of an encoder if there is one.
func load(encoder, file string, fs *files, o options) (*ir.Model, error) {
	if encoder == "" {
		src, err := fs.open(file)
		if err != nil {
			return nil, err
		}
		return decode(src, fs, o)
	}
	p, src, err := loadPair(encoder, file, fs)
	if err != nil {
		return nil, err
	}
	return decodeMessage(p, src, fs, o)
}

// Decode reads a model from the bytes of an ONNX file. Its tensors alias b.
// External data are looked for in the folder given by Dir.
func Decode(b []byte, opts ...Option) (*ir.Model, error) {
	o := newOptions(opts)
	fs := &files{dir: o.dir, inMemory: o.inMemory}
	m, err := decode(&mapping{data: b}, fs, o)
	if err != nil {
		_ = fs.close()
		return nil, err
	}
	m.Closer = fs.close
	return m, nil
}

// An Option changes how a model is read.
type Option func(*options)

type options struct {
	ops         *ir.OpSet
	keepUnknown bool
	collect     *[]Unsupported
	inMemory    bool
	variant     string
	dir         string
	sizes       map[string]int64
}

func newOptions(opts []Option) options {
	o := options{}
	for _, opt := range opts {
		opt(&o)
	}
	if o.ops == nil {
		o.ops = ops.Standard()
	}
	return o
}

// Ops gives operators their meaning; the default is ops.Standard.
func Ops(set *ir.OpSet) Option { return func(o *options) { o.ops = set } }

// KeepUnknown carries operators without a meaning along instead of refusing the
// model. Nothing is known of their outputs but what the file declares.
func KeepUnknown() Option { return func(o *options) { o.keepUnknown = true } }

// InMemory reads files instead of mapping them: for folders where a file may be
// cut short or replaced while the model is in use, which a mapping cannot
// survive.
func InMemory() Option { return func(o *options) { o.inMemory = true } }

// Variant chooses model_NAME.onnx in a folder that holds several, such as
// "quantized" or "fp16".
func Variant(name string) Option { return func(o *options) { o.variant = name } }

// Dir says where external data lie; the default is the folder of the model.
func Dir(path string) Option { return func(o *options) { o.dir = path } }

// inFile adds the file to an error that has room for it.
func inFile(err error, file string) error {
	var e *diag.Error
	if errors.As(err, &e) {
		e.In(file)
	}
	return err
}
