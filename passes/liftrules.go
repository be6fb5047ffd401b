package passes

import (
	"slices"
	"strings"
	"sync"

	"github.com/lxtc/lxtc/ir"
)

// A lift says how operators take a leading axis of points.
type lift struct {
	names string

	// inputs are those that may have the axis; nil is all of them. If another one
	// has it, the operator has to be taken apart.
	inputs []int

	// by builds the operator's results at all points from its inputs, of which at
	// least one has the axis.
	by func(l *lifter, n *ir.Node) []*ir.Value
}

// liftTable is the rules, a line for each way to take the axis. An operator that
// computes element by element, or on the last axes alone, takes it as it takes any
// other; others have axes to renumber, or shapes to prolong.
var liftTable = []lift{
	{"Add Sub Mul Div Pow Mod Sum Mean Max Min Where Neg Abs Sqrt Reciprocal Exp Log Sin Cos Tan Sinh Cosh Tanh Asin Acos Atan Asinh Acosh Atanh " +
		"Erf Sign Floor Ceil Round Identity Cast BitCast Less Greater LessOrEqual GreaterOrEqual Equal And Or Xor Not IsInf IsNaN " +
		"BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot", nil, broadcast},
	{"Relu Sigmoid Gelu Swish LeakyRelu Elu Selu Celu Softplus Softsign HardSigmoid HardSwish Mish ThresholdedRelu Shrink", nil, broadcast},
	{"Clip PRelu CastLike Dropout Trilu", []int{0}, unchanged},

	{"Softmax LogSoftmax Hardmax LpNormalization LayerNormalization RMSNormalization TopK OneHot ArgMax ArgMin", []int{0}, alongAxis},
	{"Split", []int{0}, parted},
	{"Concat GatherElements ScatterElements", nil, together},
	{"CumSum CumProd", []int{0}, alongAxisInput},
	{"Resize CenterCropPad", []int{0}, alongAxes},
	{"ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceSumSquare ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp", []int{0}, reduction},

	{"Shape", []int{0}, shapeOf},
	{"Size", []int{0}, sizeOf},
	{"Reshape", []int{0}, reshaped},
	{"Flatten", []int{0}, flattened},
	{"Unsqueeze", []int{0}, unsqueezed},
	{"Squeeze", []int{0}, squeezed},
	{"Transpose", []int{0}, transposed},
	{"Expand", []int{0}, expanded},
	{"Tile", []int{0}, tiled},
	{"Slice", []int{0}, sliced},
	{"Pad", []int{0}, padded},
	{"Gather", []int{0, 1}, gathered},
	{"GatherND", []int{0, 1}, gatheredND},
	{"ScatterND", []int{0, 1, 2}, scatteredND},

	{"MatMul", nil, product},
	{"lxt.Linear", []int{0}, linear},
	{"Einsum", nil, einsum},
	{"Conv ConvTranspose AveragePool LpPool GlobalAveragePool GlobalMaxPool LRN BatchNormalization InstanceNormalization GroupNormalization " +
		"DepthToSpace SpaceToDepth", []int{0}, asBatch},
	{"MaxPool", []int{0}, maxPooled},
}

// liftRules is the table by operator.
var liftRules = sync.OnceValue(func() map[string]lift {
	by := map[string]lift{}
	for _, r := range liftTable {
		for _, name := range strings.Fields(r.names) {
			by[name] = r
		}
	}
	return by
})

// ruleFor returns how n takes the axis if some of its inputs have it; nil if
// there is no rule for that.
func ruleFor(n *ir.Node, has func(*ir.Value) bool) func(*lifter, *ir.Node) []*ir.Value {
	r := liftRules()[n.Op.String()]
	for i, v := range n.In {
		if v != nil && has(v) && r.inputs != nil && !slices.Contains(r.inputs, i) {
			return nil
		}
	}
	return r.by
}

// unchanged is for operators that mind no axis in front.
func unchanged(l *lifter, n *ir.Node) []*ir.Value { return l.again(n, n.Attrs, l.ins(n)...) }

// broadcast aligns the axes of the inputs: [P, 3] beside [2, 3] is [P, 1, 3].
func broadcast(l *lifter, n *ir.Node) []*ir.Value {
	ins := l.ins(n)
	if len(ins) > 1 {
		rank := 0
		for _, v := range n.In {
			if v != nil {
				rank = max(rank, l.rank(v))
			}
		}
		for i, v := range n.In {
			ins[i] = l.wide(v, rank)
		}
	}
	return l.again(n, n.Attrs, ins...)
}

