package ops

import "github.com/lxtc/lxtc/ir"

// truthOf returns a condition, if it is known before the graph runs: a constant, or
// what follows from constants and from the sizes of tensors, such as the number of
// a turn that is compared with a limit.
func truthOf(v *ir.Value) (on, known bool) {
	if x, ok := constTensor(v).Item(); ok {
		return x != 0, true
	}
	if v == nil || v.Def == nil {
		return false, false
	}
	n := v.Def
	switch n.Op.String() {
	case "Identity":
		return truthOf(n.In[0])
	case "Cast":
		if n.In[0].Type.Elem == ir.Bool {
			return truthOf(n.In[0])
		}
	case "Not":
		on, known = truthOf(n.In[0])
		return !on, known
	case "And":
		a, aKnown := truthOf(n.In[0])
		b, bKnown := truthOf(n.In[1])
		return a && b, aKnown && bKnown || aKnown && !a || bKnown && !b
	case "Or":
		a, aKnown := truthOf(n.In[0])
		b, bKnown := truthOf(n.In[1])
		return aKnown && a || bKnown && b, aKnown && bKnown || aKnown && a || bKnown && b
	case "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal":
		return compared(n)
	}
	return false, false
}

// compared returns the comparison of two numbers, if both are known.
func compared(n *ir.Node) (on, known bool) {
	a, b := knownElems(n.In[0]), knownElems(n.In[1])
	if len(a) != 1 || len(b) != 1 {
		return false, false
	}
	x, xKnown := a[0].Num()
	y, yKnown := b[0].Num()
	switch n.Op.Name {
	case "Less":
		on = x < y
	case "LessOrEqual":
		on = x <= y
	case "Greater":
		on = x > y
	case "GreaterOrEqual":
		on = x >= y
	case "Equal":
		on = x == y
	}
	return on, xKnown && yKnown
}
