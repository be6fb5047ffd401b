package gorgonia

import (
	"iter"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// A table is the kernels that compute nodes of certain element types, by the
// name of the operator.
type table struct {
	fits    func(n *ir.Node) bool
	kernels map[string]kernel
}

// tables are tried in order.
var tables = []table{
	{notPacked, anyType},
	{onlyFloat32, float32s},
	{onlyIntegers, integers},
	{simple, simples},
	{dequantizes, map[string]kernel{"DequantizeLinear": dequantize}},
	{dequantizesCodes, map[string]kernel{coded: unpackCoded}},
	{packed, map[string]kernel{"Gather": gatherPacked}},
	{quantizes, map[string]kernel{"QuantizeLinear": quantize, "DynamicQuantizeLinear": quantizeDynamic}},
}

// anyType are kernels for every element type: they move bytes.
var anyType = map[string]kernel{
	"Identity": identity, "Reshape": reshape, "Flatten": reshapeTo, "Squeeze": reshapeTo, "Unsqueeze": reshapeTo,
	"Transpose": transpose, "Expand": expand, "Slice": slice, "Split": split, "Concat": concat, "Gather": gather,
	"GatherElements": gatherElements, "GatherND": gatherND, "OneHot": oneHot, "Trilu": trilu, "Pad": pad, "Tile": tile,
	"Shape": shapeOf, "Where": where, "Constant": constant, "ConstantOfShape": constantOfShape, "Cast": cast,
	"NonZero": nonZero,
}

// float32s are kernels for nodes all of whose floating point values are
// float32.
var float32s = map[string]kernel{
	"MatMul": matMul, "lxt.Linear": linear, "Gemm": gemm,
	"Add": binary, "Sub": binary, "Mul": binary, "Div": binary, "Max": binary, "Min": binary, "Sum": binary,
	"Neg": unary, "Abs": unary, "Sqrt": unary, "Reciprocal": unary, "Relu": unary, "Exp": unary, "Log": unary,
	"Sigmoid": unary, "Tanh": unary, "Erf": unary, "Gelu": gelu, "Swish": swish, "Pow": pow, "Clip": clip,
	"Sin": scalar, "Cos": scalar, "Floor": scalar, "Ceil": scalar, "Round": scalar, "Sign": scalar,
	"LeakyRelu": leakyRelu, "HardSwish": unary, "HardSigmoid": hardSigmoid, "IsInf": isInf, "IsNaN": isNaN,
	"Softmax": softmax, "ReduceSum": reduce, "ReduceMean": reduce, "ReduceMax": reduce, "ReduceMin": reduce,
	"ReduceSumSquare": reduce, "ReduceL1": reduce, "ReduceL2": reduce,
	"RMSNormalization": rmsNorm, "LayerNormalization": layerNorm, "BatchNormalization": batchNorm,
	"Conv": conv, "ConvTranspose": convTranspose, "MaxPool": maxPool, "AveragePool": averagePool,
	"GlobalAveragePool": globalPool, "GlobalMaxPool": globalPool,
	"ScatterND": scatterND, "ScatterElements": scatterElements, "ArgMax": argMax, "ArgMin": argMax, "TopK": topK,
}

// integers are kernels for nodes all of whose values are int64, or int32.
var integers = map[string]kernel{
	"Add": integer, "Sub": integer, "Mul": integer, "Max": integer, "Min": integer, "Neg": integer, "Abs": integer,
	"ScatterElements": scatterElements,
}

// simples are kernels for nodes whose values are float32, double, int64, int32,
// uint8 or bool.
var simples = map[string]kernel{
	"Less": compare, "Greater": compare, "LessOrEqual": compare, "GreaterOrEqual": compare, "Equal": compare,
	"And": logic, "Or": logic, "Xor": logic, "Not": not, "Range": rangeOf, "CumSum": cumSum,
}

// kernelFor returns the kernel for a node: a fast one if there is one for its
// types, else the reference interpreter's, which computes in float64. It is nil
// if neither knows the operator.
func kernelFor(n *ir.Node) kernel {
	if k := fastKernel(n); k != nil {
		return k
	}
	switch {
	case reference.New().Supports(n) != nil:
		return nil
	case hasGraph(n):
		return control
	}
	return interpret
}

func fastKernel(n *ir.Node) kernel {
	op := n.Op.String()
	for _, t := range tables {
		if k := t.kernels[op]; k != nil && t.fits(n) {
			return k
		}
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

// elems yields the element types of a node's inputs and outputs.
func elems(n *ir.Node) iter.Seq[ir.DType] {
	return func(yield func(ir.DType) bool) {
		for _, vs := range [][]*ir.Value{n.In, n.Out} {
			for _, v := range vs {
				if v != nil && !yield(v.Type.Elem) {
					return
				}
			}
		}
	}
}

// notPacked reports whether no value of n has elements narrower than a byte, or
// strings.
func notPacked(n *ir.Node) bool {
	for e := range elems(n) {
		if e.Bits() < 8 {
			return false
		}
	}
	return true
}

func onlyFloat32(n *ir.Node) bool {
	found := false
	for e := range elems(n) {
		if e.IsFloat() && e != ir.Float || e == ir.Undefined {
			return false
		}
		found = found || e == ir.Float
	}
	return found
}

func onlyIntegers(n *ir.Node) bool {
	for e := range elems(n) {
		if e != ir.Int64 && e != ir.Int32 {
			return false
		}
	}
	return true
}

func simple(n *ir.Node) bool {
	for e := range elems(n) {
		switch e {
		case ir.Float, ir.Double, ir.Int64, ir.Int32, ir.Uint8, ir.Bool:
		default:
			return false
		}
	}
	return true
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
	return c.keep(outs), nil
}

// keep copies results to memory of the session.
func (c *call) keep(outs []*ir.Tensor) []*Value {
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
	return vs
}