// asBatch makes points and batch one axis, for operators on [N, C, …] that treat
// every n alike.
func asBatch(l *lifter, n *ir.Node) []*ir.Value {
	ins := l.ins(n)
	x := ins[0]
	rank := l.rank(n.In[0])
	ins[0] = l.reshape(x, l.Mul(l.dims(x, 0, 1), l.dims(x, 1, 2)), l.dims(x, 2, rank+1))
	outs := l.again(n, n.Attrs, ins...)
	apart := make([]*ir.Value, len(outs))
	for i, y := range outs {
		if y != nil {
			apart[i] = l.reshape(y, l.dims(x, 0, 2), l.dims(y, 1, l.rank(y)))
		}
	}
	return apart
}

// maxPooled is asBatch for a pool that also says where: its indices count through
// the whole batch, and each point's from 0.
func maxPooled(l *lifter, n *ir.Node) []*ir.Value {
	outs := asBatch(l, n)
	if len(outs) > 1 && outs[1] != nil {
		x := l.in(n, 0)
		begins := l.Mul(l.numbers(x), l.sizeOfPoint(x))
		outs[1] = l.Sub(outs[1], l.ones(begins, l.rank(n.In[0])))
	}
	return outs
}

// product aligns leading axes. A matrix on the right that has no points stays one,
// so that the rows of all points make one product with it.
func product(l *lifter, n *ir.Node) []*ir.Value {
	x, y := l.in(n, 0), l.in(n, 1)
	rx, ry := l.rank(n.In[0]), l.rank(n.In[1])
	var ones []int64 // axes that stand for the missing one of a vector
	if l.has(n.In[1]) && ry == 1 {
		y, ry = l.Op("Unsqueeze", y, l.Ints(-1)), 2
		ones = append(ones, -1)
	}
	if l.has(n.In[0]) && rx == 1 && (ry > 2 || l.has(n.In[1])) {
		x, rx = l.Op("Unsqueeze", x, l.Ints(1)), 2
		ones = append(ones, -2)
	}
	rank := max(rx, ry)
	if l.has(n.In[0]) && rx > 1 {
		x = l.ones(x, rank-rx)
	}
	if l.has(n.In[1]) {
		y = l.ones(y, rank-ry)
	}
	z := l.MatMul(x, y)
	if len(ones) > 0 {
		z = l.Op("Squeeze", z, l.Ints(ones...))
	}
	return []*ir.Value{z}
}

// linear is a product with what is added to it.
func linear(l *lifter, n *ir.Node) []*ir.Value {
	if l.rank(n.In[1]) == 2 {
		return unchanged(l, n)
	}
	z, b := product(l, n), n.Input(2)
	if b != nil {
		z[0] = l.Add(l.ones(z[0], l.rank(b)-l.rank(n.Out[0])), b)
	}
	return z
}

// einsum gives the axis a letter of its own.
func einsum(l *lifter, n *ir.Node) []*ir.Value {
	equation := strings.ReplaceAll(n.Attrs.String("equation", ""), " ", "")
	terms, out, given := strings.Cut(equation, "->")
	if !given {
		out = implied(terms)
	}
	letter := strings.IndexFunc(letters, func(r rune) bool { return !strings.ContainsRune(equation, r) })
	if letter < 0 {
		l.Fail("there is no letter left for the axis")
		return nil
	}
	p := letters[letter : letter+1]
	lifted := strings.Split(terms, ",")
	for i, v := range n.In {
		if l.has(v) && i < len(lifted) {
			lifted[i] = p + lifted[i]
		}
	}
	return l.again(n, n.Attrs.With("equation", strings.Join(lifted, ",")+"->"+p+out), l.ins(n)...)
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// implied is what an equation without an arrow yields: the axes under the dots,
// and the letters that are there once, in the order of their bytes.
func implied(terms string) string {
	var once []string
	for r := range strings.SplitSeq(strings.NewReplacer(".", "", ",", "").Replace(terms), "") {
		if strings.Count(terms, r) == 1 {
			once = append(once, r)
		}
	}
	slices.Sort(once)
	out := strings.Join(once, "")
	if strings.Contains(terms, "...") {
		out = "..." + out
	}
	return out
}
