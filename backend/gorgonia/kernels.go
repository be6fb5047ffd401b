package gorgonia

import (
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// anyType are kernels for every element type: they move bytes.
var anyType = map[string]kernel{
	"Identity": identity, "Reshape": reshape, "Flatten": reshapeTo, "Squeeze": reshapeTo, "Unsqueeze": reshapeTo,
	"Transpose": transpose, "Expand": expand, "Slice": slice, "Split": split, "Concat": concat, "Gather": gather,
	"Shape": shapeOf, "Where": where, "Constant": constant, "ConstantOfShape": constantOfShape, "Cast": cast, "Pad": pad,
}

// float32s are kernels for nodes all of whose floating point values are
// float32.
var float32s = map[string]kernel{
	"MatMul": matMul, "lxt.Linear": linear, "Gemm": gemm,
	"Add": binary, "Sub": binary, "Mul": binary, "Div": binary, "Max": binary, "Min": binary, "Sum": binary,
	"Neg": unary, "Abs": unary, "Sqrt": unary, "Reciprocal": unary, "Relu": unary, "Exp": unary, "Log": unary,
	"Sigmoid": unary, "Tanh": unary, "Erf": unary, "Gelu": gelu, "Swish": swish, "Pow": pow, "Clip": clip,
	"Less": compare, "Greater": compare, "LessOrEqual": compare, "GreaterOrEqual": compare, "Equal": compare, "IsInf": isInf,
	"Softmax": softmax, "ReduceSum": reduce, "ReduceMean": reduce, "ReduceMax": reduce, "ReduceMin": reduce,
	"ReduceSumSquare": reduce, "ReduceL1": reduce,
	"RMSNormalization": rmsNorm, "LayerNormalization": layerNorm, "ScatterND": scatterND,
	"Conv": conv,
}

// kernelFor returns the kernel for a node: a fast one if there is one for its
// types, else the reference interpreter's, which computes in float64. It is nil
// if neither knows the operator.
func kernelFor(n *ir.Node) kernel {
	if k := fastKernel(n); k != nil {
		return k
	}
	if reference.New().Supports(n) == nil {
		return interpret
	}
	return nil
}

func fastKernel(n *ir.Node) kernel {
	op := n.Op.String()
	if k := anyType[op]; k != nil && !packed(n) {
		return k
	}
	if k := float32s[op]; k != nil && onlyFloat32(n) {
		return k
	}
	return nil
}

// Interpreted returns the nodes of m that the backend leaves to the reference
// interpreter, because it has no kernel for their operator and types: right,
// but slow, in float64 and on one thread. A few kernels hand rare cases that
// show only during a run (Pow with an odd exponent, say) to it as well.
func Interpreted(m *ir.Model) []*ir.Node {
	var ns []*ir.Node
	for n := range m.Graph.Nodes() {
		if fastKernel(n) == nil {
			ns = append(ns, n)
		}
	}
	return ns
}

// packed reports whether a value of n has elements narrower than a byte.
func packed(n *ir.Node) bool {
	for _, vs := range [][]*ir.Value{n.In, n.Out} {
		for _, v := range vs {
			if v != nil && v.Type.Elem.Bits() < 8 {
				return true
			}
		}
	}
	return false
}

func onlyFloat32(n *ir.Node) bool {
	found := false
	for _, vs := range [][]*ir.Value{n.In, n.Out} {
		for _, v := range vs {
			if v == nil || !v.Type.Elem.IsFloat() {
				continue
			}
			if v.Type.Elem != ir.Float {
				return false
			}
			found = true
		}
	}
	return found
}

// interpret runs the reference interpreter's kernel.
func interpret(c *call) ([]*Value, error) {
	in := make([]*ir.Tensor, len(c.in))
	for i, v := range c.in {
		if v != nil {
			in[i] = c.tensorOf(v)
		}
	}
	outs, err := reference.Eval(c.n, in)
	if err != nil {
		return nil, err
	}
	vs := make([]*Value, len(outs))
	for i, t := range outs {
		switch {
		case t == nil:
		case t.Elem.Bits() < 8:
			vs[i] = borrow(t)
		default:
			vs[i] = c.new(t.Elem, t.Shape...)
			copy(vs[i].buf.bytes, t.Raw)
		}
	}
	return vs, nil
}
