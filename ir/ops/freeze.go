package ops

import "github.com/lxtc/lxtc/ir"

// frozen is back with inv held constant: inv · (g - mean(g)), without mean(g)
// if not centred.
func (s *standardized) frozen(g *ir.Value) *ir.Value {
	if s.centred {
		g = s.b.Sub(g, s.b.Mean(g, s.axes...))
	}
	return s.b.Mul(s.inv, g)
}

// freezeTrailing is Freeze of a normalization over the axes from axis to the
// last, with a scale.
func freezeTrailing(centred bool) func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	return func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
		s := standardize(b, stashed(b, n, n.In[0]), trailingAxes(b, n), written(n, "epsilon", 1e-5), centred)
		return castTo(b, s.frozen(b.Mul(stashed(b, n, dy), stashed(b, n, n.In[1]))), n.In[0])
	}
}

// freeze is Freeze of a normalization with one scale for each channel.
func (c channels) freeze(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	s := c.standardize(b, n)
	g := b.Mul(stashed(b, n, dy), perChannel(b, stashed(b, n, n.In[1]), n.In[0]))
	return castTo(b, c.unview(b, n, s.frozen(c.view(b, n, g))), n.In[0])
}

// freezeLp divides by the norm, as LpNormalization does.
func freezeLp(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return b.Div(dy, lpNorm(b, n)) }
