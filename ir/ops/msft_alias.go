package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// msftAliasOps are what ONNX Runtime had before ONNX did: the same operators with
// other names of their modes and other ranks of their parameters.
func msftAliasOps() []*ir.Op {
	plain := func(_ *ir.Builder, n *ir.Node) (ir.Attrs, []*ir.Value) { return n.Attrs, n.In }
	return []*ir.Op{
		cDist, fusedMatMulActivation, // here
		alias("TransposeMatMul", fusedMatMul, fusedMatMul.In, plain),
		alias("Trilu", trilu, trilu.In, plain),
		alias("GatherND", gatherND, gatherND.In, plain),
		alias("Range", rangeOf, ir.P("start", "limit", "delta?"), func(b *ir.Builder, n *ir.Node) (ir.Attrs, []*ir.Value) {
			step := n.Input(2)
			if step == nil {
				step = b.Scalar(1, n.In[0])
			}
			return nil, []*ir.Value{scalar(b, n.In[0]), scalar(b, n.In[1]), scalar(b, step)}
		}),
		alias("ExpandDims", unsqueeze, ir.P("X", "axis"), func(b *ir.Builder, n *ir.Node) (ir.Attrs, []*ir.Value) {
			axes := b.OpA("Cast", toType(ir.Int64), n.In[1])
			return nil, []*ir.Value{n.In[0], b.Op("Reshape", axes, b.Ints(1))}
		}),
		alias("Pad", pad, ir.P("data", "pads", "value?"), func(b *ir.Builder, n *ir.Node) (ir.Attrs, []*ir.Value) {
			return n.Attrs, []*ir.Value{n.In[0], b.Op("Reshape", n.In[1], b.Ints(-1)), scalar(b, n.Input(2))}
		}),
		alias("GridSample", gridSample, ir.P("X", "Grid"), func(_ *ir.Builder, n *ir.Node) (ir.Attrs, []*ir.Value) {
			mode := n.Attrs.String("mode", "bilinear")
			if now := map[string]string{"bilinear": "linear", "bicubic": "cubic"}[mode]; now != "" {
				mode = now
			}
			return n.Attrs.With("mode", mode), n.In
		}),
	}
}

// alias is op by another name; call says how to call it. Types are inferred from
// the inputs as they are.
func alias(name string, op *ir.Op, in []ir.Param, call func(b *ir.Builder, n *ir.Node) (ir.Attrs, []*ir.Value)) *ir.Op {
	return &ir.Op{
		Name: msft(name), Since: 1, Fused: true, Doc: op.Doc, In: in, Out: op.Out,
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			missing := len(n.In) < len(op.In) && !op.In[len(n.In)].Optional
			if missing || op == pad && n.In[1].Type.Rank() == 2 { // which op would not know what to do with
				return one(ir.Type{Elem: n.In[0].Type.Elem})
			}
			return op.Infer(&ir.Node{Op: op.Name, Attrs: n.Attrs, In: n.In, Out: n.Out})
		},
		Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
			attrs, in := call(b, n)
			return b.Node(op.Name, attrs, in...).Out[:1]
		},
	}
}

var fusedMatMulActivation = &ir.Op{
	Name: msft("FusedMatMulActivation"), Since: 1, Fused: true, Doc: "FusedMatMul, then an activation",
	In: fusedMatMul.In, Out: fusedMatMul.Out, Infer: fusedMatMul.Infer,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		params := func(i int) (float32, bool) {
			v, ok := n.Attrs.Get([]string{"activation_alpha", "activation_beta", "activation_gamma"}[i]).(float32)
			return v, ok
		}
		linear := n.Attrs.Without("activation", "activation_alpha", "activation_beta", "activation_gamma", "activation_axis")
		return []*ir.Value{activated(b, n, b.Node(fusedMatMul.Name, linear, n.In...).Out[0], params)}
	},
}

var cDist = &ir.Op{
	Name: msft("CDist"), Since: 1, Fused: true, Doc: "the distance of each row of A from each row of B",
	In: ir.P("A", "B"), Out: ir.P("C"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		a, c := n.In[0].Type, n.In[1].Type
		if a.Rank() >= 0 && a.Rank() != 2 || c.Rank() >= 0 && c.Rank() != 2 {
			return nil, fmt.Errorf("operands are %s and %s, want two matrices", a, c)
		}
		return one(withDims(a, []ir.Dim{dimOf(n.In[0], 0), dimOf(n.In[1], 0)}))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		apart := b.Sub(b.Op("Unsqueeze", n.In[0], b.Ints(1)), b.Op("Unsqueeze", n.In[1], b.Ints(0)))
		reduce := map[string]string{"euclidean": "ReduceL2", "sqeuclidean": "ReduceSumSquare"}[n.Attrs.String("metric", "sqeuclidean")]
		if reduce == "" {
			return []*ir.Value{b.Fail("metric %q is not supported", n.Attrs.String("metric", ""))}
		}
		return []*ir.Value{b.OpA(reduce, ir.Attrs{{Name: "keepdims", Value: int64(0)}}, apart, b.Ints(2))}
	},
}
