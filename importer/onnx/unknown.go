package onnx

import (
	"maps"
	"slices"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// findUnknown looks at every node that decoding will meet. Operators that have
// no meaning become opaque, so that decoding goes on and finds out what else
// stands in the way.
func (d *decoder) findUnknown(g *pb.GraphProto, opsets map[string]int64) {
	c := census{d: d, found: map[ir.OpName]*ir.Op{}, seen: map[funcKey]bool{}}
	c.nodes(g.Node, opsets)
	if len(c.found) == 0 {
		return
	}
	for op := range c.found {
		d.opaque[op] = true
	}
	d.m.Ops = d.m.Ops.With(slices.Collect(maps.Values(c.found))...)
}

// A census finds the operators that have no meaning.
type census struct {
	d     *decoder
	found map[ir.OpName]*ir.Op
	seen  map[funcKey]bool
}

func (c *census) nodes(ns []*pb.NodeProto, opsets map[string]int64) {
	for _, n := range ns {
		for _, g := range subgraphs(n) {
			c.nodes(g.Node, opsets)
		}
		key := keyOf(n.Domain, n.OpType, n.Overload)
		if f := c.d.funcs[key]; f != nil {
			if c.seen[key] {
				continue
			}
			c.seen[key] = true
			if opsets, err := opsetsOf(f.OpsetImport); err == nil { // inlining it will report the error
				c.nodes(f.Node, opsets)
			}
			continue
		}
		op := ir.OpName{Domain: domainOf(n.Domain), Name: n.OpType}
		if c.d.m.Ops.Lookup(op) != nil || op == (ir.OpName{Name: "Constant"}) || renames(op, c.d.m.Ops) {
			continue
		}
		if c.found[op] == nil {
			c.found[op] = opaqueOp(op, max(opsets[op.Domain], 1))
		}
	}
}

// opaqueOp is an operator of which nothing is known but what files declare of
// its outputs. Nothing flows through it.
func opaqueOp(name ir.OpName, version int64) *ir.Op {
	return &ir.Op{
		Name: name, Since: version,
		Doc: "an operator without a meaning", Opaque: true,
		In:  []ir.Param{{Name: "in", Optional: true, Variadic: true}},
		Out: []ir.Param{{Name: "out", Optional: true, Variadic: true}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			types := make([]ir.Type, len(n.Out))
			for i, v := range n.Out {
				if v != nil {
					types[i] = v.Type
				}
			}
			return types, nil
		},
	}
}
