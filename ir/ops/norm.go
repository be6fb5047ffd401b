package ops

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// normOps bring activations to zero mean, unit variance or unit size.
func normOps() []*ir.Op {
	return []*ir.Op{
		layerNormalization, rmsNormalization, instanceNormalization, groupNormalization,
		batchNormalization, lrn, meanVarianceNormalization,
	}
}

// standardized holds x̂ = (x - mean) · inv over some axes, inv being
// 1/√(variance + ε). Not centred, the mean is taken to be 0 and the variance
// the mean square.
type standardized struct {
	b             *ir.Builder
	axes          []int64
	centred       bool
	mean, xhat    *ir.Value
	variance, inv *ir.Value
}

func standardize(b *ir.Builder, x *ir.Value, axes []int64, eps float64, centred bool) *standardized {
	s := &standardized{b: b, axes: axes, centred: centred}
	if centred {
		s.mean = b.Mean(x, axes...)
		x = b.Sub(x, s.mean)
	}
	s.variance = b.Mean(b.Mul(x, x), axes...)
	s.inv = b.Op("Reciprocal", b.Op("Sqrt", b.Add(s.variance, b.Scalar(eps, x))))
	s.xhat = b.Mul(x, s.inv)
	return s
}

// back is the derivative of <g, x̂> with respect to x:
// inv · (g - mean(g) - x̂ · mean(g · x̂)), without mean(g) if not centred.
func (s *standardized) back(g *ir.Value) *ir.Value {
	b := s.b
	rest := b.Mul(s.xhat, b.Mean(b.Mul(g, s.xhat), s.axes...))
	if s.centred {
		rest = b.Add(b.Mean(g, s.axes...), rest)
	}
	return b.Mul(s.inv, b.Sub(g, rest))
}

// stashed casts half precision values to float32, in which statistics are
// taken if stash_type is 1, its default.
func stashed(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value {
	half := v.Type.Elem == ir.Float16 || v.Type.Elem == ir.BFloat16
	if !half || n.Attrs.Int("stash_type", 1) != int64(ir.Float) {
		return v
	}
	return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Float)}}, v)
}

// trailingAxes returns the axes from attribute axis to the last.
func trailingAxes(b *ir.Builder, n *ir.Node) []int64 {
	axis, rank := n.Attrs.Int("axis", -1), int64(n.In[0].Type.Rank())
	if axis >= 0 {
		if rank < 0 {
			b.Fail("%v: axis %d of an input of unknown rank", n, axis)
			return []int64{-1}
		}
		axis -= rank
	}
	var axes []int64
	for ; axis < 0; axis++ {
		axes = append(axes, axis)
	}
	return axes
}

// inferTrailing is Infer of normalisations over the axes from axis to the last.
func inferTrailing(n *ir.Node) ([]ir.Type, error) {
	t := n.In[0].Type
	stats := ir.Type{Elem: ir.DType(n.Attrs.Int("stash_type", 1))}
	if t.Elem == ir.Double {
		stats.Elem = ir.Double
	}
	if t.Shape != nil {
		axis, err := normAxis(n.Attrs.Int("axis", -1), t.Rank())
		if err != nil {
			return nil, err
		}
		for _, p := range n.In[1:] {
			if p == nil {
				continue
			}
			if _, err := broadcast(t.Shape, p.Type.Shape); err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
		}
		stats.Shape = slices.Clone(t.Shape)
		for i := axis; i < len(stats.Shape); i++ {
			stats.Shape[i] = ir.N(1)
		}
	}
	return []ir.Type{t, stats, stats}, nil
}

