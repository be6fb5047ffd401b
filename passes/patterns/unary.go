package patterns

import (
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// maxUnary bounds how many operators a function of one value is spelled with.
// GELU's longest spelling has eleven.
const maxUnary = 16

// A unary is a value as a function of another, through elementwise operators
// and constants of one element.
type unary struct {
	x     *ir.Value
	nodes []*ir.Node // in an order to compute them in, the root last
}

// unaries returns the functions of one value that the result of n is, those
// with the fewest operators first.
func unaries(n *ir.Node) []unary {
	region := []*ir.Node{n}
	var found []unary
	for i := 0; i < len(region) && i < maxUnary; i++ {
		for _, v := range operands(region[i]) {
			if slices.ContainsFunc(found, func(u unary) bool { return u.x == v }) {
				continue
			}
			u := unary{x: v}
			if u.add(n) {
				found = append(found, u)
			}
			if v.Def != nil && v.Def.Out[0] == v && operands(v.Def) != nil && !slices.Contains(region, v.Def) {
				region = append(region, v.Def)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b unary) int { return len(a.nodes) - len(b.nodes) })
	return found
}

// add appends n after what n is computed from; false if that is not x alone.
func (u *unary) add(n *ir.Node) bool {
	in := operands(n)
	if in == nil || len(u.nodes) == maxUnary {
		return false
	}
	for _, v := range in {
		if v == u.x || v.Def != nil && slices.Contains(u.nodes, v.Def) {
			continue
		}
		if v.Def == nil || v.Def.Out[0] != v || !u.add(v.Def) {
			return false
		}
	}
	u.nodes = append(u.nodes, n)
	return true
}

// operands returns the operands of an elementwise operator that are not
// constants of one element; nil if it is none of those that apply knows.
func operands(n *ir.Node) []*ir.Value {
	if elementwise[n.Op.String()] == nil {
		return nil
	}
	var vs []*ir.Value
	for _, v := range n.In {
		if v == nil {
			return nil
		}
		if t := rewrite.Constant(v); t == nil || t.Len() != 1 {
			vs = append(vs, v)
		}
	}
	return vs
}

// at returns the function's value at x.
func (u *unary) at(x float64) float64 {
	known := map[*ir.Value]float64{u.x: x}
	for _, n := range u.nodes {
		args := make([]float64, len(n.In))
		for i, v := range n.In {
			var ok bool
			if args[i], ok = known[v]; !ok {
				args[i], _ = rewrite.Constant(v).Item()
			}
		}
		known[n.Out[0]] = elementwise[n.Op.String()](args)
	}
	return known[u.nodes[len(u.nodes)-1].Out[0]]
}

// elementwise are the operators that activations are spelled with.
var elementwise = map[string]func(a []float64) float64{
	"Add":        func(a []float64) float64 { return a[0] + a[1] },
	"Sub":        func(a []float64) float64 { return a[0] - a[1] },
	"Mul":        func(a []float64) float64 { return a[0] * a[1] },
	"Div":        func(a []float64) float64 { return a[0] / a[1] },
	"Pow":        func(a []float64) float64 { return math.Pow(a[0], a[1]) },
	"Neg":        func(a []float64) float64 { return -a[0] },
	"Reciprocal": func(a []float64) float64 { return 1 / a[0] },
	"Exp":        func(a []float64) float64 { return math.Exp(a[0]) },
	"Erf":        func(a []float64) float64 { return math.Erf(a[0]) },
	"Tanh":       func(a []float64) float64 { return math.Tanh(a[0]) },
	"Sigmoid":    func(a []float64) float64 { return 1 / (1 + math.Exp(-a[0])) },
}
