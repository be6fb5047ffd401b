package onnx

import (
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// A plan says where the bytes of each weight go. One that it does not mention
// goes into the model file.
type plan struct {
	path   string
	refer  map[*ir.Tensor]place // bytes that stay in the file they came from
	beside []*ir.Tensor         // bytes that go to the file beside the model, in this order
	offset map[*ir.Tensor]int64 // where in that file
}

// A place is a range of bytes of a file named relative to the model.
type place struct {
	location       string
	offset, length int64
}

// align is where tensors begin in a file of external data: a page, so that a
// reader can map each one.
const align = 4096

// small is the size up to which a tensor stays in the model file even if others
// leave it: shapes, axes and scalars, which readers look at when they load.
const small = 1024

// newPlan decides where the weights of m go.
func newPlan(path string, m *ir.Model, o Options) (*plan, error) {
	p := &plan{path: path, refer: map[*ir.Tensor]place{}, offset: map[*ir.Tensor]int64{}}
	limit := o.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	own := resolved(m.File)
	total := int64(0)
	var inside []*ir.Tensor
	for _, t := range weights(m.Graph) {
		if t.From != nil && t.From.Path != own && !o.CopyWeights {
			at, err := p.place(t.From)
			if err != nil {
				return nil, err
			}
			if at.location == filepath.Base(path) {
				return nil, diag.Errorf("LX4002", "the model would replace %s, which its weights stay in", path).
					Help("save under another name, or copy the weights (--copy-weights)")
			}
			p.refer[t] = at
			continue
		}
		total += int64(len(t.Raw))
		inside = append(inside, t)
	}
	if total <= limit {
		return p, nil
	}
	end := int64(0)
	for _, t := range inside {
		if len(t.Raw) <= small {
			continue
		}
		p.beside = append(p.beside, t)
		p.offset[t] = end
		end += (int64(len(t.Raw)) + align - 1) / align * align
	}
	for _, at := range p.refer {
		if at.location == filepath.Base(p.dataPath()) {
			return nil, diag.Errorf("LX4002", "its weights would replace %s, which other weights stay in", p.dataPath()).
				Help("save under another name, or copy the weights (--copy-weights)")
		}
	}
	return p, nil
}

// dataPath is the file beside the model.
func (p *plan) dataPath() string { return p.path + "_data" }

// place says where a range of a file is as seen from the model. ONNX lets a
// model refer to files in its own folder and below only.
func (p *plan) place(s *ir.Source) (place, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(p.path))
	if err != nil {
		return place{}, diag.Errorf("LX4001", "%w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return place{}, diag.Errorf("LX4001", "%w", err)
	}
	rel, err := filepath.Rel(dir, s.Path)
	if err != nil || !filepath.IsLocal(rel) {
		return place{}, diag.Errorf("LX4002", "weights lie in %s, and a model can refer to files in its own folder only", s.Path).
			Help("save into %s, or copy the weights (--copy-weights)", filepath.Dir(s.Path))
	}
	return place{filepath.ToSlash(rel), s.Offset, s.Length}, nil
}

// fill gives t its data.
func (p *plan) fill(out *pb.TensorProto, t *ir.Tensor) {
	at, ok := p.refer[t]
	if offset, beside := p.offset[t]; beside {
		at, ok = place{filepath.Base(p.dataPath()), offset, int64(len(t.Raw))}, true
	}
	switch {
	case ok:
		out.DataLocation = pb.TensorProto_EXTERNAL
		out.ExternalData = []*pb.StringStringEntryProto{
			{Key: "location", Value: at.location},
			{Key: "offset", Value: strconv.FormatInt(at.offset, 10)},
			{Key: "length", Value: strconv.FormatInt(at.length, 10)},
		}
	case t.Elem == ir.String:
		for _, s := range t.Strs {
			out.StringData = append(out.StringData, []byte(s))
		}
	case len(t.Raw) > 0: // without elements there is no data field
		out.RawData = pb.Raw(t.Raw)
	}
}

// writeData writes the file beside the model.
func (p *plan) writeData(w io.Writer) error {
	zeros := make([]byte, align)
	for _, t := range p.beside {
		if _, err := w.Write(t.Raw); err != nil {
			return err
		}
		if rest := len(t.Raw) % align; rest > 0 {
			if _, err := w.Write(zeros[rest:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// weights returns the constants of g and its subgraphs, each once.
func weights(g *ir.Graph) []*ir.Tensor {
	seen := map[*ir.Tensor]bool{}
	var ts []*ir.Tensor
	for g := range graphs(g) {
		for _, v := range g.Consts {
			if v.Data != nil && !seen[v.Data] {
				seen[v.Data] = true
				ts = append(ts, v.Data)
			}
		}
	}
	return ts
}

// resolved is path without symbolic links, as ir.Source names files.
func resolved(path string) string {
	if path == "" {
		return ""
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// sortedKeys returns the keys of a set in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