var layerNormalization = &ir.Op{
	Name: ir.OpName{Name: "LayerNormalization"}, Since: 17, Freeze: freezeTrailing(true),
	Doc: "(x - mean) / √(variance + epsilon) · Scale + B over the axes from axis to the last",
	In:  ir.P("X", "Scale", "B?"), Out: ir.P("Y", "Mean?", "InvStdDev?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		types, err := inferTrailing(n)
		if err != nil {
			return nil, err
		}
		return optionalOutputs(n, types...)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), attr(n, "epsilon", 1e-5), true)
		return lazily(want,
			func() *ir.Value { return castTo(b, layerNormInput(b, n, s, dy), n.In[0]) },
			func() *ir.Value { return scaleVJP(b, n, s, dy[0]) },
			func() *ir.Value {
				if dy[0] == nil {
					return nil
				}
				return b.SumTo(dy[0], n.In[2])
			})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), attr(n, "epsilon", 1e-5), true)
		y := b.Mul(castTo(b, s.xhat, n.In[0]), n.In[1])
		if bias := n.Input(2); bias != nil {
			y = b.Add(y, bias)
		}
		return []*ir.Value{y, s.mean, s.inv}[:max(1, len(n.Out))]
	},
}

// layerNormInput adds up what arrives at the input from the three outputs.
func layerNormInput(b *ir.Builder, n *ir.Node, s *standardized, dy []*ir.Value) *ir.Value {
	var parts []*ir.Value
	if dy[0] != nil {
		parts = append(parts, s.back(b.Mul(stashed(b, n, dy[0]), stashed(b, n, n.In[1]))))
	}
	each := func(v *ir.Value) *ir.Value { // one element's share of a statistic
		size := b.Div(b.Op("Size", s.xhat), b.Op("Size", s.inv))
		return b.Op("Expand", b.Div(v, castTo(b, size, v)), like(b, s.xhat))
	}
	if len(dy) > 1 && dy[1] != nil {
		parts = append(parts, each(dy[1]))
	}
	if len(dy) > 2 && dy[2] != nil { // d inv / dx = - inv² · x̂ / size
		slope := b.Neg(b.Mul(b.Mul(s.inv, s.inv), dy[2]))
		parts = append(parts, b.Mul(each(slope), s.xhat))
	}
	if len(parts) == 0 {
		return b.Fail("%v: no derivative arrives", n)
	}
	return addAllNoCopy(b, parts)
}

// addAllNoCopy is the sum of one or more values.
func addAllNoCopy(b *ir.Builder, vs []*ir.Value) *ir.Value {
	if len(vs) == 1 {
		return vs[0]
	}
	return addAll(b, vs)
}

// scaleVJP is the derivative of a factor, input 1, that is multiplied to x̂.
func scaleVJP(b *ir.Builder, n *ir.Node, s *standardized, dy *ir.Value) *ir.Value {
	if dy == nil {
		return nil
	}
	return castTo(b, b.SumTo(b.Mul(stashed(b, n, dy), s.xhat), n.In[1]), n.In[1])
}

var rmsNormalization = &ir.Op{
	Name: ir.OpName{Name: "RMSNormalization"}, Since: 23, Freeze: freezeTrailing(false),
	Doc: "x / √(mean(x²) + epsilon) · scale over the axes from axis to the last",
	In:  ir.P("X", "scale"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		types, err := inferTrailing(n)
		if err != nil {
			return nil, err
		}
		return types[:1], nil
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), attr(n, "epsilon", 1e-5), false)
		return lazily(want,
			func() *ir.Value {
				g := b.Mul(stashed(b, n, dy[0]), stashed(b, n, n.In[1]))
				return castTo(b, s.back(g), n.In[0])
			},
			func() *ir.Value { return scaleVJP(b, n, s, dy[0]) })
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), attr(n, "epsilon", 1e-5), false)
		return []*ir.Value{b.Mul(castTo(b, s.xhat, n.In[0]), n.In[1])}
	},
}

