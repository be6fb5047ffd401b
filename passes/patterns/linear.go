package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// linear joins a product with a weight and the bias added to it: rules that
// treat signs apart, such as gamma, need the bias with the product.
var linear = &rewrite.Rule{
	Name:  "linear",
	Doc:   "x W + b with constant W and b is lxt.Linear",
	Match: rewrite.MustParse(`y = Add (MatMul (x, w), b)`),
	If: func(m *rewrite.Match) error {
		x, w, b := m.Get("x"), m.Get("w"), m.Get("b")
		switch {
		case !IsWeight(w):
			return fmt.Errorf("%s is no weight", w)
		case IsWeight(x):
			return fmt.Errorf("%s is a weight too", x)
		case w.Type.Rank() != 2:
			return fmt.Errorf("%s is %s, want a matrix", w, w.Type)
		}
		if m.Root.In[0].Def != nil && m.Root.In[1].Def != nil && rewrite.Constant(b) == nil {
			return fmt.Errorf("%s is not constant", b)
		}
		if err := rowVector(b, m.Root.Out[0].Type); err != nil {
			return err
		}
		if n := rewrite.Constant(b).Len(); n > 1 && w.Type.Shape[1].Differ(ir.N(int64(n))) {
			return fmt.Errorf("%s is %s, and %s is %s: adding widens the product", b, b.Type, w, w.Type)
		}
		if product := productOf(m); product != nil && product.NumUses() > 1 {
			return fmt.Errorf("%s is used elsewhere, too", product)
		}
		return nil
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		bias := m.Get("b")
		if len(rewrite.Constant(bias).Shape) > 1 {
			bias = b.OpA("Reshape", nil, bias, b.Ints(-1))
		}
		return b.Node(ir.OpName{Domain: "lxt", Name: "Linear"}, nil, m.Get("x"), m.Get("w"), bias).Out[0]
	},
}

// rowVector checks that v is a constant vector or scalar, possibly with axes of
// 1 before it, as many as a sum of type t has.
func rowVector(v *ir.Value, t ir.Type) error {
	c := rewrite.Constant(v)
	if c == nil {
		return fmt.Errorf("%s is not constant", v)
	}
	if n := len(c.Shape); n > 1 && (n > t.Rank() || c.Shape[n-1] != c.Len()) {
		return fmt.Errorf("%s is constant %s, want a vector", v, c.TypeOf())
	}
	return nil
}

func productOf(m *rewrite.Match) *ir.Value {
	for _, v := range m.Root.In {
		if v.Def != nil && v.Def.Op.Name == "MatMul" {
			return v
		}
	}
	return nil
}

// IsWeight reports whether v is a constant, or one that is only unpacked,
// cast or transposed.
func IsWeight(v *ir.Value) bool {
	for v != nil {
		if v.Data != nil {
			return true
		}
		if v.Def == nil {
			return false
		}
		switch v.Def.Op.Name {
		case "Constant":
			return true
		case "Cast", "DequantizeLinear", "DequantizeBnb4", "Identity", "Transpose":
			v = v.Def.In[0]
		default:
			return false
		}
	}
	return false
}
