package rules

import "github.com/lxtc/lxtc/ir"

// inPlace returns r, which arrives at the first output, for input i: each element of
// the output is made of the element of the input at its place, and a broadcast input
// gets the sum. Where data only moves, relevance moves with it. It fails the build for
// other operators, as far as shapes tell.
func (c *Context) inPlace(r *ir.Value, i int) *ir.Value {
	z, x := c.Node.Out[0], c.Node.In[i]
	if op := c.Ops().Lookup(c.Node.Op); op != nil && op.Moves {
		return c.VJP(c.Node, r)[i]
	}
	if !broadcasts(x.Type.Shape, z.Type.Shape) {
		return c.notInPlace(x)
	}
	return c.SumTo(r, x)
}

// unary returns r for input i, the only one, of whose shape the output is.
func (c *Context) unary(r *ir.Value, i int) *ir.Value {
	z, x := c.Node.Out[0], c.Node.In[i]
	if !broadcasts(x.Type.Shape, z.Type.Shape) || !broadcasts(z.Type.Shape, x.Type.Shape) {
		return c.notInPlace(x)
	}
	return r
}

func (c *Context) notInPlace(x *ir.Value) *ir.Value {
	return c.Fail("rule %s is for operators that make each element of the result of the one at its place, and %s makes %s of %s", c.Call.Rule.Name, c.Node.Op, c.Node.Out[0].Type, x.Type)
}

// broadcasts reports whether a shape broadcasts to another, or may.
func broadcasts(from, to []ir.Dim) bool {
	lead := len(to) - len(from)
	if lead < 0 {
		return false
	}
	for i, d := range from {
		if !d.Is(1) && d.Differ(to[lead+i]) {
			return false
		}
	}
	return true
}
