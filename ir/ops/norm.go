package ops

import (
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
	if stats.Elem != ir.Float && stats.Elem != t.Elem && t.Elem != ir.Undefined {
		return nil, fmt.Errorf("attribute stash_type is %s, want float or the type of X", stats.Elem)
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
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), written(n, "epsilon", 1e-5), true)
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
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), written(n, "epsilon", 1e-5), true)
		y := b.Mul(castTo(b, s.xhat, n.In[0]), n.In[1])
		if bias := n.Input(2); bias != nil {
			y = b.Add(y, bias)
		}
		if len(n.Out) <= 1 {
			return []*ir.Value{y}
		}
		stash := ir.Attrs{{Name: "to", Value: n.Attrs.Int("stash_type", 1)}}
		return []*ir.Value{y, b.OpA("Cast", stash, s.mean), b.OpA("Cast", stash, s.inv)}[:len(n.Out)]
	},
}

// layerNormInput adds up what arrives at the input from the three outputs.
func layerNormInput(b *ir.Builder, n *ir.Node, s *standardized, dy []*ir.Value) *ir.Value {
	var parts []*ir.Value
	if dy[0] != nil {
		parts = append(parts, s.back(b.Mul(stashed(b, n, dy[0]), stashed(b, n, n.In[1]))))
	}
	each := func(v *ir.Value) *ir.Value { // one element's share of a statistic
		v = castTo(b, v, s.xhat)
		size := b.Div(b.Op("Size", s.xhat), b.Op("Size", s.inv))
		return b.Op("Expand", b.Div(v, castTo(b, size, v)), like(b, s.xhat))
	}
	if len(dy) > 1 && dy[1] != nil {
		parts = append(parts, each(dy[1]))
	}
	if len(dy) > 2 && dy[2] != nil { // d inv / dx = - inv² · x̂ / size
		slope := b.Neg(b.Mul(b.Mul(s.inv, s.inv), castTo(b, dy[2], s.inv)))
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
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), written(n, "epsilon", 1e-5), false)
		return lazily(want,
			func() *ir.Value {
				g := b.Mul(stashed(b, n, dy[0]), stashed(b, n, n.In[1]))
				return castTo(b, s.back(g), n.In[0])
			},
			func() *ir.Value { return scaleVJP(b, n, s, dy[0]) })
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), written(n, "epsilon", 1e-5), false)
		return []*ir.Value{b.Mul(castTo(b, s.xhat, n.In[0]), n.In[1])}
	},
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
