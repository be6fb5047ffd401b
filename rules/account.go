package rules

import (
	"maps"

	"github.com/lxtc/lxtc/ir"
)

// An Account says what a node keeps of the relevance that arrives, as tensors to
// sum: what arrives is handed on, but for these.
type Account struct {
	Constants []*ir.Value // what constant operands take: a bias, a mask, a class token
	Kept      []*ir.Value // what nobody gets: ε, and outputs to which nothing contributes
}

// Account returns what the explicit form of a rule that conserves keeps, by the
// rule's own formula:
//
//	constants = Σ_j s_j b_j,  kept = Σ_j R_j - s_j z_j,  for R_i = Σ_j s_j x_i ∂z_j/∂x_i
//
// where b is what constants add to z. It does not look at what the inputs get, so
// that the books close only if the derivative is right as well. The formula stands by
// itself, not in a function: the parameters become constants.
func (c *Context) Account() Account {
	c.account = &Account{}
	c.bindParameters()
	c.Relevance()
	a := *c.account
	c.account = nil
	return a
}

// bindParameters makes numbers of the parameters that do not come from outside.
func (c *Context) bindParameters() {
	inputs := maps.Clone(c.Inputs)
	if inputs == nil {
		inputs = map[string]*ir.Value{}
	}
	for _, p := range c.Call.Rule.Params {
		if p.Choices != nil || inputs[p.Name] != nil {
			continue
		}
		switch x := c.Call.Attr(p.Name).(type) {
		case float32:
			inputs[p.Name] = c.Constant(ir.Of([]float32{x}))
		case []float32:
			inputs[p.Name] = c.Constant(ir.Of(x, len(x)))
		}
	}
	c.Inputs = inputs
}

// Note enters in the books of `lxtc check` what each element of the first output hands
// on and what constants take of it; nil is nothing, and the rest is the stabilizer's. A
// rule that conserves but for these calls it; it changes nothing else.
func (c *Context) Note(handed, constants *ir.Value) {
	if c.account == nil {
		return
	}
	_, r := c.Arriving()
	kept := c.Sub(r, handed)
	if constants != nil {
		kept = c.Sub(kept, constants)
		c.account.Constants = append(c.account.Constants, constants)
	}
	c.keep(kept)
}

// noteAll enters what is kept where relevance arrives at several outputs z, each of
// which hands on s z.
func (c *Context) noteAll(z, s []*ir.Value) {
	for i, r := range c.R {
		if r != nil {
			c.keep(c.Sub(r, c.Mul(s[i], z[i])))
		}
	}
}

func (c *Context) keep(kept *ir.Value) {
	if c.account != nil {
		c.account.Kept = append(c.account.Kept, kept)
	}
}

// arrivesElsewhere reports whether relevance arrives at another output than the first.
func (c *Context) arrivesElsewhere() bool {
	for i, r := range c.R {
		if (r != nil) != (i == 0) {
			return true
		}
	}
	return false
}

// ofConstants returns what constants take of z, of which the inputs make a part: 0
// where z is infinite, as behind a mask, for no relevance arrives there and 0·∞ is
// no number.
func (c *Context) ofConstants(s, z, made *ir.Value) *ir.Value {
	if z == made {
		return nil
	}
	return c.Mul(s, c.Sub(c.finite(z), made))
}

// noteMoved enters what data that only moves brings to constants: to a class token
// that is joined to the others.
func (c *Context) noteMoved() {
	if c.account != nil {
		c.account.Constants = append(c.account.Constants, c.movedToConstants()...)
	}
}

func (c *Context) movedToConstants() []*ir.Value {
	to := *c
	to.Want = make([]bool, len(c.Want))
	for i, v := range c.Node.In {
		to.Want[i] = v != nil && !c.Want[i] && v.Type.Elem.IsFloat()
	}
	if c.Node.Op.Name == "Pad" && c.R[0] != nil { // to what it adds around, whatever that is
		x := c.Node.In[0]
		in := append([]*ir.Value{c.like(x, c.Scalar(1, x))}, c.Node.In[1:]...)
		if v := c.Node.Input(2); v != nil {
			in[2] = c.Scalar(0, v)
		}
		own := c.Apply(in...).Out[0]
		return []*ir.Value{c.Mul(c.R[0], c.Sub(c.Scalar(1, own), own))}
	}
	if to.Wanted() == 0 {
		return nil
	}
	var out []*ir.Value
	for _, r := range to.VJP(c.Node, c.R...) {
		if r != nil {
			out = append(out, r)
		}
	}
	return out
}
