package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var quantKernels = map[string]kernel{
	"QuantizeLinear":        quantizeLinear,
	"DequantizeLinear":      dequantizeLinear,
	"DynamicQuantizeLinear": dynamicQuantizeLinear,
	"MatMulInteger":         matMulInteger,
}

// integerRange returns the least and the largest value of an integer type.
func integerRange(elem ir.DType) (lo, hi float64, err error) {
	bits := elem.Bits()
	switch elem {
	case ir.Int8, ir.Int16, ir.Int32, ir.Int4, ir.Int2:
		return -math.Exp2(float64(bits - 1)), math.Exp2(float64(bits-1)) - 1, nil
	case ir.Uint8, ir.Uint16, ir.Uint4, ir.Uint2:
		return 0, math.Exp2(float64(bits)) - 1, nil
	}
	return 0, 0, fmt.Errorf("quantisation to type %s is not supported", elem)
}

// scaleOf returns the function from an index into x to the element of scale,
// and of zero, that belongs to it.
func scaleOf(n *ir.Node, x, scale *Array) (func(at []int) int, error) {
	if scale.Len() == 1 {
		return func([]int) int { return 0 }, nil
	}
	axis, err := axisOf(n.Attrs.Int("axis", 1), len(x.Shape))
	if err != nil {
		return nil, err
	}
	block := int(n.Attrs.Int("block_size", 0))
	if len(scale.Shape) == 1 && block < 1 {
		if scale.Shape[0] != x.Shape[axis] {
			return nil, fmt.Errorf("%d scales for axis %d of shape %v", scale.Shape[0], axis, x.Shape)
		}
		return func(at []int) int { return at[axis] }, nil
	}
	want := slices.Clone(x.Shape)
	if block > 0 {
		want[axis] = (want[axis] + block - 1) / block
	}
	if block < 1 || !slices.Equal(scale.Shape, want) {
		return nil, fmt.Errorf("scales of shape %v for blocks of %d of shape %v", scale.Shape, block, x.Shape)
	}
	step := steps(scale.Shape)
	return func(at []int) int { return dot(at, step) + (at[axis]/block-at[axis])*step[axis] }, nil
}

// zeroPoint returns the elements of a zero point of which there must be as many
// as scales; nil if it is omitted.
func zeroPoint(zero, scale *Array) ([]int64, error) {
	if zero == nil {
		return nil, nil
	}
	if zero.I == nil || zero.Len() != scale.Len() {
		return nil, fmt.Errorf("a zero point of type %s and shape %v for scales of shape %v", zero.Elem, zero.Shape, scale.Shape)
	}
	return zero.I, nil
}

func quantizeLinear(n *ir.Node, in []*Array) ([]*Array, error) {
	x, scale := in[0], in[1]
	elem := ir.DType(n.Attrs.Int("output_dtype", 0))
	if z := arg(in, 2); z != nil {
		elem = z.Elem
	} else if elem == ir.Undefined {
		elem = ir.Uint8
	}
	if elem.IsSmallFloat() {
		return quantizeToFloat(n, x, scale, elem)
	}
	lo, hi, err := integerRange(elem)
	if err != nil {
		return nil, err
	}
	zero, err := zeroPoint(arg(in, 2), scale)
	if err != nil {
		return nil, err
	}
	of, err := scaleOf(n, x, scale)
	if err != nil {
		return nil, err
	}
	out := NewArray(elem, x.Shape...)
	for i, at := range each(x.Shape) {
		k := of(at)
		var v float64
		if x.F == nil {
			v = float64(x.I[i])
		} else {
			v = x.F[i]
		}
		// In float32, where the quotient decides between two integers.
		v = math.RoundToEven(float64(float32(v) / float32(scale.F[k])))
		if zero != nil {
			v += float64(zero[k])
		}
		out.I[i] = int64(min(max(v, lo), hi))
	}
	return []*Array{out}, nil
}

