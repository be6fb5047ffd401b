package onnx

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// typeOf returns the type that the file declares for a value; the zero Type if
// it declares none. Sequences, maps, optionals and sparse tensors are refused.
func typeOf(name string, t *pb.TypeProto) (ir.Type, error) {
	if t == nil || t.Value == nil {
		return ir.Type{}, nil
	}
	tensor := t.GetTensorType()
	if tensor == nil {
		return ir.Type{}, diag.Errorf("LX1008", "value %q is a %s, not a tensor", name, typeName(t))
	}
	out := ir.Type{}
	if tensor.ElemType != 0 {
		elem, err := elemType(tensor.ElemType)
		if err != nil {
			return out, wrap("LX1008", err, "value %q", name)
		}
		out.Elem = elem
	}
	if tensor.Shape == nil {
		return out, nil
	}
	if n := len(tensor.Shape.Dim); n > maxRank {
		return out, diag.Errorf("LX1008", "value %q has %d dimensions, more than %d", name, n, maxRank)
	}
	out.Shape = make([]ir.Dim, len(tensor.Shape.Dim))
	for i, d := range tensor.Shape.Dim {
		out.Shape[i] = dimOf(d)
	}
	return out, nil
}

func typeName(t *pb.TypeProto) string {
	switch t.Value.(type) {
	case *pb.TypeProto_SequenceType:
		return "sequence"
	case *pb.TypeProto_MapType:
		return "map"
	case *pb.TypeProto_OptionalType:
		return "optional"
	case *pb.TypeProto_SparseTensorType:
		return "sparse tensor"
	}
	return "value of an opaque type"
}

// dimOf returns a dimension. Exporters write unknown ones as nothing, as an
// empty symbol or as a negative number.
func dimOf(d *pb.TensorShapeProto_Dimension) ir.Dim {
	switch v := d.GetValue().(type) {
	case *pb.TensorShapeProto_Dimension_DimValue:
		return ir.N(v.DimValue)
	case *pb.TensorShapeProto_Dimension_DimParam:
		return symbol(v.DimParam)
	}
	return ir.Unknown
}

// symbol reads the symbol of a dimension. PyTorch writes products such as
// "2*batch*seq", which ir understands, and sums such as "seq + 1", which are
// symbols of their own to it. ir takes any "*" for a product, so in a sum it
// becomes another sign.
func symbol(s string) ir.Dim {
	n := int64(1)
	var syms []string
	for f := range strings.SplitSeq(s, "*") {
		f = strings.TrimSpace(f)
		if k, err := strconv.ParseInt(f, 10, 32); err == nil && k > 0 && n < 1<<31 {
			n *= k
			continue
		}
		if f == "" || strings.ContainsAny(f, " +-/()^%,") {
			return ir.Sym(strings.ReplaceAll(s, "*", "·"))
		}
		syms = append(syms, f)
	}
	if len(syms) == 0 {
		return ir.N(n)
	}
	slices.Sort(syms)
	return ir.Dim{Sym: strings.Join(syms, "*"), N: n}
}

// merge returns the type of a value that inference says is inferred and the
// file says is declared. A symbol that the file made up yields to the inferred
// one, and so does a whole shape that contradicts it: exporters leave stale
// shapes behind. An element type that contradicts is an error.
func merge(inferred, declared ir.Type) (ir.Type, error) {
	t, err := ir.Refine(inferred, declared)
	if err == nil {
		return t, nil
	}
	if inferred.Elem != declared.Elem {
		return t, err
	}
	return inferred, nil
}
