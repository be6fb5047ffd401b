package patterns

import (
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// componentwise names the parts of functions of one value that are no operator,
// such as xIELU, if exponentials, roots and the like are among them. What takes
// one value and gives one hands everything on; these operators, though, also
// spell softmax and normalizations that no recognizer knows, where that would be
// wrong.
var componentwise = &Marker{
	Name: "componentwise",
	Doc:  "a function of one value with an exponential, a root or the like in it",
	At: func(n *ir.Node) ([]Role, string) {
		if n.Role != "" {
			return nil, ""
		}
		switch n.Op.String() {
		case "Exp", "Abs":
			if summed(n) {
				return nil, ""
			}
		case "Sqrt", "Reciprocal", "Log", "Sin", "Cos":
			if !madeOfElements(n) {
				return nil, ""
			}
		default:
			return nil, ""
		}
		roles := []Role{{n, "componentwise"}}
		for _, part := range functionAround(n) {
			if part != n && part.Role == "" && part.Out[0].Type.Elem.IsFloat() {
				roles = append(roles, Role{part, "componentwise"})
			}
		}
		return roles, ""
	},
}

// functionAround returns the nodes of the largest function of one value that n
// helps to compute; nil if that has a quotient of two results, whose rule does
// not hand everything on.
func functionAround(n *ir.Node) []*ir.Node {
	var largest []*ir.Node
	for _, root := range after(n) {
		fs := unaries(root)
		i := slices.IndexFunc(fs, func(f unary) bool { return slices.Contains(f.nodes, n) })
		if i >= 0 && len(fs[i].nodes) > len(largest) {
			largest = fs[i].nodes
		}
	}
	if slices.ContainsFunc(largest, func(n *ir.Node) bool { return n.Op.Name == "Div" && len(operands(n)) == 2 }) {
		return nil
	}
	return largest
}

// after returns n and the elementwise operators near that its result goes into.
func after(n *ir.Node) []*ir.Node {
	seen := []*ir.Node{n}
	for i := 0; i < len(seen) && i < maxUnary; i++ {
		for _, u := range seen[i].Out[0].Uses() {
			if !slices.Contains(seen, u.Node) && operands(u.Node) != nil {
				seen = append(seen, u.Node)
			}
		}
	}
	return seen
}

// summed reports whether n's result is near to a sum, a mean or a product of
// matrices that are both computed: softmax divides by a sum of exponentials, and
// a norm is one of absolute values.
func summed(n *ir.Node) bool {
	for _, near := range after(n) {
		for _, u := range near.Out[0].Uses() {
			switch op := u.Node.Op.Name; {
			case strings.HasPrefix(op, "Reduce"), op == "CumSum":
				return true
			case op == "MatMul" || op == "Einsum":
				if !slices.ContainsFunc(u.Node.In, IsWeight) {
					return true
				}
			}
		}
	}
	return false
}

// madeOfElements reports whether n's operand is computed, and near n through
// elementwise operators and reshapes from no reduction.
func madeOfElements(n *ir.Node) bool {
	computed := false
	seen := []*ir.Node{n}
	for i := 0; i < len(seen) && i < maxUnary; i++ {
		vs := operands(seen[i])
		if v := past(seen[i]); v != nil {
			vs = append(vs, v)
		}
		if vs == nil && handsOn[seen[i].Op.String()] {
			vs = seen[i].In
		}
		computed = computed || vs == nil && seen[i].Op.Name != "Constant"
		for _, v := range vs {
			switch {
			case v == nil, rewrite.Constant(v) != nil:
			case v.Def == nil:
				computed = true
			case slices.Contains(seen, v.Def):
			case strings.HasPrefix(v.Def.Op.Name, "Reduce"), strings.HasSuffix(v.Def.Op.Name, "Pool"):
				return false
			default:
				seen = append(seen, v.Def)
			}
		}
	}
	return computed
}

// handsOn are operators beyond which a reduction is still near.
var handsOn = map[string]bool{
	"Sum": true, "Mean": true, "Slice": true, "Split": true, "Gather": true, "Concat": true, "Transpose": true, "Pad": true, "Tile": true,
	"Flatten": true, "Dropout": true,
}