// quantizeToFloat is quantizeLinear to a floating point type, of which the zero
// point is 0.
func quantizeToFloat(n *ir.Node, x, scale *Array, elem ir.DType) ([]*Array, error) {
	of, err := scaleOf(n, x, scale)
	if err != nil {
		return nil, err
	}
	out := NewArray(elem, x.Shape...)
	for i, at := range each(x.Shape) {
		out.F[i] = float64(float32(x.F[i]) / float32(scale.F[of(at)]))
	}
	round(out, ir.Rounding{Saturate: n.Attrs.Int("saturate", 1) != 0})
	return []*Array{out}, nil
}

func dequantizeLinear(n *ir.Node, in []*Array) ([]*Array, error) {
	x, scale := in[0], in[1]
	zero, err := []int64(nil), error(nil)
	if x.F == nil { // the zero point of a floating point type is 0
		zero, err = zeroPoint(arg(in, 2), scale)
	}
	if err != nil {
		return nil, err
	}
	of, err := scaleOf(n, x, scale)
	if err != nil {
		return nil, err
	}
	elem := scale.Elem
	if d := ir.DType(n.Attrs.Int("output_dtype", 0)); d != ir.Undefined {
		elem = d
	}
	if !elem.IsFloat() {
		return nil, fmt.Errorf("dequantisation to type %s is not supported", elem)
	}
	out := NewArray(elem, x.Shape...)
	for i, at := range each(x.Shape) {
		k := of(at)
		switch {
		case x.F != nil:
			out.F[i] = x.F[i] * scale.F[k]
		case zero != nil:
			out.F[i] = float64(x.I[i]-zero[k]) * scale.F[k]
		default:
			out.F[i] = float64(x.I[i]) * scale.F[k]
		}
	}
	return []*Array{out}, nil
}

// dynamicQuantizeLinear computes in float32, as its rounding does.
func dynamicQuantizeLinear(n *ir.Node, in []*Array) ([]*Array, error) {
	var lo, hi float32
	for _, x := range in[0].F {
		lo, hi = min(lo, float32(x)), max(hi, float32(x))
	}
	scale := (hi - lo) / 255
	if scale == 0 {
		scale = 1
	}
	round := func(v float32) int64 { return int64(min(max(math.RoundToEven(float64(v)), 0), 255)) }
	zero := round(-lo / scale)
	y, s, z := NewArray(ir.Uint8, in[0].Shape...), NewArray(ir.Float), NewArray(ir.Uint8)
	s.F[0], z.I[0] = float64(scale), zero
	for i, x := range in[0].F {
		v := math.RoundToEven(float64(float32(x)/scale)) + float64(zero)
		y.I[i] = int64(min(max(v, 0), 255))
	}
	return []*Array{y, s, z}, nil
}

// matMulInteger subtracts the zero points, one for all elements or one for each
// row of A and column of B, and multiplies.
func matMulInteger(n *ir.Node, in []*Array) ([]*Array, error) {
	a, err := lessZero(in[0], arg(in, 2), -2)
	if err != nil {
		return nil, err
	}
	b, err := lessZero(in[1], arg(in, 3), -1)
	if err != nil {
		return nil, err
	}
	return one(product(a, b))
}

// lessZero returns x less its zero point, in int32. A zero point of more than
// one element has one for each index of an axis.
func lessZero(x, zero *Array, axis int64) (*Array, error) {
	out := NewArray(ir.Int32, x.Shape...)
	k := 0
	if zero != nil && zero.Len() > 1 {
		var err error
		if k, err = axisOf(axis, len(x.Shape)); err != nil {
			return nil, err
		}
	}
	for i, at := range each(x.Shape) {
		v := x.I[i]
		switch {
		case zero == nil:
		case zero.Len() == 1:
			v -= zero.I[0]
		case len(zero.Shape) == 1:
			v -= zero.I[at[k]]
		default: // of the shape of x, but 1 along the other axis of the matrices
			v -= zero.I[dot(at, stretched(zero, x.Shape))]
		}
		out.I[i] = v
	}
	return out, nil
}
