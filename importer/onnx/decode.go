package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// A decoder turns one ONNX model into an ir.Model.
type decoder struct {
	options
	files   *files
	src     *mapping // the file being decoded
	m       *ir.Model
	funcs   map[funcKey]*pb.FunctionProto
	steps   []step
	inlined int // nodes of functions decoded so far, against maxInlined
	copied  int // bytes that their nodes took, against maxCopied

	opaque map[ir.OpName]bool // operators without a meaning

	refused   []*Unsupported                 // what cannot be read, in the order it was met
	tensors   map[*pb.TensorProto]*ir.Tensor // decoded so far: a function's are met at every call
	dense     int                            // bytes made from sparse tensors, against maxDense
	sequences map[*ir.Value][]*ir.Value      // the pieces of sequences, by what stands for them
}

// The versions this package understands.
const (
	maxIRVersion = 14
	minOpset     = 7
	maxOpset     = 28

	minSpelling = 13 // the first in which Squeeze, Unsqueeze, ReduceSum and Softmax are spelled as now
)

// decode reads the model whose bytes are src.
func decode(src *mapping, fs *files, o options) (*ir.Model, error) {
	p, err := unmarshal(src)
	if err != nil {
		return nil, err
	}
	return decodeMessage(p, src, fs, o)
}

func unmarshal(src *mapping) (*pb.ModelProto, error) {
	p, err := pb.Unmarshal(src.data)
	if err != nil {
		return nil, notONNX(src.data, err)
	}
	if p.Graph == nil || p.IrVersion <= 0 {
		return nil, notONNX(src.data, errors.New("no graph or no IR version"))
	}
	return p, nil
}

// decodeMessage reads the model p. What of its bytes lie in src can be referred to.
func decodeMessage(p *pb.ModelProto, src *mapping, fs *files, o options) (*ir.Model, error) {
	if p.IrVersion > maxIRVersion {
		return nil, diag.Errorf("LX1003", "IR version %d is newer than %d, the newest known", p.IrVersion, maxIRVersion).
			Help("export the model with an older onnx package")
	}
	opsets, err := opsetsOf(p.OpsetImport)
	if err != nil {
		return nil, err
	}
	if err := setSizes(p.Graph, o.sizes); err != nil {
		return nil, err
	}
	d := &decoder{
		options: o, files: fs, src: src, steps: steps(),
		funcs: map[funcKey]*pb.FunctionProto{}, opaque: map[ir.OpName]bool{}, tensors: map[*pb.TensorProto]*ir.Tensor{},
	}
	d.m = &ir.Model{
		Ops: o.ops, Opsets: map[string]int64{"": max(minSpelling, opsets[""])},
		Producer: strings.TrimSpace(p.ProducerName + " " + p.ProducerVersion),
	}
	for _, kv := range p.MetadataProps {
		d.m.Metadata = append(d.m.Metadata, [2]string{kv.GetKey(), kv.GetValue()})
	}
	for _, f := range p.Functions {
		key := keyOf(f.Domain, f.Name, f.Overload)
		if d.funcs[key] != nil {
			return nil, diag.Errorf("LX1004", "function %s is defined twice", key)
		}
		d.funcs[key] = f
	}
	d.findUnknown(p.Graph, opsets)
	d.m.Graph, err = d.graph(p.Graph, &scope{opsets: opsets})
	if refused := d.refusal(); refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	return d.m, nil
}

// need says that the model has an operator as the given version of its domain
// has it: what was upgraded is of the version that has the new spelling, and
// what the file got its element types from stays at the file's.
func (d *decoder) need(op ir.OpName, version int64) {
	if known := d.m.Ops.Lookup(op); known != nil {
		version = max(version, known.Since)
	}
	d.m.Opsets[op.Domain] = max(d.m.Opsets[op.Domain], version)
}

// opsetsOf returns the version of each domain. "ai.onnx" is another name of "".
func opsetsOf(imports []*pb.OperatorSetIdProto) (map[string]int64, error) {
	opsets := map[string]int64{}
	for _, o := range imports {
		domain := domainOf(o.GetDomain())
		if old, ok := opsets[domain]; ok && old != o.GetVersion() {
			return nil, diag.Errorf("LX1003", "operator set %q is imported at versions %d and %d", domain, old, o.GetVersion())
		}
		opsets[domain] = o.GetVersion()
		if domain == "" && (o.GetVersion() < minOpset || o.GetVersion() > maxOpset) {
			return nil, diag.Errorf("LX1003", "ai.onnx version %d is not supported, only %d to %d", o.GetVersion(), minOpset, maxOpset).
				Help("convert the model with onnx.version_converter, or export it again with another opset_version")
		}
	}
	return opsets, nil
}

func domainOf(domain string) string {
	if domain == "ai.onnx" {
		return ""
	}
	return domain
}

// notONNX explains bytes that are no model by what they may be instead.
func notONNX(b []byte, err error) error {
	e := diag.Errorf("LX1002", "not an ONNX model: %w", err)
	for _, known := range []struct{ prefix, help string }{
		{"version https://git-lfs", "this is a pointer of Git LFS; fetch the file itself with `git lfs pull`"},
		{"PK\x03\x04", "this is a ZIP archive, perhaps a PyTorch checkpoint; export the model to ONNX"},
		{"\x1f\x8b", "this is compressed by gzip; unpack it first"},
		{"ORTM", "this is ONNX Runtime's own format; use the .onnx file it was made from"},
		{"\x89HDF", "this is HDF5, perhaps a Keras model; export the model to ONNX"},
		{"GGUF", "this is a llama.cpp model; export the original model to ONNX"},
	} {
		if bytes.HasPrefix(b, []byte(known.prefix)) || len(b) > 8 && bytes.HasPrefix(b[4:], []byte(known.prefix)) {
			return e.Help("%s", known.help)
		}
	}
	if len(b) == 0 {
		return e.Help("the file is empty")
	}
	return e.Help("the file is damaged, cut short or of another kind")
}

// wrap adds a place to err, which keeps its code if it has one.
func wrap(code string, err error, format string, args ...any) error {
	place := fmt.Sprintf(format, args...)
	var e *diag.Error
	if errors.As(err, &e) {
		e.Msg = place + ": " + e.Msg
		return e
	}
	return diag.Errorf(code, "%s: %w", place, err)
}
