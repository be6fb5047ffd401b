package patterns

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// normalize names a vector's division by its own size, be that its length or
// the root of its mean square, in spellings that are no operator of their own:
// the size is a statistic, which rules that hand relevance through a
// normalization hold constant.
var normalize = &Marker{
	Name: "normalize",
	Doc:  "x / max(‖x‖, ε), or x / √(mean x² + ε) over any axes",
	At: func(n *ir.Node) ([]Role, string) {
		switch n.Op.String() {
		case "Div":
			return normalized(n, n.In[0], sizeOf(n.In[1], false))
		case "Mul":
			for i, v := range n.In {
				if s := sizeOf(v, true); s.node != nil {
					return normalized(n, n.In[1-i], s)
				}
			}
		}
		return nil, ""
	},
}

func normalized(n *ir.Node, x *ir.Value, s size) ([]Role, string) {
	if s.node == nil || rewrite.Constant(x) != nil { // an inverse of a size
		return nil, ""
	}
	if !scaledFrom(x, s.of) {
		return nil, fmt.Sprintf("%v is the length of %s, and %s is divided by it", s.node, s.of, x)
	}
	return []Role{{n, "normalize"}, {s.node, "normalize.length"}}, ""
}

// A size is the node that computes the length of a vector, up to a factor and a
// bound, and the vector. The zero size is none.
type size struct {
	node *ir.Node
	of   *ir.Value
}

// sizeOf returns the size that v is, or that v is the inverse of. What lies
// between are constants, bounds and shapes.
func sizeOf(v *ir.Value, inverse bool) size {
	inverted := false
	for range 8 {
		n := v.Def
		if n == nil {
			break
		}
		switch op := n.Op.String(); op {
		case "ReduceL1", "ReduceL2":
			if inverted == inverse {
				return size{n, n.In[0]}
			}
			return size{}
		case "Sqrt", "Pow":
			power := 0.5
			if op == "Pow" {
				power, _ = rewrite.Constant(n.In[1]).Item()
			}
			if of := squareSum(n.In[0]); of != nil && (power == 0.5 && inverted == inverse || power == -0.5 && inverted != inverse) {
				return size{n, of}
			}
			return size{}
		case "Reciprocal":
			inverted = !inverted
		case "Div":
			if rewrite.Constant(n.In[0]) != nil {
				v, inverted = n.In[1], !inverted
				continue
			}
			if rewrite.Constant(n.In[1]) == nil {
				return size{}
			}
		default:
			if v = past(n); v == nil {
				return size{}
			}
			continue
		}
		v = n.In[0]
	}
	return size{}
}

// squareSum returns the value whose squares v is the sum or mean of, with
// constants added and multiplied; nil if it is none.
func squareSum(v *ir.Value) *ir.Value {
	for range 8 {
		n := v.Def
		if n == nil {
			return nil
		}
		switch n.Op.String() {
		case "ReduceSumSquare":
			return n.In[0]
		case "Sub": // mean x² - (mean x)²
			of, mean := squareSum(n.In[0]), meanSquared(n.In[1])
			if of == nil || of != mean {
				return nil
			}
			return of
		case "ReduceMean", "ReduceSum", "GlobalAveragePool":
			sq := n.In[0].Def
			switch {
			case sq == nil:
			case sq.Op.String() == "Mul" && sq.In[0] == sq.In[1]:
				return sq.In[0]
			case sq.Op.String() == "Pow":
				if e, ok := rewrite.Constant(sq.In[1]).Item(); ok && e == 2 {
					return sq.In[0]
				}
			}
			return nil
		}
		if v = past(n); v == nil {
			return nil
		}
	}
	return nil
}

// past returns the operand of an operator that bounds, scales by a constant or
// reshapes it; nil for other operators.
func past(n *ir.Node) *ir.Value {
	switch n.Op.String() {
	case "Clip", "Relu", "Cast", "Expand", "Reshape", "Unsqueeze", "Squeeze", "Identity":
		return n.In[0]
	case "Add", "Mul", "Max", "Min", "Div":
		if len(n.In) != 2 {
			return nil
		}
		if i := slices.IndexFunc(n.In, func(v *ir.Value) bool { return rewrite.Constant(v) != nil }); i == 1 || i == 0 && n.Op.Name != "Div" {
			return n.In[1-i]
		}
	}
	return nil
}

// meanSquared returns the value that v is the square of the mean of; nil if it
// is none.
func meanSquared(v *ir.Value) *ir.Value {
	n := v.Def
	if n == nil {
		return nil
	}
	switch op := n.Op.String(); {
	case op == "Mul" && n.In[0] == n.In[1]:
	case op == "Pow":
		if e, ok := rewrite.Constant(n.In[1]).Item(); !ok || e != 2 {
			return nil
		}
	default:
		return nil
	}
	return meanOf(n.In[0])
}

// meanOf returns the value that v is the mean of, or the sum over a constant;
// nil if it is none.
func meanOf(v *ir.Value) *ir.Value {
	for range 4 {
		n := v.Def
		if n == nil {
			return nil
		}
		switch n.Op.String() {
		case "ReduceMean", "ReduceSum", "GlobalAveragePool":
			return n.In[0]
		case "Div", "Mul", "Reshape", "Expand", "Unsqueeze": // as Flax takes a sum apart
			if v = past(n); v == nil {
				return nil
			}
		default:
			return nil
		}
	}
	return nil
}

// scaledFrom reports whether x is of, times constants, or of without its mean.
func scaledFrom(x, of *ir.Value) bool {
	for range 4 {
		x = uncast(x)
		n := x.Def
		switch {
		case x == uncast(of):
			return true
		case n == nil:
			return false
		case n.Op.String() == "Sub" && n.In[0] == of:
			return meanOf(n.In[1]) == of
		case n.Op.String() == "Mul" && rewrite.Constant(n.In[0]) != nil:
			x = n.In[1]
		case (n.Op.String() == "Mul" || n.Op.String() == "Div") && rewrite.Constant(n.In[1]) != nil:
			x = n.In[0]
		default:
			return false
		}
	}
	return false
}

func uncast(v *ir.Value) *ir.Value {
	for v.Def != nil && v.Def.Op.String() == "Cast" {
		v = v.Def.In[0]
	}
	return v
}
