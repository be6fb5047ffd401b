package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// msftQuantOps are ONNX Runtime's operators on quantized activations. Each is
// what it stands for: the operator between dequantizations and a quantization,
// or a product of integers and its scales.
func msftQuantOps() []*ir.Op {
	return []*ir.Op{
		msQuantizeLinear, msDequantizeLinear, // as those of ai.onnx
		matMulIntegerToFloat, dynamicQuantizeMatMul, qGemm, msQLinearConv, qAttention, // msft_quantproduct.go
		qLinearAdd, qLinearMul, qLinearSigmoid, qLinearLeakyRelu, qLinearSoftmax,
		qLinearAveragePool, qLinearGlobalAveragePool, qLinearWhere, qLinearConcat,
	}
}

var msQuantizeLinear = &ir.Op{
	Name: msft("QuantizeLinear"), Since: 1, Fused: true, Doc: "x / y_scale rounded, plus y_zero_point, saturated",
	In: ir.P("x", "y_scale", "y_zero_point?"), Out: ir.P("y"), Infer: quantizeLinear.Infer,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		return []*ir.Value{b.OpA("QuantizeLinear", n.Attrs, n.In...)}
	},
}

var msDequantizeLinear = &ir.Op{
	Name: msft("DequantizeLinear"), Since: 1, Fused: true, Doc: "(x - x_zero_point) · x_scale",
	In: ir.P("x", "x_scale", "x_zero_point?"), Out: ir.P("y"), Infer: dequantizeLinear.Infer,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		return []*ir.Value{b.OpA("DequantizeLinear", n.Attrs, n.In...)}
	},
}

// An operand is a quantized input of an operator: the places of its integers,
// scale and zero point.
type operand struct{ x, scale, zero int }

func (o operand) float(b *ir.Builder, n *ir.Node) *ir.Value {
	return b.Op("DequantizeLinear", n.In[o.x], scalar(b, n.In[o.scale]), scalar(b, n.Input(o.zero)))
}

// asFloat is an input as a type, without the integers.
func (o operand) asFloat(n *ir.Node) *ir.Value {
	return &ir.Value{Name: n.In[o.x].Name, Type: n.In[o.x].Type.WithElem(ir.Float)}
}

// A quantOp is an operator of ai.onnx between dequantizations of its operands and
// a quantization of its result.
type quantOp struct {
	name, doc string
	in        []ir.Param
	operands  []operand
	to        operand // scale and zero point of the result
	float     func(b *ir.Builder, n *ir.Node, in []*ir.Value) *ir.Value
	infer     func(n *ir.Node, in []*ir.Value) ([]ir.Type, error)
}

func (q quantOp) op() *ir.Op {
	return &ir.Op{
		Name: msft(q.name), Since: 1, Fused: true, Doc: q.doc, In: q.in, Out: ir.P("y"),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			in := make([]*ir.Value, len(q.operands))
			for i, o := range q.operands {
				in[i] = o.asFloat(n)
			}
			ts, err := q.infer(n, in)
			if err != nil {
				return nil, err
			}
			return one(ts[0].WithElem(n.In[q.operands[0].x].Type.Elem))
		},
		Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
			in := make([]*ir.Value, len(q.operands))
			for i, o := range q.operands {
				in[i] = o.float(b, n)
			}
			y := q.float(b, n, in)
			if b.Err() != nil {
				return []*ir.Value{y}
			}
			return []*ir.Value{quantizeTo(b, y, n.In[q.to.scale], n.Input(q.to.zero), n.In[q.operands[0].x].Type.Elem)}
		},
	}
}

// quantizeTo is QuantizeLinear by one scale, to elem if there is no zero point.
func quantizeTo(b *ir.Builder, y, scale, zero *ir.Value, elem ir.DType) *ir.Value {
	var attrs ir.Attrs
	if zero == nil {
		attrs = ir.Attrs{{Name: "output_dtype", Value: int64(elem)}}
	}
	return b.OpA("QuantizeLinear", attrs, y, scalar(b, scale), scalar(b, zero))
}

