package passes

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// nonNegative reports whether v is known to hold nothing below zero, so that a
// rule that looks at signs needs half of its products: behind a Relu, say.
func (w *walk) nonNegative(v *ir.Value) bool {
	known, ok := w.signs[v]
	if !ok {
		known = w.neverBelowZero(v)
		w.signs[v] = known
	}
	return known
}

func (w *walk) neverBelowZero(v *ir.Value) bool {
	if v == nil {
		return false
	}
	if t := rewrite.Constant(v); t != nil {
		return holdsNoneBelowZero(t)
	}
	n := v.Def
	if n == nil || v != n.Out[0] {
		return false
	}
	switch name := n.Op.String(); {
	case slices.Contains(neverBelow, name):
		return true
	case name == "Clip": // which has its bounds as inputs
		return w.nonNegative(n.Input(1))
	case slices.Contains(keepSign, name):
		return w.nonNegative(n.In[0])
	case slices.Contains(combine, name):
		return !slices.ContainsFunc(n.In, func(x *ir.Value) bool { return !w.nonNegative(x) })
	}
	return false
}

// neverBelow give nothing below zero whatever they are given, keepSign nothing
// below zero if their first input holds nothing, and combine if all inputs do.
var (
	neverBelow = []string{"Relu", "Sigmoid", "HardSigmoid", "Softplus", "Softmax", "Exp", "Abs", "Sqrt", "ReduceL1", "ReduceL2", "ReduceSumSquare"}
	keepSign   = []string{
		"MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceSum",
		"Identity", "Dropout", "Cast", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Tile", "Slice", "Gather", "DepthToSpace", "SpaceToDepth",
	}
	combine = []string{"Add", "Sum", "Mul", "Max", "Min", "Mean", "Concat"}
)

// maxLooked is how many elements of a constant are looked at.
const maxLooked = 1 << 16

func holdsNoneBelowZero(t *ir.Tensor) bool {
	if t.Len() > maxLooked || !t.Elem.IsFloat() {
		return false
	}
	xs, err := t.Float64s()
	return err == nil && !slices.ContainsFunc(xs, func(x float64) bool { return !(x >= 0) })
}
