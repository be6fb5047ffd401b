package onnx

import (
	"cmp"
	"slices"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// findUnknown looks at every node that decoding will meet. Operators that have
// no meaning are an error that lists them all, or, under KeepUnknown, become
// opaque.
func (d *decoder) findUnknown(g *pb.GraphProto, opsets map[string]int64) error {
	c := census{d: d, found: map[ir.OpName]*unknown{}, seen: map[funcKey]bool{}}
	c.nodes(g.Node, opsets)
	if len(c.found) == 0 {
		return nil
	}
	var all []*unknown
	for _, u := range c.found {
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b *unknown) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.op.String(), b.op.String()))
	})
	if d.keepUnknown {
		var ops []*ir.Op
		for _, u := range all {
			d.opaque[u.op] = true
			ops = append(ops, opaqueOp(u.op, u.version))
		}
		d.m.Ops = d.m.Ops.With(ops...)
		return nil
	}
	e := diag.Errorf("LX1010", "%d operators have no meaning here", len(all))
	if len(all) == 1 {
		e = diag.Errorf("LX1010", "operator %s has no meaning here", all[0].op)
	}
	for _, u := range all {
		e.Detail("%s version %d: %d nodes, for instance %s", u.op, u.version, u.count, u.example)
	}
	return e.Help("export with other options, or give these operators a meaning, or keep them as they are")
}

// A census counts the operators that have no meaning.
type census struct {
	d     *decoder
	found map[ir.OpName]*unknown
	seen  map[funcKey]bool
}

type unknown struct {
	op      ir.OpName
	version int64
	count   int
	example string
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
			c.found[op] = &unknown{op: op, version: max(opsets[op.Domain], 1), example: label(n)}
		}
		c.found[op].count++
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
