package reference_test

import (
	"fmt"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestFused compares the bodies of ONNX Runtime's own operators with what it
// computed in float32, by testdata/gen/ops/fused.py.
func TestFused(t *testing.T) { testNodes(t, "testdata/fused.jsonl.gz", 88) }

// TestContrib does so with those of testdata/gen/ops/contrib.py.
func TestContrib(t *testing.T) { testNodes(t, "testdata/contrib.jsonl.gz", 50) }

// attends reports whether an operator is one of ONNX Runtime's, or like one.
// Other fused operators, those that run graphs, say, have their own tests.
func attends(op ir.OpName) bool {
	return op.Domain == ops.Microsoft || op.Domain == ops.ChannelsLast || op.Domain == ops.ClassicML || op.Domain == "" && (op.Name == "Attention" || op.Name == "RotaryEmbedding")
}

// TestFusedCoverage says that every one of them has a case.
func TestFusedCoverage(t *testing.T) {
	seen := map[ir.OpName]bool{}
	for _, file := range []string{"testdata/fused.jsonl.gz", "testdata/contrib.jsonl.gz", "testdata/nodes.jsonl.gz", "testdata/quant.jsonl.gz"} {
		for _, c := range readNodeCases(t, file) {
			seen[ir.ParseOpName(c.Op)] = true
		}
	}
	for _, op := range ops.Standard().All() {
		if attends(op.Name) && !seen[op.Name] {
			t.Errorf("%s has no case", op.Name)
		}
	}
}

// TestFusedSymbolic inlines them in graphs that know neither batch nor lengths,
// as those of exported models do.
func TestFusedSymbolic(t *testing.T) {
	for _, file := range []string{"testdata/fused.jsonl.gz", "testdata/contrib.jsonl.gz", "testdata/nodes.jsonl.gz"} {
		for _, c := range readNodeCases(t, file) {
			// GatedDeltaNet has heads where symbolic looks for lengths, which it has to know.
			if !attends(ir.ParseOpName(c.Op)) || c.Op == "com.microsoft.GatedDeltaNet" {
				continue
			}
			t.Run(c.Name, func(t *testing.T) {
				for _, b := range []ir.Dim{ir.Sym("B"), ir.Unknown} {
					if err := c.checkSymbolic(b); err != nil {
						t.Errorf("batch %s: %v", b, err)
					}
				}
			})
		}
	}
}

// checkSymbolic compares with b in the place of the batch.
func (c *nodeCase) checkSymbolic(b ir.Dim) error {
	m, in, err := c.model(c.Op == "com.microsoft.SparseAttention") // its layouts have to be constants
	if err != nil || m.Graph.Inputs[0].Type.Rank() == 0 {
		return err
	}
	batch := m.Graph.Inputs[0].Type.Shape[0]
	var call *ir.Node
	for n := range m.Graph.Nodes() {
		call = n
	}
	for _, v := range m.Graph.Inputs {
		v.Type = symbolic(v.Type, batch, b)
	}
	for _, v := range call.Out {
		if v != nil {
			v.Type = ir.Type{}
		}
	}
	if err := m.Reinfer(call); err != nil {
		return fmt.Errorf("inference: %w", err)
	}
	if err := ir.Inline(m, call); err != nil {
		return err
	}
	if err := ir.Verify(m); err != nil {
		return err
	}
	return c.compare(m, in)
}

// symbolic replaces batch by b and lengths by symbols, equal ones by the same.
// Heads and features stay what they are.
func symbolic(t ir.Type, batch, b ir.Dim) ir.Type {
	dims := append([]ir.Dim{}, t.Shape...)
	at := map[int][]int{2: {1}, 3: {1}, 4: {2}}[len(dims)]
	if len(dims) == 2 && t.Elem.IsFloat() || t.Elem == ir.Uint8 { // a table, a matrix, or packed weights
		return t
	}
	for _, i := range at {
		if n, _ := dims[i].Num(); n > 1 {
			dims[i] = ir.Sym("L" + dims[i].String())
		}
	}
	for i := range dims[:min(1, len(dims))] {
		switch n, _ := batch.Num(); {
		case t.Elem.IsFloat() && len(dims) == 1: // features
		case dims[i] == batch:
			dims[i] = b
		case len(dims) == 1 && dims[i].Is(2*n):
			dims[i] = b.Mul(ir.N(2))
		}
	}
	return ir.Type{Elem: t.Elem, Shape: dims}
}
