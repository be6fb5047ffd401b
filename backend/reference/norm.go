package reference

import (
	"errors"
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

var normKernels = map[string]kernel{
	"Softmax":                   softmax,
	"LogSoftmax":                logSoftmax,
	"Hardmax":                   hardmax,
	"LpNormalization":           lpNormalization,
	"LayerNormalization":        layerNormalization,
	"RMSNormalization":          rmsNormalization,
	"InstanceNormalization":     instanceNormalization,
	"GroupNormalization":        groupNormalization,
	"BatchNormalization":        batchNormalization,
	"LRN":                       lrn,
	"MeanVarianceNormalization": meanVarianceNormalization,
}

// softmax takes the greatest away first and apart from the sum: where all are
// -3.4e38, as in a row that is masked whole, the sum's logarithm would be lost.
func softmax(n *ir.Node, in []*Array) ([]*Array, error) {
	return alongAxis(in[0], n.Attrs.Int("axis", -1), func(line []float64) []float64 {
		top := greatest(line)
		e := mapped(line, func(x float64) float64 { return math.Exp(x - top) })
		sum := sumOf(e)
		return mapped(e, func(x float64) float64 { return x / sum })
	})
}

func logSoftmax(n *ir.Node, in []*Array) ([]*Array, error) {
	return alongAxis(in[0], n.Attrs.Int("axis", -1), func(line []float64) []float64 {
		top := greatest(line)
		rest := math.Log(sumOf(mapped(line, func(x float64) float64 { return math.Exp(x - top) })))
		return mapped(line, func(x float64) float64 { return x - top - rest })
	})
}

func hardmax(n *ir.Node, in []*Array) ([]*Array, error) {
	return alongAxis(in[0], n.Attrs.Int("axis", -1), func(line []float64) []float64 {
		out := make([]float64, len(line))
		best := 0
		for i, x := range line {
			if x > line[best] {
				best = i
			}
		}
		if len(out) > 0 {
			out[best] = 1
		}
		return out
	})
}

func lpNormalization(n *ir.Node, in []*Array) ([]*Array, error) {
	return alongAxis(in[0], n.Attrs.Int("axis", -1), func(line []float64) []float64 {
		norm := math.Sqrt(squareSum(line))
		if n.Attrs.Int("p", 2) == 1 {
			norm = absSum(line)
		}
		if norm == 0 {
			norm = 1
		}
		return mapped(line, func(x float64) float64 { return x / norm })
	})
}

func mapped(xs []float64, f func(x float64) float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = f(x)
	}
	return out
}

// standardized returns (x - mean) · inv over the given axes, with the mean and
// inv = inverse(variance), the axes kept as ones. Not centred, the mean is
// taken to be 0.
func standardized(x *Array, axes []int, centred bool, inverse func(variance float64) float64) (xhat, mean, inv *Array) {
	groups, keep := grouped(x.F, x.Shape, axes)
	mean, inv = NewArray(x.Elem, keep...), NewArray(x.Elem, keep...)
	for i, g := range groups {
		size := float64(len(g))
		if centred {
			mean.F[i] = sumOf(g) / size
		}
		variance := squareSum(mapped(g, func(v float64) float64 { return v - mean.F[i] })) / size
		inv.F[i] = inverse(variance)
	}
	xhat = NewArray(x.Elem, x.Shape...)
	step := stretched(mean, x.Shape)
	for i, at := range each(x.Shape) {
		k := dot(at, step)
		xhat.F[i] = (x.F[i] - mean.F[k]) * inv.F[k]
	}
	return xhat, mean, inv
}

// inverseRoot is 1/√(variance + epsilon).
func inverseRoot(n *ir.Node) func(variance float64) float64 {
	epsilon := attribute(n, "epsilon")
	return func(variance float64) float64 { return 1 / math.Sqrt(variance+epsilon) }
}

// affine returns x · scale + bias; bias may be nil.
func affine(x, scale, bias *Array) ([]*Array, error) {
	y, err := elementwiseKernels["Mul"](nil, []*Array{x, scale})
	if err != nil || bias == nil {
		return y, err
	}
	return elementwiseKernels["Add"](nil, []*Array{y[0], bias})
}

// trailingAxes returns the axes from attribute axis to the last.
func trailingAxes(n *ir.Node, x *Array) ([]int, error) {
	axis, err := axisOf(n.Attrs.Int("axis", -1), len(x.Shape))
	if err != nil {
		return nil, err
	}
	var axes []int
	for k := axis; k < len(x.Shape); k++ {
		axes = append(axes, k)
	}
	return axes, nil
}

