package ops_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestInferMalformed feeds every operator inputs of all kinds: an error is
// right, a panic is not.
func TestInferMalformed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, op := range ops.Standard().All() {
		for range 300 {
			m := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
			n := &ir.Node{Op: op.Name, Attrs: randomAttrs(r)}
			lo, hi := ir.Arity(op.In)
			if hi < 0 {
				hi = lo + 2
			}
			for range lo + r.IntN(hi-lo+1) {
				n.In = append(n.In, randomValue(r, m.Graph))
			}
			if op.CheckInputs(n) != nil {
				continue
			}
			inferQuietly(t, op, n)
		}
	}
}

func inferQuietly(t *testing.T, op *ir.Op, n *ir.Node) {
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s of %v with %v: panic: %v", op.Name, n.In, n.Attrs, r)
		}
	}()
	types, err := op.Infer(n)
	if err != nil || op.Known == nil {
		return
	}
	for _, typ := range types {
		n.Out = append(n.Out, &ir.Value{Name: "o", Type: typ, Def: n})
	}
	op.Known(n)
}

func randomValue(r *rand.Rand, g *ir.Graph) *ir.Value {
	switch r.IntN(4) {
	case 0:
		ints := make([]int64, r.IntN(4))
		for i := range ints {
			ints[i] = r.Int64N(9) - 4
		}
		return g.Const("c", ir.Of(ints, len(ints)))
	case 1:
		return g.Input("x", ir.Type{Elem: ir.DType(r.IntN(8))})
	}
	dims := make([]ir.Dim, r.IntN(5))
	for i := range dims {
		dims[i] = []ir.Dim{ir.Unknown, ir.Sym("S"), ir.N(0), ir.N(1), ir.N(2), ir.N(math.MaxInt64)}[r.IntN(6)]
	}
	return g.Input("x", ir.Type{Elem: ir.DType([]int{1, 1, 7, 9}[r.IntN(4)]), Shape: dims})
}

// randomAttrs gives attributes that operators read, with any value.
func randomAttrs(r *rand.Rand) ir.Attrs {
	names := []string{
		"axis", "axes", "keepdims", "perm", "to", "num_groups", "size", "equation", "kernel_shape", "strides", "pads",
		"dilations", "group", "blocksize", "batch_dims", "num_outputs", "value", "start", "end", "auto_pad", "mode",
		"block_size", "output_shape", "output_padding", "ceil_mode", "stash_type", "alpha", "transA", "k", "upper",
	}
	var attrs ir.Attrs
	for range r.IntN(6) {
		name := names[r.IntN(len(names))]
		ints := make([]int64, r.IntN(4))
		for i := range ints {
			ints[i] = r.Int64N(7) - 3
		}
		values := []any{
			r.Int64N(9) - 4, int64(math.MinInt64), ints, float32(1), "SAME_UPPER", "ij,jk->ik", "...i", "é->",
			[]string{"a"},
			ir.Of([]int64{1, 2}, 2),
			ir.Ref{Name: "a", Kind: int64(0)},
		}
		attrs = append(attrs, ir.Attr{Name: name, Value: values[r.IntN(len(values))]})
	}
	return attrs
}