// asItIs is float of an operator that has the attributes of n.
func asItIs(op string) func(b *ir.Builder, n *ir.Node, in []*ir.Value) *ir.Value {
	return func(b *ir.Builder, n *ir.Node, in []*ir.Value) *ir.Value { return b.OpA(op, n.Attrs, in...) }
}

func broadcastOperands(_ *ir.Node, in []*ir.Value) ([]ir.Type, error) {
	t, err := broadcastType(in...)
	return []ir.Type{t}, err
}

func sameAsOperand(_ *ir.Node, in []*ir.Value) ([]ir.Type, error) { return one(in[0].Type) }

var (
	unaryParams = ir.P("X", "X_scale", "X_zero_point?", "Y_scale", "Y_zero_point?")
	oneOperand  = []operand{{0, 1, 2}}
	unaryTo     = operand{scale: 3, zero: 4}

	binaryParams = ir.P("A", "A_scale", "A_zero_point?", "B", "B_scale", "B_zero_point?", "C_scale", "C_zero_point?")
	twoOperands  = []operand{{0, 1, 2}, {3, 4, 5}}
	binaryTo     = operand{scale: 6, zero: 7}
)

var (
	qLinearAdd = quantOp{
		"QLinearAdd", "A + B of quantized numbers, quantized", binaryParams, twoOperands, binaryTo, asItIs("Add"), broadcastOperands,
	}.op()
	qLinearMul = quantOp{
		"QLinearMul", "A · B of quantized numbers, quantized", binaryParams, twoOperands, binaryTo, asItIs("Mul"), broadcastOperands,
	}.op()
	qLinearSigmoid = quantOp{
		"QLinearSigmoid", "Sigmoid of quantized numbers, quantized", unaryParams, oneOperand, unaryTo, asItIs("Sigmoid"), sameAsOperand,
	}.op()
	qLinearLeakyRelu = quantOp{
		"QLinearLeakyRelu", "LeakyRelu of quantized numbers, quantized", unaryParams, oneOperand, unaryTo, asItIs("LeakyRelu"), sameAsOperand,
	}.op()
)

// qLinearSoftmax of opset 13 normalizes along one axis, older ones along all
// axes from it on.
var qLinearSoftmax = quantOp{
	"QLinearSoftmax", "Softmax of quantized numbers, quantized", unaryParams, oneOperand, unaryTo,
	func(b *ir.Builder, n *ir.Node, in []*ir.Value) *ir.Value {
		axis := n.Attrs.Int("axis", -1)
		if rank := int64(in[0].Type.Rank()); n.Attrs.Int("opset", 13) < 13 && axis != -1 && axis != rank-1 {
			return b.Fail("axis = %d of opset %d is not supported, want the last", axis, n.Attrs.Int("opset", 13))
		}
		return b.OpA("Softmax", ir.Attrs{{Name: "axis", Value: axis}}, in[0])
	},
	sameAsOperand,
}.op()

// Pooling has the channels second, or last.
var (
	qLinearAveragePool = quantOp{
		"QLinearAveragePool", "AveragePool of quantized numbers, quantized", unaryParams, oneOperand, unaryTo,
		channelsSecond("AveragePool"), inferChannels(averagePool),
	}.op()
	qLinearGlobalAveragePool = quantOp{
		"QLinearGlobalAveragePool", "GlobalAveragePool of quantized numbers, quantized", unaryParams, oneOperand, unaryTo,
		channelsSecond("GlobalAveragePool"), inferChannels(globalAveragePool),
	}.op()
)

func channelsSecond(op string) func(b *ir.Builder, n *ir.Node, in []*ir.Value) *ir.Value {
	return func(b *ir.Builder, n *ir.Node, in []*ir.Value) *ir.Value {
		if !channelsLast(n) {
			return b.OpA(op, without(n.Attrs, "channels_last"), in[0])
		}
		to, from := channelPerms(in[0].Type.Rank())
		return b.Transpose(b.OpA(op, without(n.Attrs, "channels_last"), b.Transpose(in[0], to...)), from...)
	}
}

