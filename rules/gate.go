package rules

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// maxGate bounds the nodes that are looked at between a factor and a gate that
// is computed from it: a squeeze-and-excitation block has five.
const maxGate = 64

// unchanging operators hand a gate on to the product: squeeze-and-excitation by
// dense layers reshapes it, and half-precision models cast it.
var unchanging = map[string]bool{
	"Cast": true, "CastLike": true, "Identity": true, "Dropout": true, "Reshape": true, "Transpose": true, "Squeeze": true,
	"Unsqueeze": true, "Flatten": true, "Expand": true, "lxt.FakeQuantize": true,
}

// isGate is the condition gate.
func isGate(s Subject) bool {
	return len(s.Node.Out) > 0 && multiplies(s, s.Node.Out[0], s.Node.Out[0])
}

// multiplies reports whether v, which is the gate y but for its shape and type, or
// what it leaves of 1, is a factor of a product whose other factor is not computed from y.
func multiplies(s Subject, y, v *ir.Value) bool {
	return slices.ContainsFunc(v.Uses(), func(u ir.Use) bool {
		switch op := u.Node.Op.String(); {
		case op == "Mul" && u.Node.In[0] == u.Node.In[1], op == "Pow": // a squared Relu is one activation
			return u.Index == 0 && multiplies(s, y, u.Node.Out[0]) // once: a chain of squares would double it at each
		case op == "Mul":
			other := u.Node.In[1-u.Index]
			if s.Node.Op.Name == "Tanh" && opens(other) { // in a recurrent cell: were both gates, nothing would flow
				return false
			}
			return s.Depends(other) && !computedFrom(other, y) // else the other factor is the gate
		case unchanging[op] && u.Index == 0, op == "Sub" && u.Index == 1 && opens(u.Node.Out[0]):
			return multiplies(s, y, u.Node.Out[0])
		}
		return false
	})
}

// opens reports whether v is between 0 and 1 by a sigmoid, or what one leaves of 1.
func opens(v *ir.Value) bool {
	for v != nil && v.Def != nil {
		switch op := v.Def.Op.String(); {
		case op == "Sigmoid" || op == "HardSigmoid":
			return true
		case op == "Sub" && v.Def.In[0].IsConst():
			v = v.Def.In[1]
		case unchanging[op]:
			v = v.Def.In[0]
		default:
			return false
		}
	}
	return false
}

// computedFrom reports whether v is computed from x by a few nodes. The
// nearest are looked at first.
func computedFrom(v, x *ir.Value) bool {
	next, seen := []*ir.Value{v}, map[*ir.Node]bool{}
	for len(next) > 0 && len(seen) < maxGate {
		v, next = next[0], next[1:]
		if v == x {
			return true
		}
		if v == nil || v.Def == nil || seen[v.Def] {
			continue
		}
		seen[v.Def] = true
		next = append(next, v.Def.In...)
	}
	return false
}
