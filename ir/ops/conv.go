package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// convOps are the operators over spatial axes: those after batch and channel.
func convOps() []*ir.Op {
	return []*ir.Op{
		conv, convTranspose, // here
		maxPool, averagePool, lpPool, globalAveragePool, globalMaxPool, // pool.go
		resize, // resize.go
	}
}

var conv = &ir.Op{
	Name: ir.OpName{Name: "Conv"}, Since: 11, Doc: "convolution: every output channel is a weighted sum over a moving window",
	In: ir.P("X", "W", "B?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		c, err := convOf(n)
		if err != nil || c == nil {
			return []ir.Type{{Elem: n.In[0].Type.Elem}}, err
		}
		if c.w[1].Mul(ir.N(c.groups)).Differ(c.x[1]) {
			return nil, fmt.Errorf("%s channels in %d groups, but weights for %s each", c.x[1], c.groups, c.w[1])
		}
		return c.output(n, c.w[0])
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want,
			func() *ir.Value { return convToInput(b, n, dy[0]) },
			func() *ir.Value { return convToWeights(b, n, n.In[0], dy[0]) },
			func() *ir.Value { return overChannels(b, n, dy[0]) })
	},
}

var convTranspose = &ir.Op{
	Name: ir.OpName{Name: "ConvTranspose"}, Since: 11, Doc: "the transpose of convolution: every input element adds a weighted window to the output",
	In: ir.P("X", "W", "B?"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		c, err := convOf(n)
		if err != nil || c == nil {
			return []ir.Type{{Elem: n.In[0].Type.Elem}}, err
		}
		if c.w[0].Differ(c.x[1]) {
			return nil, fmt.Errorf("%s channels, but weights for %s", c.x[1], c.w[0])
		}
		return c.output(n, c.w[1].Mul(ir.N(c.groups)))
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want,
			func() *ir.Value { return convOfTransposed(b, n, dy[0]) },
			// The roles of input and output are swapped.
			func() *ir.Value { return convToWeights(b, n, dy[0], n.In[0]) },
			func() *ir.Value { return overChannels(b, n, dy[0]) })
	},
}

// convolution is what is known of a Conv or ConvTranspose node.
type convolution struct {
	x, w   []ir.Dim // shapes of input and weights
	groups int64
	geo    *geometry // nil if the kernel is not known
}

// convOf returns nil if a rank is not known.
func convOf(n *ir.Node) (*convolution, error) {
	x, w := n.In[0].Type, n.In[1].Type
	if _, err := mergeElem(n.In...); err != nil {
		return nil, err
	}
	if x.Shape == nil || w.Shape == nil {
		return nil, nil
	}
	if len(x.Shape) < 3 || len(w.Shape) != len(x.Shape) {
		return nil, fmt.Errorf("input %s and weights %s: want one rank, 3 or more", x, w)
	}
	c := &convolution{x: x.Shape, w: w.Shape, groups: n.Attrs.Int("group", 1)}
	if c.groups < 1 || c.groups > maxExtent {
		return nil, fmt.Errorf("group %d", c.groups)
	}
	if m, ok := w.Shape[0].Num(); ok && m%c.groups != 0 {
		return nil, fmt.Errorf("weights %s in %d groups", w, c.groups)
	}
	kernel, static := ir.Type{Shape: w.Shape[2:]}.Static()
	if !static {
		if !n.Attrs.Has("kernel_shape") {
			return c, nil
		}
		kernel = nil
	}
	if given := n.Attrs.Ints("kernel_shape"); static && len(given) > 0 &&
		!slices.EqualFunc(given, kernel, func(a int64, b int) bool { return a == int64(b) }) {
		return nil, fmt.Errorf("kernel_shape %v, but weights %s", given, w)
	}
	var err error
	c.geo, err = geometryOf(n, len(x.Shape)-2, kernel)
	return c, err
}

// output returns the type of the output, of the given number of channels.
func (c *convolution) output(n *ir.Node, channels ir.Dim) ([]ir.Type, error) {
	s := append([]ir.Dim{c.x[0], channels}, unknownDims(len(c.x)-2)...)
	if c.geo != nil {
		for i, d := range c.x[2:] {
			var err error
			if s[2+i], err = c.geo.outDim(i, d); err != nil {
				return nil, err
			}
		}
	}
	return one(ir.Type{Elem: n.In[0].Type.Elem, Shape: s})
}
