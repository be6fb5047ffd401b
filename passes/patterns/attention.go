package patterns

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// attention names the parts of softmax attention around a Softmax: the product
// of queries and keys, the scaling, the mask, and the product with the values.
// It looks through what moves data or guards against NaN.
var attention = &Marker{
	Name: "attention",
	Doc:  "softmax(q kᵀ · scale + mask) v",
	At: func(n *ir.Node) ([]Role, string) {
		if n.Op.String() != "Softmax" {
			return nil, ""
		}
		roles, why := scoresOf(n.In[0])
		if why != "" {
			return nil, why
		}
		context := contextOf(n.Out[0], 0)
		if context == nil {
			return nil, "its result is not a factor of a product"
		}
		roles = append(roles, Role{n, "attention.softmax"}, Role{context, "attention.context"})
		return roles, ""
	},
}

// scoresOf walks up from the softmax's input to the product of queries and
// keys.
func scoresOf(v *ir.Value) (roles []Role, why string) {
	for depth := 0; depth < 12; depth++ {
		n := v.Def
		if n == nil {
			return nil, fmt.Sprintf("its input goes back to %s, which is no product of queries and keys", v)
		}
		switch n.Op.String() {
		case "MatMul", "Einsum":
			if IsWeight(n.In[0]) || len(n.In) < 2 || IsWeight(n.In[1]) {
				return nil, fmt.Sprintf("%v is a product with a weight", n)
			}
			return append(roles, Role{n, "attention.scores"}), ""
		case "Cast", "Identity", "Dropout", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Clip", "Tanh":
			v = n.In[0]
		case "Mul", "Div":
			if rewrite.Constant(n.In[1]) == nil && n.Op.Name == "Mul" && rewrite.Constant(n.In[0]) != nil {
				v = n.In[1]
			} else {
				v = n.In[0]
			}
			roles = append(roles, Role{n, "attention.scale"})
		case "Add", "Sub":
			v = n.In[0]
			if !fromProduct(v, 0) && fromProduct(n.In[1], 0) {
				v = n.In[1]
			}
			roles = append(roles, Role{n, "attention.mask"})
		case "Where":
			v = n.In[1]
			if !fromProduct(v, 0) {
				v = n.In[2]
			}
			roles = append(roles, Role{n, "attention.mask"})
		case "Concat": // a sink beside the scores
			i := slices.IndexFunc(n.In, func(v *ir.Value) bool { return fromProduct(v, 0) })
			if i < 0 {
				return nil, fmt.Sprintf("its input goes back to %v", n)
			}
			v = n.In[i]
		default:
			return nil, fmt.Sprintf("its input goes back to %v", n)
		}
	}
	return nil, "no product of queries and keys is near"
}

// fromProduct reports whether a product of two computed operands is near above
// v.
func fromProduct(v *ir.Value, depth int) bool {
	if v == nil || v.Def == nil || depth > 8 {
		return false
	}
	n := v.Def
	switch n.Op.String() {
	case "MatMul", "Einsum":
		return true
	case "Cast", "Identity", "Dropout", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Mul", "Div", "Add", "Sub", "Clip", "Tanh":
		return fromProduct(n.In[0], depth+1) || len(n.In) > 1 && n.Op.Name != "Reshape" && fromProduct(n.In[1], depth+1)
	case "Where":
		return fromProduct(n.In[1], depth+1) || fromProduct(n.In[2], depth+1)
	}
	return false
}

// contextOf walks down from the softmax's output to the product with the
// values.
func contextOf(v *ir.Value, depth int) *ir.Node {
	if depth > 6 {
		return nil
	}
	for _, u := range v.Uses() {
		switch u.Node.Op.String() {
		case "MatMul", "Einsum":
			if n := u.Node; len(n.In) == 2 && !IsWeight(n.In[1-u.Index]) {
				return n
			}
		case "Cast", "Identity", "Dropout", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Where", "Mul", "Slice":
			if n := contextOf(u.Node.Out[0], depth+1); n != nil {
				return n
			}
		}
	}
	return nil
}

// rotary names the sum x·cos + rotate(x)·sin of a rotary position embedding.
var rotary = &Marker{
	Name: "rotary",
	Doc:  "x·cos + rotate_half(x)·sin",
	At: func(n *ir.Node) ([]Role, string) {
		if n.Op.String() != "Add" || len(n.In) != 2 {
			return nil, ""
		}
		for i := range 2 {
			rotated, direct := rotatedFactor(n.In[i]), n.In[1-i].Def
			if rotated == nil || direct == nil || direct.Op.Name != "Mul" {
				continue
			}
			x := sourceOfHalves(rotated)
			if x != nil && (direct.In[0] == x || direct.In[1] == x) {
				return []Role{{n, "rotary"}, {n.In[i].Def, "rotary"}, {direct, "rotary"}, {rotated.Def, "rotary"}}, ""
			}
		}
		return nil, ""
	},
}

// rotatedFactor returns the Concat(-x₂, x₁) that is a factor of the product v.
func rotatedFactor(v *ir.Value) *ir.Value {
	if v.Def == nil || v.Def.Op.Name != "Mul" {
		return nil
	}
	for _, f := range v.Def.In {
		if f.Def != nil && f.Def.Op.Name == "Concat" && len(f.Def.In) == 2 {
			if neg := f.Def.In[0].Def; neg != nil && neg.Op.Name == "Neg" {
				return f
			}
		}
	}
	return nil
}

// sourceOfHalves returns the tensor whose halves a Concat(-x₂, x₁) swaps.
func sourceOfHalves(rotated *ir.Value) *ir.Value {
	cut := func(v *ir.Value) *ir.Value {
		if v.Def == nil || v.Def.Op.Name != "Slice" && v.Def.Op.Name != "Split" {
			return nil
		}
		return v.Def.In[0]
	}
	a, b := cut(rotated.Def.In[0].Def.In[0]), cut(rotated.Def.In[1])
	if a == nil || a != b {
		return nil
	}
	return a
}

// repeatKV names the repetition of key and value heads in grouped-query
// attention.
var repeatKV = &Marker{
	Name: "repeat_kv",
	Doc:  "Unsqueeze, Expand, Reshape: heads shared by a group of queries",
	At: func(n *ir.Node) ([]Role, string) {
		if n.Op.String() != "Expand" || n.In[0].Def == nil || n.In[0].Def.Op.Name != "Unsqueeze" || n.Out[0].NumUses() != 1 {
			return nil, ""
		}
		reshape := n.Out[0].Uses()[0].Node
		if reshape.Op.Name != "Reshape" || n.Out[0].Type.Rank() != reshape.Out[0].Type.Rank()+1 {
			return nil, ""
		}
		return []Role{{n.In[0].Def, "repeat_kv"}, {n, "repeat_kv"}, {reshape, "repeat_kv"}}, ""
	},
}