// A channels normalisation has one scale and bias for each channel, axis 1.
// It standardises over the other axes of view(x), and unview undoes view.
type channels struct {
	axes   func(b *ir.Builder, n *ir.Node) []int64
	view   func(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value
	unview func(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value
}

func (c channels) vjp(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
	if n.In[0].Type.Rank() < 2 {
		b.Fail("%v: derivative for an input of type %s, want a known rank of 2 or more", n, n.In[0].Type)
		return make([]*ir.Value, len(want))
	}
	s, g := c.standardize(b, n), stashed(b, n, dy[0])
	return lazily(want,
		func() *ir.Value {
			scaled := b.Mul(g, perChannel(b, stashed(b, n, n.In[1]), n.In[0]))
			return castTo(b, c.unview(b, n, s.back(c.view(b, n, scaled))), n.In[0])
		},
		func() *ir.Value { return castTo(b, channelSum(b, b.Mul(g, c.unview(b, n, s.xhat))), n.In[1]) },
		func() *ir.Value { return castTo(b, channelSum(b, g), n.In[2]) })
}

func (c channels) body(b *ir.Builder, n *ir.Node) []*ir.Value {
	if n.In[0].Type.Rank() < 2 {
		return []*ir.Value{b.Fail("%v: input of type %s, want a known rank of 2 or more", n, n.In[0].Type)}
	}
	x := castTo(b, c.unview(b, n, c.standardize(b, n).xhat), n.In[0])
	return []*ir.Value{b.Add(b.Mul(x, perChannel(b, n.In[1], x)), perChannel(b, n.In[2], x))}
}

func (c channels) standardize(b *ir.Builder, n *ir.Node) *standardized {
	x := c.view(b, n, stashed(b, n, n.In[0]))
	return standardize(b, x, c.axes(b, n), attr(n, "epsilon", 1e-5), true)
}

// perChannel reshapes a vector so that it broadcasts along axis 1 of x.
func perChannel(b *ir.Builder, v, x *ir.Value) *ir.Value {
	r := x.Type.Rank()
	if r <= 2 {
		return v
	}
	shape := slices.Repeat([]int64{1}, r-1)
	shape[0] = -1
	return b.Op("Reshape", v, b.Ints(shape...))
}

// channelSum sums over all axes but axis 1.
func channelSum(b *ir.Builder, v *ir.Value) *ir.Value {
	axes := []int64{0}
	for i := 2; i < v.Type.Rank(); i++ {
		axes = append(axes, int64(i))
	}
	return b.OpA("ReduceSum", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, v, b.Ints(axes...))
}

func noView(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value { return v }

var instanceChannels = channels{
	axes: func(b *ir.Builder, n *ir.Node) []int64 { return spatialAxes(n.In[0]) },
	view: noView, unview: noView,
}

func spatialAxes(x *ir.Value) []int64 {
	var axes []int64
	for i := 2; i < x.Type.Rank(); i++ {
		axes = append(axes, int64(i))
	}
	return axes
}

var instanceNormalization = &ir.Op{
	Name: ir.OpName{Name: "InstanceNormalization"}, Since: 6, Freeze: instanceChannels.freeze,
	Doc: "(x - mean) / √(variance + epsilon) · scale + B over the axes after the channels",
	In:  ir.P("input", "scale", "B"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if r := n.In[0].Type.Rank(); r >= 0 && r < 3 {
			return nil, fmt.Errorf("input is %s, want rank 3 or more", n.In[0].Type)
		}
		return same(n)
	},
	VJP:  instanceChannels.vjp,
	Body: instanceChannels.body,
}

var groupChannels = channels{
	axes: func(b *ir.Builder, n *ir.Node) []int64 { return []int64{2} },
	view: func(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value {
		return b.Op("Reshape", v, b.Ints(0, n.Attrs.Int("num_groups", 1), -1))
	},
	unview: func(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value {
		return b.Op("Reshape", v, like(b, n.In[0]))
	},
}

var groupNormalization = &ir.Op{
	Name: ir.OpName{Name: "GroupNormalization"}, Since: 21, Freeze: groupChannels.freeze,
	Doc: "(x - mean) / √(variance + epsilon) · scale + bias over groups of channels",
	In:  ir.P("X", "scale", "bias"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, groups := n.In[0].Type, n.Attrs.Int("num_groups", 0)
		if groups <= 0 {
			return nil, fmt.Errorf("attribute num_groups is %d, want 1 or more", groups)
		}
		if t.Shape != nil {
			if t.Rank() < 2 {
				return nil, fmt.Errorf("X is %s, want rank 2 or more", t)
			}
			if c, ok := t.Shape[1].Num(); ok && c%groups != 0 {
				return nil, fmt.Errorf("%d channels do not split into %d groups", c, groups)
			}
		}
		return one(t)
	},
	VJP:  groupChannels.vjp,
	Body: groupChannels.body,
}

var batchNormalization = &ir.Op{
	Name: ir.OpName{Name: "BatchNormalization"}, Since: 14,
	Doc: "(x - mean) / √(var + epsilon) · scale + B with the given mean and variance of each channel",
	In:  ir.P("X", "scale", "B", "input_mean", "input_var"), Out: ir.P("Y", "running_mean?", "running_var?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		return optionalOutputs(n, n.In[0].Type, n.In[3].Type, n.In[4].Type)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		s, err := batchStats(b, n)
		if err != nil {
			b.Fail("%v: %w", n, err)
			return make([]*ir.Value, len(want))
		}
		x, g := n.In[0], dy[0]
		toX := func() *ir.Value { return b.Mul(g, perChannel(b, b.Mul(s.inv, castTo(b, n.In[1], x)), x)) }
		xhat := func() *ir.Value {
			return b.Mul(b.Sub(x, perChannel(b, s.mean, x)), perChannel(b, s.inv, x))
		}
		return lazily(want,
			toX,
			func() *ir.Value { return castTo(b, channelSum(b, b.Mul(g, xhat())), n.In[1]) },
			func() *ir.Value { return castTo(b, channelSum(b, g), n.In[2]) },
			func() *ir.Value { return castTo(b, b.Neg(channelSum(b, toX())), n.In[3]) },
			func() *ir.Value { // y = (x - mean) · inv · scale, and d inv / d var = - inv³ / 2
				v := channelSum(b, b.Mul(toX(), xhat()))
				return castTo(b, b.Scale(b.Mul(v, s.inv), -0.5), n.In[4])
			})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s, err := batchStats(b, n)
		if err != nil {
			return []*ir.Value{b.Fail("%v: %w", n, err)}
		}
		x := n.In[0]
		factor := perChannel(b, b.Mul(s.inv, castTo(b, n.In[1], x)), x)
		y := b.Mul(b.Sub(x, perChannel(b, s.mean, x)), factor)
		return []*ir.Value{b.Add(y, perChannel(b, castTo(b, n.In[2], x), x))}
	},
}

func batchStats(b *ir.Builder, n *ir.Node) (*standardized, error) {
	x := n.In[0]
	if n.Attrs.Int("training_mode", 0) != 0 {
		return nil, errors.New("it is in training mode: export the model for inference")
	}
	if x.Type.Rank() < 2 {
		return nil, fmt.Errorf("input of type %s, want a known rank of 2 or more", x.Type)
	}
	variance := castTo(b, n.In[4], x)
	inv := b.Op("Reciprocal", b.Op("Sqrt", b.Add(variance, b.Scalar(attr(n, "epsilon", 1e-5), x))))
	return &standardized{b: b, mean: castTo(b, n.In[3], x), inv: inv}, nil
}

var lrn = &ir.Op{
	Name: ir.OpName{Name: "LRN"}, Since: 1,
	Doc: "x / (bias + alpha / size · sum of x² over size channels around)^beta",
	In:  ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if size := n.Attrs.Int("size", 0); size <= 0 {
			return nil, fmt.Errorf("attribute size is %d, want 1 or more", size)
		}
		if r := n.In[0].Type.Rank(); r >= 0 && r < 2 {
			return nil, fmt.Errorf("X is %s, want rank 2 or more", n.In[0].Type)
		}
		return same(n)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		x, y, g := n.In[0], n.Out[0], dy[0]
		return lazily(want, func() *ir.Value {
			base := lrnBase(b, n)
			beta, size := attr(n, "beta", 0.75), float64(n.Attrs.Int("size", 1))
			direct := b.Mul(g, b.Op("Pow", base, b.Scalar(-beta, x)))
			around := windowSum(b, n, b.Div(b.Mul(g, y), base), true)
			return b.Sub(direct, b.Mul(b.Scale(x, 2*beta*attr(n, "alpha", 1e-4)/size), around))
		})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		power := b.Op("Pow", lrnBase(b, n), b.Scalar(attr(n, "beta", 0.75), n.In[0]))
		return []*ir.Value{b.Div(n.In[0], power)}
	},
}

// lrnBase is bias + alpha / size · windowSum(x²).
func lrnBase(b *ir.Builder, n *ir.Node) *ir.Value {
	x := n.In[0]
	factor := attr(n, "alpha", 1e-4) / float64(n.Attrs.Int("size", 1))
	return b.Add(b.Scale(windowSum(b, n, b.Mul(x, x), false), factor), b.Scalar(attr(n, "bias", 1), x))
}

// windowSum sums size channels around each: more of the later ones if size is
// even, more of the earlier ones for the transpose.
func windowSum(b *ir.Builder, n *ir.Node, v *ir.Value, transpose bool) *ir.Value {
	size, rank := n.Attrs.Int("size", 1), v.Type.Rank()
	if rank < 2 {
		return b.Fail("%v: input of type %s, want a known rank of 2 or more", n, v.Type)
	}
	before, after := (size-1)/2, size/2
	if transpose {
		before, after = after, before
	}
	pads := make([]int64, 2*rank)
	pads[1], pads[rank+1] = before, after
	padded := b.Op("Pad", v, b.Ints(pads...), b.Scalar(0, v))
	var parts []*ir.Value
	for k := range size {
		end := k - (size - 1) // from the end; the last slice runs up to it
		if end == 0 {
			end = 1 << 62
		}
		parts = append(parts, b.Op("Slice", padded, b.Ints(k), b.Ints(end), b.Ints(1)))
	}
	return addAllNoCopy(b, parts)
}

// mvnEpsilon is added to the standard deviation.
const mvnEpsilon = 1e-9

var meanVarianceNormalization = &ir.Op{
	Name: ir.OpName{Name: "MeanVarianceNormalization"}, Since: 9,
	Doc: "(x - mean) / (standard deviation + 1e-9) over the axes",
	In:  ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if t := n.In[0].Type; t.Shape != nil {
			if _, err := normAxes(mvnAxes(n), t.Rank()); err != nil {
				return nil, err
			}
		}
		return same(n)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value {
			// As for ε = 0: the difference is a factor of 1 + 1e-9/deviation
			// in one term.
			_, inv := mvnParts(b, n)
			s := &standardized{b: b, axes: mvnAxes(n), centred: true, xhat: n.Out[0], inv: inv}
			return s.back(dy[0])
		})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		centred, inv := mvnParts(b, n)
		return []*ir.Value{b.Mul(centred, inv)}
	},
}

func mvnParts(b *ir.Builder, n *ir.Node) (centred, inv *ir.Value) {
	x, axes := n.In[0], mvnAxes(n)
	centred = b.Sub(x, b.Mean(x, axes...))
	deviation := b.Op("Sqrt", b.Mean(b.Mul(centred, centred), axes...))
	return centred, b.Op("Reciprocal", b.Add(deviation, b.Scalar(mvnEpsilon, x)))
}

func mvnAxes(n *ir.Node) []int64 {
	if axes := n.Attrs.Ints("axes"); axes != nil {
		return axes
	}
	return []int64{0, 2, 3}
}
