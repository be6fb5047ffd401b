package ops

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

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
	return standardize(b, x, c.axes(b, n), written(n, "epsilon", 1e-5), true)
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
	axes: func(b *ir.Builder, n *ir.Node) []int64 {
		var axes []int64
		for i := 2; i < n.In[0].Type.Rank(); i++ {
			axes = append(axes, int64(i))
		}
		return axes
	},
	view: noView, unview: noView,
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
				return nil, fmt.Errorf("input X is %s, want rank 2 or more", t)
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
	variance := stashed(b, n, n.In[4])
	inv := b.Op("Reciprocal", b.Op("Sqrt", b.Add(variance, b.Scalar(written(n, "epsilon", 1e-5), variance))))
	return &standardized{b: b, mean: castTo(b, n.In[3], x), inv: castTo(b, inv, x)}, nil
}