func inferChannels(op *ir.Op) func(n *ir.Node, in []*ir.Value) ([]ir.Type, error) {
	return func(n *ir.Node, in []*ir.Value) ([]ir.Type, error) {
		if !channelsLast(n) || in[0].Type.Rank() < 3 {
			return op.Infer(&ir.Node{Op: op.Name, Attrs: n.Attrs, In: in})
		}
		to, from := channelPerms(in[0].Type.Rank())
		x := &ir.Value{Name: in[0].Name, Type: permuted(in[0].Type, to)}
		ts, err := op.Infer(&ir.Node{Op: op.Name, Attrs: n.Attrs, In: []*ir.Value{x}})
		if err != nil {
			return nil, err
		}
		return one(permuted(ts[0], from))
	}
}

func channelsLast(n *ir.Node) bool { return n.Attrs.Int("channels_last", 0) != 0 }

// channelPerms are the permutations that put the last axis second, and back.
func channelPerms(rank int) (to, from []int64) {
	to, from = []int64{0, int64(rank) - 1}, []int64{0}
	for i := 2; i < rank; i++ {
		to, from = append(to, int64(i)-1), append(from, int64(i))
	}
	return to, append(from, 1)
}

func permuted(t ir.Type, perm []int64) ir.Type {
	if t.Rank() != len(perm) {
		return ir.Type{Elem: t.Elem}
	}
	dims := make([]ir.Dim, len(perm))
	for i, p := range perm {
		dims[i] = t.Shape[p]
	}
	return withDims(t, dims)
}

// without returns the attributes but those of the given names.
func without(attrs ir.Attrs, names ...string) ir.Attrs {
	var out ir.Attrs
	for _, a := range attrs {
		kept := true
		for _, name := range names {
			kept = kept && a.Name != name
		}
		if kept {
			out = append(out, a)
		}
	}
	return out
}

var qLinearWhere = quantOp{
	"QLinearWhere", "Where of quantized numbers, quantized",
	ir.P("condition", "X", "x_scale", "x_zero_point", "Y", "y_scale", "y_zero_point", "z_scale", "z_zero_point"),
	[]operand{{1, 2, 3}, {4, 5, 6}},
	operand{scale: 7, zero: 8},
	func(b *ir.Builder, n *ir.Node, in []*ir.Value) *ir.Value { return b.Op("Where", n.In[0], in[0], in[1]) },
	func(n *ir.Node, in []*ir.Value) ([]ir.Type, error) {
		mask := &ir.Value{Name: n.In[0].Name, Type: n.In[0].Type.WithElem(ir.Float)}
		return broadcastOperands(n, append([]*ir.Value{mask}, in...))
	},
}.op()

// qLinearConcat takes triples of integers, scale and zero point.
var qLinearConcat = &ir.Op{
	Name: msft("QLinearConcat"), Since: 1, Fused: true, Doc: "Concat of quantized numbers, quantized",
	In: ir.P("Y_scale", "Y_zero_point", "inputs*"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if len(n.In)%3 != 2 {
			return nil, fmt.Errorf("%d inputs, want two and three for each operand", len(n.In))
		}
		var in []*ir.Value
		for i := 2; i < len(n.In); i += 3 {
			if n.In[i] == nil || n.In[i+1] == nil {
				return nil, fmt.Errorf("operand %d is missing", i)
			}
			in = append(in, operand{x: i}.asFloat(n))
		}
		ts, err := concat.Infer(&ir.Node{Op: concat.Name, Attrs: n.Attrs, In: in})
		if err != nil {
			return nil, err
		}
		return one(ts[0].WithElem(n.In[1].Type.Elem))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		var in []*ir.Value
		for i := 2; i < len(n.In); i += 3 {
			in = append(in, operand{i, i + 1, i + 2}.float(b, n))
		}
		return []*ir.Value{quantizeTo(b, b.OpA("Concat", n.Attrs, in...), n.In[0], n.In[1], ir.Uint8)}
	},
}
