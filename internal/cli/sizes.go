package cli

import (
	"slices"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/ir"
)

// withSizes opens a model again with the sizes that its inputs have, if it holds
// layers that go step by step: relevance passes those written out, and how many
// steps there are has to be known for that.
func (s *subject) withSizes(in map[string]*ir.Tensor) error {
	g := s.IR().Graph
	if s.again == nil || !stepwise(s.IR().Ops, g) {
		return nil
	}
	sizes := bind(g, in)
	for name := range sizes {
		if strings.ContainsAny(name, "*·") { // no name of the file's
			delete(sizes, name)
		}
	}
	if len(sizes) == 0 {
		return nil
	}
	m, err := s.again(onnx.Sizes(sizes))
	if err != nil {
		return err
	}
	err = s.Model.Close()
	s.Model = m
	return err
}

// stepwise reports whether g has an operator that is written out step by step,
// and that has inputs whose sizes are not known.
func stepwise(ops *ir.OpSet, g *ir.Graph) bool {
	for n := range g.Nodes() {
		for sub := range n.Subgraphs() {
			if stepwise(ops, sub) {
				return true
			}
		}
		if op := ops.Lookup(n.Op); op == nil || !op.Fused || op.VJP == nil {
			continue
		}
		if slices.ContainsFunc(n.In, unsized) {
			return true
		}
	}
	return false
}

func unsized(v *ir.Value) bool {
	if v == nil {
		return false
	}
	_, static := v.Type.Static()
	return !static
}

// reopening is what a subject needs to be opened again.
type reopening func(more ...onnx.Option) (*lxtc.Model, error)
