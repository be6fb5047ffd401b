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
// and constants of one element. Transposes may stand between them: models that
// have their channels last spell activations in both layouts at once.
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
			if v.Type.Elem.IsFloat() && u.add(n) {
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
// numbers; nil if it is none of those that apply knows.
func operands(n *ir.Node) []*ir.Value {
	if elementwise[n.Op.String()] == nil || n.Op.Name == "Cast" && !keepsNumbers(n) {
		return nil
	}
	var vs []*ir.Value
	for _, v := range n.In {
		if v == nil {
			continue // a bound of Clip
		}
		if _, ok := number(v); !ok {
			vs = append(vs, v)
		}
	}
	return vs
}

// keepsNumbers reports whether a Cast rounds at most.
func keepsNumbers(n *ir.Node) bool {
	from, to := n.In[0].Type.Elem, n.Out[0].Type.Elem
	return to.IsFloat() && (from.IsFloat() || from == ir.Bool)
}

// number returns the number that all elements of a constant are. One of more
// than one element, such as zeros_like makes, may not be large.
func number(v *ir.Value) (float64, bool) {
	const large = 1 << 16
	t := rewrite.Constant(v)
	if t == nil || t.Len() > large {
		return 0, false
	}
	if f, ok := t.Item(); ok {
		return f, true
	}
	fs, err := t.Float64s()
	if err != nil || len(fs) == 0 || slices.ContainsFunc(fs, func(f float64) bool { return f != fs[0] }) {
		return 0, false
	}
	return fs[0], true
}

// operators returns how many operators the function is spelled with, casts aside:
// half-precision models have them around the addition of an ε.
func (u *unary) operators() int {
	k := 0
	for _, n := range u.nodes {
		if n.Op.Name != "Cast" {
			k++
		}
	}
	return k
}

// numbers returns the constants that the function is spelled with.
func (u *unary) numbers() []float64 {
	var fs []float64
	for _, n := range u.nodes {
		for _, v := range n.In {
			if f, ok := number(v); ok && !slices.Contains(fs, f) {
				fs = append(fs, f)
			}
		}
	}
	return fs
}

// widens reports whether constants with axes may make the result larger than x.
func (u *unary) widens() bool {
	for _, n := range u.nodes {
		for _, v := range n.In {
			t := rewrite.Constant(v)
			if t == nil || t.Len() == 1 {
				continue
			}
			lead := u.x.Type.Rank() - len(t.Shape)
			if lead < 0 || u.transposes() {
				return true
			}
			for i, size := range t.Shape {
				if size != 1 && !u.x.Type.Shape[lead+i].Is(int64(size)) {
					return true
				}
			}
		}
	}
	return false
}

func (u *unary) transposes() bool {
	return slices.ContainsFunc(u.nodes, func(n *ir.Node) bool { return n.Op.Name == "Transpose" })
}

// layout returns the permutation that turns the axes of x into those of the
// result; false if operands of one operator differ in it.
func (u *unary) layout() ([]int64, bool) {
	own := make([]int64, max(u.x.Type.Rank(), 0))
	for i := range own {
		own[i] = int64(i)
	}
	if !u.transposes() {
		return own, true
	}
	known := map[*ir.Value][]int64{u.x: own}
	for _, n := range u.nodes {
		var axes []int64
		for _, v := range n.In {
			of, ok := known[v]
			if ok && axes != nil && !slices.Equal(axes, of) {
				return nil, false
			}
			if ok {
				axes = of
			}
		}
		if n.Op.Name == "Transpose" {
			perm, before := n.Attrs.Ints("perm"), axes
			if len(perm) != len(before) { // unknown, or all axes the other way round
				return nil, false
			}
			axes = make([]int64, len(perm))
			for i, p := range perm {
				axes[i] = before[p]
			}
		}
		known[n.Out[0]] = axes
	}
	return known[u.nodes[len(u.nodes)-1].Out[0]], true
}

// at returns the function's value at x.
func (u *unary) at(x float64) float64 {
	known := map[*ir.Value]float64{u.x: x}
	for _, n := range u.nodes {
		args := make([]float64, len(n.In))
		for i, v := range n.In {
			var ok bool
			switch args[i], ok = known[v]; {
			case ok:
			case v == nil:
				args[i] = math.NaN()
			default:
				args[i], _ = number(v)
			}
		}
		known[n.Out[0]] = elementwise[n.Op.String()](n, args)
	}
	return known[u.nodes[len(u.nodes)-1].Out[0]]
}

// elementwise are the operators that activations are spelled with. An omitted
// operand is NaN, and what is true is 1.
var elementwise = map[string]func(n *ir.Node, a []float64) float64{
	"Add": func(_ *ir.Node, a []float64) float64 { return a[0] + a[1] },
	"Sub": func(_ *ir.Node, a []float64) float64 { return a[0] - a[1] },
	"Sum": func(_ *ir.Node, a []float64) float64 {
		y := 0.0
		for _, x := range a {
			y += x
		}
		return y
	},
	"Mul":        func(_ *ir.Node, a []float64) float64 { return a[0] * a[1] },
	"Div":        func(_ *ir.Node, a []float64) float64 { return a[0] / a[1] },
	"Pow":        func(_ *ir.Node, a []float64) float64 { return math.Pow(a[0], a[1]) },
	"Max":        func(_ *ir.Node, a []float64) float64 { return slices.Max(a) },
	"Min":        func(_ *ir.Node, a []float64) float64 { return slices.Min(a) },
	"Neg":        func(_ *ir.Node, a []float64) float64 { return -a[0] },
	"Abs":        func(_ *ir.Node, a []float64) float64 { return math.Abs(a[0]) },
	"Sign":       func(_ *ir.Node, a []float64) float64 { return truth(a[0] > 0) - truth(a[0] < 0) },
	"Reciprocal": func(_ *ir.Node, a []float64) float64 { return 1 / a[0] },
	"Exp":        func(_ *ir.Node, a []float64) float64 { return math.Exp(a[0]) },
	"Log":        func(_ *ir.Node, a []float64) float64 { return math.Log(a[0]) },
	"Sqrt":       func(_ *ir.Node, a []float64) float64 { return math.Sqrt(a[0]) },
	"Sin":        func(_ *ir.Node, a []float64) float64 { return math.Sin(a[0]) },
	"Cos":        func(_ *ir.Node, a []float64) float64 { return math.Cos(a[0]) },
	"Erf":        func(_ *ir.Node, a []float64) float64 { return math.Erf(a[0]) },
	"Tanh":       func(_ *ir.Node, a []float64) float64 { return math.Tanh(a[0]) },
	"Sigmoid":    func(_ *ir.Node, a []float64) float64 { return sigmoid(a[0]) },
	"Softplus":   func(_ *ir.Node, a []float64) float64 { return softplus(a[0]) },
	"Relu":       func(_ *ir.Node, a []float64) float64 { return max(a[0], 0) },
	"Elu": func(n *ir.Node, a []float64) float64 {
		return elu(a[0], float64(n.Attrs.Float("alpha", 1)))
	},
	"HardSigmoid": func(n *ir.Node, a []float64) float64 {
		return min(max(float64(n.Attrs.Float("alpha", 0.2))*a[0]+float64(n.Attrs.Float("beta", 0.5)), 0), 1)
	},
	"Clip": func(_ *ir.Node, a []float64) float64 {
		y := a[0]
		if len(a) > 1 && y < a[1] {
			y = a[1]
		}
		if len(a) > 2 && y > a[2] {
			y = a[2]
		}
		return y
	},
	"Transpose":      func(_ *ir.Node, a []float64) float64 { return a[0] },
	"Cast":           func(_ *ir.Node, a []float64) float64 { return a[0] },
	"Greater":        func(_ *ir.Node, a []float64) float64 { return truth(a[0] > a[1]) },
	"GreaterOrEqual": func(_ *ir.Node, a []float64) float64 { return truth(a[0] >= a[1]) },
	"Less":           func(_ *ir.Node, a []float64) float64 { return truth(a[0] < a[1]) },
	"LessOrEqual":    func(_ *ir.Node, a []float64) float64 { return truth(a[0] <= a[1]) },
	"And":            func(_ *ir.Node, a []float64) float64 { return a[0] * a[1] },
	"Or":             func(_ *ir.Node, a []float64) float64 { return max(a[0], a[1]) },
	"Not":            func(_ *ir.Node, a []float64) float64 { return 1 - a[0] },
	"Where": func(_ *ir.Node, a []float64) float64 {
		if a[0] != 0 {
			return a[1]
		}
		return a[2]
	},
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