func layerNormalization(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	axes, err := trailingAxes(n, x)
	if err != nil {
		return nil, err
	}
	xhat, mean, inv := standardized(x, axes, true, inverseRoot(n))
	stash := ir.DType(n.Attrs.Int("stash_type", 1))
	mean.Elem, inv.Elem = stash, stash
	y, err := affine(xhat, in[1], arg(in, 2))
	if err != nil {
		return nil, err
	}
	return []*Array{y[0], mean, inv}, nil
}

func rmsNormalization(n *ir.Node, in []*Array) ([]*Array, error) {
	axes, err := trailingAxes(n, in[0])
	if err != nil {
		return nil, err
	}
	xhat, _, _ := standardized(in[0], axes, false, inverseRoot(n))
	return affine(xhat, in[1], nil)
}

func instanceNormalization(n *ir.Node, in []*Array) ([]*Array, error) {
	return channelNormalization(n, in, in[1].Len())
}

func groupNormalization(n *ir.Node, in []*Array) ([]*Array, error) {
	return channelNormalization(n, in, int(n.Attrs.Int("num_groups", 0)))
}

// channelNormalization standardises groups of channels, axis 1.
func channelNormalization(n *ir.Node, in []*Array, groups int) ([]*Array, error) {
	x := in[0]
	if len(x.Shape) < 2 || groups <= 0 || x.Shape[1]%groups != 0 {
		return nil, fmt.Errorf("shape %v does not have channels for %d groups", x.Shape, groups)
	}
	grouped, err := view(x, x.Shape[0], groups, x.Len()/max(1, x.Shape[0]*groups))
	if err != nil {
		return nil, err
	}
	xhat, _, _ := standardized(grouped, []int{2}, true, inverseRoot(n))
	xhat.Shape = x.Shape
	return affine(xhat, perChannel(in[1], x), perChannel(in[2], x))
}

// perChannel reshapes a vector so that it broadcasts along axis 1 of x.
func perChannel(v, x *Array) *Array {
	shape := make([]int, len(x.Shape)-1)
	for i := range shape {
		shape[i] = 1
	}
	shape[0] = v.Len()
	return &Array{Elem: x.Elem, Shape: shape, F: v.F}
}

func batchNormalization(n *ir.Node, in []*Array) ([]*Array, error) {
	x, mean, variance := in[0], in[3], in[4]
	if n.Attrs.Int("training_mode", 0) != 0 {
		return nil, errors.New("it is in training mode: export the model for inference")
	}
	if len(x.Shape) < 2 {
		return nil, fmt.Errorf("input has shape %v, want rank 2 or more", x.Shape)
	}
	centred, err := elementwiseKernels["Sub"](n, []*Array{x, perChannel(mean, x)})
	if err != nil {
		return nil, err
	}
	inv := &Array{Elem: x.Elem, Shape: variance.Shape, F: mapped(variance.F, inverseRoot(n))}
	xhat, err := elementwiseKernels["Mul"](n, []*Array{centred[0], perChannel(inv, x)})
	if err != nil {
		return nil, err
	}
	y, err := affine(xhat[0], perChannel(in[1], x), perChannel(in[2], x))
	if err != nil {
		return nil, err
	}
	return []*Array{y[0], mean, variance}, nil
}

func lrn(n *ir.Node, in []*Array) ([]*Array, error) {
	x, size := in[0], int(n.Attrs.Int("size", 0))
	if len(x.Shape) < 2 || size < 1 {
		return nil, fmt.Errorf("input has shape %v and size is %d, want rank 2 and size 1 or more", x.Shape, size)
	}
	alpha, beta, bias := attribute(n, "alpha"), attribute(n, "beta"), attribute(n, "bias")
	return alongAxis(x, 1, func(line []float64) []float64 {
		out := make([]float64, len(line))
		for c, v := range line {
			first, last := max(0, c-(size-1)/2), min(len(line)-1, c+size/2)
			out[c] = v / math.Pow(bias+alpha/float64(size)*squareSum(line[first:last+1]), beta)
		}
		return out
	})
}

func meanVarianceNormalization(n *ir.Node, in []*Array) ([]*Array, error) {
	axes := n.Attrs.Ints("axes")
	if axes == nil {
		axes = []int64{0, 2, 3}
	}
	k, err := axesOf(axes, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	xhat, _, _ := standardized(in[0], k, true, func(variance float64) float64 { return 1 / (math.Sqrt(variance) + 1e-9) })
	return []*Array{xhat}, nil
}
