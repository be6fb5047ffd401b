package rules

import "github.com/lxtc/lxtc/ir"

// NormIdentity hands all relevance through a normalization x/g(x) without
// centring: its gradient form holds the normalizing factor constant. AttnLRP,
// proposition 3.4.
var NormIdentity = &Rule{
	Name:      "norm-identity",
	Doc:       "hand everything through a normalization\n\nR_x = R for y = w x / g(x). Gradient form: the derivative with g held constant. AttnLRP prop. 3.4.",
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		return c.Only(c.OnlyWanted(), r)
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
	Params:    stabilized("1e-6"),
	Dialects:  []Dialect{{"lxt", []string{"eps=1e-6", "stabilizer=plus"}}},
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		i := c.OnlyWanted()
		y, r := c.Arriving()
		return c.Only(i, c.Mul(c.Node.In[i], frozen(c, c.Ratio(r, y))))
	},
	Gradient: func(c *Context) []*ir.Value {
		_, g := c.Arriving()
		return c.Only(c.OnlyWanted(), frozen(c, g))
	},
}

func frozen(c *Context, dy *ir.Value) *ir.Value {
	op := c.Ops().Lookup(c.Node.Op)
	if op == nil || op.Freeze == nil {
		return c.Fail("rule %s takes a normalization, and %s is none", c.Call.Rule.Name, c.Node.Op)
	}
	return op.Freeze(c.Builder, c.Node, dy)
}
