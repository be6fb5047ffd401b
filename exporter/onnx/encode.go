package onnx

import (
	"iter"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// Producer is what the file names as the program that wrote it.
const Producer = "lxtc"

// encode returns m as a message. The bytes of weights are those of the tensors.
func encode(m *ir.Model, p *plan) (*pb.ModelProto, error) {
	opsets, err := opsetsOf(m)
	if err != nil {
		return nil, err
	}
	e := &encoder{m: m, plan: p, opsets: opsets}
	out := &pb.ModelProto{
		IrVersion:    irVersion(opsets[""]),
		OpsetImport:  opsetImport(opsets),
		ProducerName: Producer,
	}
	for _, kv := range m.Metadata {
		out.MetadataProps = append(out.MetadataProps, &pb.StringStringEntryProto{Key: kv[0], Value: kv[1]})
	}
	if out.Graph, err = e.graph(m.Graph, newNames(m.Graph)); err != nil {
		return nil, err
	}
	if out.Graph.Name == "" { // which ONNX does not allow
		out.Graph.Name = "main"
	}
	for _, f := range m.Funcs {
		fp, err := e.function(f)
		if err != nil {
			return nil, err
		}
		out.Functions = append(out.Functions, fp)
	}
	return out, nil
}

// minOpset is the oldest version of ai.onnx that a file declares: the first one
// in which Squeeze, ReduceSum and Softmax have their present spelling, and
// bfloat16 is everywhere.
const minOpset = 13

// opsetsOf returns the version of each domain: the newest spelling among the
// operators that m uses, and not older than what the model was written against,
// which admits its element types.
func opsetsOf(m *ir.Model) (map[string]int64, error) {
	opsets := map[string]int64{"": max(minOpset, m.Opsets[""])}
	roots := []*ir.Graph{m.Graph}
	for _, f := range m.Funcs {
		opsets[f.Op.Domain] = max(opsets[f.Op.Domain], 1)
		roots = append(roots, f.Body)
	}
	for _, root := range roots {
		for g := range graphs(root) {
			for n := range g.Nodes() {
				if m.Func(n.Op) != nil {
					continue
				}
				op := m.Ops.Lookup(n.Op)
				if op == nil {
					return nil, diag.Errorf("LX4003", "the operator is unknown").At(n.String(), n.Op.String())
				}
				if op.Since == 0 {
					return nil, diag.Errorf("LX4003", "the operator exists only inside lxtc").At(n.String(), n.Op.String()).
						Help("run the pass legalize before saving")
				}
				opsets[n.Op.Domain] = max(opsets[n.Op.Domain], op.Since, m.Opsets[n.Op.Domain])
			}
			for v := range g.Values() {
				opsets[""] = max(opsets[""], typeSince(v.Type.Elem))
			}
		}
	}
	return opsets, nil
}

// typeSince returns the version of ai.onnx that has an element type; 0 for those
// that minOpset has.
func typeSince(elem ir.DType) int64 {
	switch elem {
	case ir.Float8E4M3, ir.Float8E4B, ir.Float8E5M2, ir.Float8E5B:
		return 19
	case ir.Int4, ir.Uint4:
		return 21
	case ir.Float4:
		return 23
	case ir.Float8E8M0:
		return 24
	case ir.Int2, ir.Uint2:
		return 25
	}
	return 0
}

// irVersion returns the IR version that goes with a version of ai.onnx. It is
// at least 10, the first in which nodes have metadata.
func irVersion(opset int64) int64 {
	for _, v := range []struct{ opset, ir int64 }{{28, 14}, {25, 13}, {24, 12}, {23, 11}} {
		if opset >= v.opset {
			return v.ir
		}
	}
	return 10
}

func opsetImport(opsets map[string]int64) []*pb.OperatorSetIdProto {
	var out []*pb.OperatorSetIdProto
	for _, domain := range sortedKeys(opsets) {
		out = append(out, &pb.OperatorSetIdProto{Domain: domain, Version: opsets[domain]})
	}
	return out
}

// graphs yields g and the graphs in the attributes of its nodes.
func graphs(g *ir.Graph) iter.Seq[*ir.Graph] {
	return func(yield func(*ir.Graph) bool) { walk(g, yield) }
}

func walk(g *ir.Graph, yield func(*ir.Graph) bool) bool {
	if !yield(g) {
		return false
	}
	for n := range g.Nodes() {
		for sub := range n.Subgraphs() {
			if !walk(sub, yield) {
				return false
			}
		}
	}
	return true
}
