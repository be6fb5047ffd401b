package ops

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// A Resample is how Resize computes one axis of Out elements from one of In:
// element o is the sum of Weights[o][k] times element Index[o][k]. Where Outside
// is set it is the attribute extrapolation_value instead.
type Resample struct {
	In, Out int
	Index   [][]int
	Weights [][]float64
	Outside []bool
}

// Resamples returns how a Resize node computes the axes of an input of the
// given shape; nil for an axis that it leaves alone. Roi, scales and sizes are
// the node's inputs, nil for those that are omitted or empty.
//
// Formulas are those of the ONNX operator's description. Positions are float64,
// but float32 as in ONNX Runtime where a rounding error picks another element:
// in mode nearest and at the edge of a cropped region.
func Resamples(n *ir.Node, shape []int, roi, scales []float64, sizes []int64) ([]*Resample, error) {
	plan, err := resizePlan(n, shape, scales, sizes)
	if err != nil {
		return nil, err
	}
	if plan.mode("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize" && len(roi) != 2*len(plan.axes) {
		return nil, fmt.Errorf("roi of %d numbers for %d axes", len(roi), len(plan.axes))
	}
	out := make([]*Resample, len(shape))
	if slices.Equal(plan.shape, shape) { // whatever the scales: ONNX Runtime copies
		return out, nil
	}
	for j, k := range plan.axes {
		a := resizeAxis{plan: plan, in: shape[k], out: plan.shape[k], scale: plan.scales[j], end: 1}
		if len(roi) == 2*len(plan.axes) {
			a.start, a.end = roi[j], roi[len(plan.axes)+j]
		}
		if a.scale == 1 && a.in == a.out { // not cropped either, as in ONNX Runtime
			continue
		}
		if out[k], err = a.resample(); err != nil {
			return nil, fmt.Errorf("axis %d: %w", k, err)
		}
	}
	return out, nil
}

// plan is what a Resize node asks for.
type plan struct {
	n      *ir.Node
	axes   []int
	scales []float64 // by position in axes
	shape  []int     // of the output
}

func (p *plan) mode(name, def string) string { return p.n.Attrs.String(name, def) }

func resizePlan(n *ir.Node, shape []int, scales []float64, sizes []int64) (*plan, error) {
	axes, err := resizeAxes(n, len(shape))
	if err != nil {
		return nil, err
	}
	p := &plan{n: n, axes: axes, scales: make([]float64, len(axes)), shape: slices.Clone(shape)}
	switch {
	case len(sizes) > 0 && len(scales) > 0, len(sizes) == 0 && len(scales) == 0:
		return nil, fmt.Errorf("want either scales or sizes")
	case len(sizes)+len(scales) != len(axes):
		return nil, fmt.Errorf("%d scales or sizes for %d axes", len(sizes)+len(scales), len(axes))
	case len(scales) > 0:
		for j, k := range axes {
			p.scales[j] = scales[j]
			if p.shape[k], err = scaledSize(shape[k], scales[j]); err != nil {
				return nil, err
			}
		}
		return p, nil
	}
	for j, k := range axes {
		if sizes[j] < 0 || sizes[j] > maxExtent || shape[k] == 0 {
			return nil, fmt.Errorf("axis %d of %d elements cannot have %d", k, shape[k], sizes[j])
		}
		p.shape[k] = int(sizes[j])
		p.scales[j] = float64(sizes[j]) / float64(shape[k])
	}
	common := slices.Min(p.scales)
	switch policy := p.mode("keep_aspect_ratio_policy", "stretch"); policy {
	case "stretch":
		return p, nil
	case "not_larger":
	case "not_smaller":
		common = slices.Max(p.scales)
	default:
		return nil, fmt.Errorf("unknown keep_aspect_ratio_policy %q", policy)
	}
	for j, k := range axes {
		p.scales[j] = common
		p.shape[k] = int(math.Floor(common*float64(shape[k]) + 0.5))
	}
	return p, nil
}

// scaledSize is the size of an axis of d elements after scaling, in float32 as
// in ONNX Runtime.
func scaledSize(d int, scale float64) (int, error) {
	size := math.Floor(float64(float32(d) * float32(scale)))
	if !(scale > 0 && size <= maxExtent) {
		return 0, fmt.Errorf("a scale of %g for %d elements", scale, d)
	}
	return int(size), nil
}

// resizeAxes returns the axes that scales and sizes speak of, in their order.
func resizeAxes(n *ir.Node, rank int) ([]int, error) {
	given := n.Attrs.Ints("axes")
	if !n.Attrs.Has("axes") {
		for k := range rank {
			given = append(given, int64(k))
		}
	}
	return axesInOrder(given, rank)
}

type resizeAxis struct {
	*plan
	in, out    int
	scale      float64
	start, end float64 // region of interest
}

func (a resizeAxis) resample() (*Resample, error) {
	r := &Resample{In: a.in, Out: a.out}
	if a.in == 0 || a.out > maxConst {
		return nil, fmt.Errorf("%d elements cannot be resized to %d", a.in, a.out)
	}
	crop := a.mode("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
	at, err := coordinate[float64](a)
	if crop || a.mode("mode", "nearest") == "nearest" {
		at, err = coordinate[float32](a)
	}
	if err != nil {
		return nil, err
	}
	filter, err := a.filter()
	if err != nil {
		return nil, err
	}
	exclude := a.n.Attrs.Int("exclude_outside", 0) != 0
	for o := range a.out {
		x := at(float64(o))
		index, weights := filter(x)
		r.Outside = append(r.Outside, crop && (x < 0 || x > float64(a.in-1)))
		sum := 0.0
		for k, i := range index {
			if (i < 0 || i >= a.in) && exclude {
				weights[k] = 0
			}
			index[k] = min(max(i, 0), a.in-1)
			sum += weights[k]
		}
		if exclude {
			for k := range weights {
				weights[k] /= sum
			}
		}
		r.Index, r.Weights = append(r.Index, index), append(r.Weights, weights)
	}
	return r, nil
}

// coordinate returns the function from an output position to one in the input,
// in the precision of F.
func coordinate[F float32 | float64](a resizeAxis) (func(x float64) float64, error) {
	in, out, scale, start, end := F(a.in), F(a.out), F(a.scale), F(a.start), F(a.end)
	var f func(x F) F
	switch mode := a.mode("coordinate_transformation_mode", "half_pixel"); mode {
	case "half_pixel":
		f = func(x F) F { return (x+0.5)/scale - 0.5 }
	case "half_pixel_symmetric":
		offset := float64(in / 2 * (1 - out/(scale*in)))
		f = func(x F) F { return F(offset + (float64(x)+0.5)/float64(scale) - 0.5) }
	case "pytorch_half_pixel":
		f = func(x F) F {
			if out > 1 {
				return (x+0.5)/scale - 0.5
			}
			return 0
		}
	case "align_corners":
		f = func(x F) F {
			if out == 1 {
				return 0
			}
			return x * (in - 1) / (out - 1)
		}
	case "asymmetric":
		f = func(x F) F { return F(float64(x) / a.scale) }
	case "tf_crop_and_resize":
		f = func(x F) F {
			if out > 1 {
				return start*(in-1) + x*(end-start)*(in-1)/(out-1)
			}
			return 0.5 * (start + end) * (in - 1)
		}
	default:
		return nil, fmt.Errorf("unknown coordinate_transformation_mode %q", mode)
	}
	return func(x float64) float64 { return float64(f(F(x))) }, nil
}

// filter returns the function from a position in the input to the elements
// around it and their weights. Elements may lie outside.
func (a resizeAxis) filter() (func(x float64) ([]int, []float64), error) {
	shrink := 1.0 // of the filter, which widens as the image shrinks
	if a.n.Attrs.Int("antialias", 0) != 0 {
		shrink = min(a.scale, 1)
	}
	switch mode := a.mode("mode", "nearest"); mode {
	case "nearest":
		round, err := rounding(a.mode("nearest_mode", "round_prefer_floor"))
		return func(x float64) ([]int, []float64) { return []int{int(round(x))}, []float64{1} }, err
	case "linear":
		return kernelFilter(1, shrink, func(x float64) float64 { return max(1-x, 0) }), nil
	case "cubic":
		c := float64(a.n.Attrs.Float("cubic_coeff_a", -0.75))
		return kernelFilter(2, shrink, func(x float64) float64 {
			switch {
			case x <= 1:
				return ((c+2)*x-(c+3))*x*x + 1
			case x < 2:
				return ((c*x-5*c)*x+8*c)*x - 4*c
			}
			return 0
		}), nil
	default:
		return nil, fmt.Errorf("unknown mode %q", mode)
	}
}

// kernelFilter weighs the elements whose distance is within reach by a kernel,
// a function of the distance, and makes the weights add up to 1.
func kernelFilter(reach, shrink float64, kernel func(x float64) float64) func(x float64) ([]int, []float64) {
	before := int(math.Ceil(reach/shrink)) - 1
	return func(x float64) (index []int, weights []float64) {
		base, sum := int(math.Floor(x)), 0.0
		for i := base - before; i <= base+before+1; i++ {
			w := kernel(math.Abs(float64(i)-x) * shrink)
			index, weights = append(index, i), append(weights, w)
			sum += w
		}
		if shrink != 1 {
			for k := range weights {
				weights[k] /= sum
			}
		}
		return index, weights
	}
}

func rounding(mode string) (func(x float64) float64, error) {
	switch mode {
	case "round_prefer_floor":
		return func(x float64) float64 { return math.Ceil(x - 0.5) }, nil
	case "round_prefer_ceil":
		return func(x float64) float64 { return math.Floor(x + 0.5) }, nil
	case "floor":
		return math.Floor, nil
	case "ceil":
		return math.Ceil, nil
	}
	return nil, fmt.Errorf("unknown nearest_mode %q", mode)
}
