package rules

import "github.com/lxtc/lxtc/ir"

// NormIdentity hands all relevance through a normalization x/g(x) without
// centring: its gradient form holds the normalizing factor constant. AttnLRP,
// proposition 3.4.
var NormIdentity = &Rule{
	Name:      "norm-identity",
	Aliases:   []string{"normalize"},
	Doc:       "hand everything through a normalization\n\nR_x = R for y = w x / g(x). Gradient form: the derivative with g held constant. AttnLRP prop. 3.4.",
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		c.normalizes()
		i := c.OnlyWanted()
		return c.Only(i, c.unary(r, i))
	},
	Gradient: func(c *Context) []*ir.Value {
		_, g := c.Arriving()
		return c.Only(c.OnlyWanted(), frozen(c, g))
	},
}

// LayerNormEpsilon is the epsilon rule through a normalization with its
// standard deviation held constant; centring and bias take part.
var LayerNormEpsilon = &Rule{
	Name:      "layernorm-epsilon",
	Doc:       "epsilon through a normalization, its standard deviation held constant\n\nR_x = x P(w/σ · R/(y + ε)), P(v) = v - mean v. The bias absorbs its share. Gradient form: the derivative with σ held constant. LXT's LayerNormEpsilon; AttnLRP prop. 3.4.",
	Params:    append(stabilized("1e-6"), absorbing()),
	Dialects:  []Dialect{{"lxt", []string{"eps=1e-6", "stabilizer=plus"}}},
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		i := c.OnlyWanted()
		y, r := c.Arriving()
		s := c.Ratio(r, y)
		var taken *ir.Value // by the bias
		if b := c.Node.Input(2); b != nil {
			if c.Node.Op.Name != "LayerNormalization" {
				b = c.alongChannels(b)
			}
			y, taken = c.Sub(y, b), c.Mul(s, b)
		}
		rs := c.Only(i, c.Times(i, frozen(c, s)))
		if c.Call.Redistributes() && c.byContribution() && c.Want[i] {
			rs[i] = c.amongNormalized(i, rs[i], c.Sub(r, c.Mul(s, y)))
			return rs
		}
		return c.settle(rs, c.Mul(s, y), taken)
	},
	Gradient: func(c *Context) []*ir.Value {
		_, g := c.Arriving()
		return c.Only(c.OnlyWanted(), frozen(c, g))
	},
}

// amongNormalized adds to r, the relevance of input i of a normalization, what each
// output has left. Centring makes it of all n elements x that are normalized together:
// c_ij = |x_i| (δ_ij + 1/n).
func (c *Context) amongNormalized(i int, r, left *ir.Value) *ir.Value {
	x := c.Node.In[i]
	size := c.Op("Abs", x)
	q := c.Div(left, c.orOne(c.Add(size, c.meanOf(size))))
	v := c.Add(q, c.meanOf(q))
	return c.more(i, r, c.Mul(size, v), c.Mul(c.Op("Sign", x), v))
}

// meanOf returns the mean of v over what a normalization normalizes together.
func (c *Context) meanOf(v *ir.Value) *ir.Value {
	rank := int64(v.Type.Rank())
	var axes []int64
	switch c.Node.Op.Name {
	case "LayerNormalization":
		axis := c.Node.Attrs.Int("axis", -1)
		for a := (axis + rank) % rank; a < rank; a++ {
			axes = append(axes, a)
		}
		return c.Mean(v, axes...)
	case "GroupNormalization":
		groups := c.Op("Reshape", v, c.Ints(0, c.Node.Attrs.Int("num_groups", 1), -1))
		return c.Op("Reshape", c.like(groups, c.Mean(groups, -1)), c.Op("Shape", v))
	}
	for a := int64(2); a < rank; a++ { // of each channel
		axes = append(axes, a)
	}
	return c.Mean(v, axes...)
}

func frozen(c *Context, dy *ir.Value) *ir.Value {
	if op := c.normalizes(); op != nil {
		return op.Freeze(c.Builder, c.Node, dy)
	}
	return dy
}

// normalizes returns the operator of the node, a normalization; otherwise it fails the
// build.
func (c *Context) normalizes() *ir.Op {
	op := c.Ops().Lookup(c.Node.Op)
	if op == nil || op.Freeze == nil {
		c.Fail("rule %s takes a normalization, and %s is none", c.Call.Rule.Name, c.Node.Op)
		return nil
	}
	return op
}
