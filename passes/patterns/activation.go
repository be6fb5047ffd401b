package patterns

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// activations are the functions of one value that have an operator. They are
// told by their values: constants stand in another order and grouping in every
// exporter and model.
func activations() []*rewrite.Rule {
	one := func(f func(float64) float64) func(unary) []candidate {
		return func(unary) []candidate { return []candidate{{f: f}} }
	}
	gate := []string{"Mul", "Div", "Add"}
	chosen := []string{"Max", "Where", "Clip", "Mul", "Add", "Sub"}
	return []*rewrite.Rule{
		activation{
			name: "gelu", op: "Gelu", roots: gate, size: 5, tolerance: geluTolerance, candidates: geluForms,
			doc: "x/2 · (1 + erf(x/√2)), or with tanh(√(2/π)(x + 0.044715 x³)), however it is spelled, is Gelu",
		}.rule(),
		activation{
			name: "swish", op: "Swish", roots: gate, size: 2, candidates: one(func(x float64) float64 { return x * sigmoid(x) }),
			doc: "x · sigmoid(x), or x / (1 + exp(-x)), is Swish (SiLU)",
		}.rule(),
		activation{
			name: "mish", op: "Mish", roots: gate, size: 3, candidates: one(func(x float64) float64 { return x * math.Tanh(softplus(x)) }),
			doc: "x · tanh(softplus(x)) is Mish",
		}.rule(),
		activation{
			name: "hard-swish", op: "HardSwish", roots: gate, size: 2, tolerance: sixthTolerance, candidates: one(func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) }),
			doc: "x · clip(x + 3, 0, 6) / 6 is HardSwish",
		}.rule(),
		activation{
			name: "hard-sigmoid", op: "HardSigmoid", roots: []string{"Div", "Mul", "Clip", "Min", "Max"}, size: 3, tolerance: sixthTolerance, candidates: hardSigmoids,
			doc: "clip(x + 3, 0, 6) / 6, or clip(x/5 + 1/2, 0, 1), is HardSigmoid",
		}.rule(),
		activation{
			name: "softsign", op: "Softsign", roots: gate, size: 3, candidates: one(func(x float64) float64 { return x / (1 + math.Abs(x)) }),
			doc: "x / (1 + |x|) is Softsign",
		}.rule(),
		activation{
			name: "quick-gelu", op: "Swish", roots: gate, size: 3, candidates: anySwish,
			doc: "x · sigmoid(α x) is Swish with α; CLIP has α = 1.702",
		}.rule(),
		activation{
			name: "softplus", op: "Softplus", roots: []string{"Log", "Where", "Add", "Sub", "Neg"}, size: 3, candidates: one(softplus),
			doc: "log(1 + exp(x)), or x itself where that is large, is Softplus",
		}.rule(),
		activation{
			name: "sigmoid", op: "Sigmoid", roots: []string{"Div", "Reciprocal", "Mul", "Add", "Exp"}, size: 2, candidates: one(sigmoid),
			doc: "1 / (1 + exp(-x)), or (1 + tanh(x/2)) / 2, or exp(log sigmoid(x)), is Sigmoid",
		}.rule(),
		activation{
			name: "tanh", op: "Tanh", roots: []string{"Div", "Mul", "Sub", "Add"}, size: 4, candidates: one(math.Tanh),
			doc: "(exp(x) - exp(-x)) / (exp(x) + exp(-x)), or 2 sigmoid(2x) - 1, is Tanh",
		}.rule(),
		activation{
			name: "relu", op: "Relu", roots: chosen, size: 1, tolerance: exact, candidates: one(func(x float64) float64 { return max(x, 0) }),
			doc: "max(x, 0), or x where x > 0, is Relu",
		}.rule(),
		activation{
			name: "leaky-relu", op: "LeakyRelu", roots: chosen, size: 2, candidates: leakyRelus,
			doc: "max(x, α x), or x where x > 0 and α x elsewhere, is LeakyRelu",
		}.rule(),
		activation{
			name: "elu", op: "Elu", roots: chosen, size: 4, candidates: elus,
			doc: "x where x > 0, and α (exp(x) - 1) elsewhere, is Elu",
		}.rule(),
		activation{
			name: "shrink", op: "Shrink", roots: chosen, size: 3, candidates: shrinks,
			doc: "x, or x moved towards 0 by λ, where |x| > λ, and 0 elsewhere, is Shrink",
		}.rule(),
	}
}

// An activation is a family of functions that one operator computes.
type activation struct {
	name, op, doc string
	roots         []string
	size          int // operators of the shortest spelling
	tolerance     float64

	// candidates returns the members that u can be.
	candidates func(u unary) []candidate
}

// A candidate is a function, and the attributes that the operator computes it
// with.
type candidate struct {
	f     func(float64) float64
	attrs ir.Attrs
}

func (a activation) rule() *rewrite.Rule {
	if a.tolerance == 0 {
		a.tolerance = curveTolerance
	}
	return &rewrite.Rule{
		Name:  a.name,
		Doc:   a.doc,
		Match: a,
		With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
			u := unary{m.Get("x"), reversed(m.Nodes)}
			c, _ := a.nearest(u)
			y := b.OpA(a.op, c.attrs, u.x)
			if axes, _ := u.layout(); !slices.IsSorted(axes) {
				y = b.OpA("Transpose", ir.Attrs{{Name: "perm", Value: axes}}, y)
			}
			if elem := m.Root.Out[0].Type.Elem; elem != u.x.Type.Elem { // cast on the way
				y = b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(elem)}}, y)
			}
			return y
		},
	}
}

// Roots and Size make an activation a rewrite.Matcher.
func (a activation) Roots() []string { return a.roots }

// Size is that of the shortest spelling.
func (a activation) Size() int { return a.size }

// Match finds the fewest operators that compute the function.
func (a activation) Match(n *ir.Node, _ *ir.OpSet) (*rewrite.Match, *rewrite.Failure) {
	failure := &rewrite.Failure{Reason: "it is no function of one value"}
	nearest := math.Inf(1)
	for _, u := range unaries(n) {
		if u.operators() < a.size || !n.Out[0].Type.Elem.IsFloat() || u.widens() {
			continue
		}
		if _, ok := u.layout(); !ok {
			continue
		}
		_, off := a.nearest(u)
		if off <= a.tolerance {
			return rewrite.NewMatch(reversed(u.nodes), map[string]*ir.Value{"x": u.x}), nil
		}
		if off < nearest && off < something && len(u.nodes) > 1 {
			nearest = off
			failure = &rewrite.Failure{Matched: len(u.nodes), Reason: fmt.Sprintf("as a function of %s it is up to %.2g away from %s", u.x, off, a.op)}
		}
	}
	return nil, failure
}

// nearest returns the candidate that u is nearest to, and how far it is away at
// most, relative to values above 1; if u is something else, no less than
// something.
func (a activation) nearest(u unary) (best candidate, off float64) {
	off = math.Inf(1)
	xs := samples(u)
	for _, c := range a.candidates(u) {
		if d := distance(u, c.f, xs, off); d < off {
			best, off = c, d
		}
	}
	return best, off
}

// curveTolerance is how far values may be from an activation's. What float32
// holds of constants moves them by 1e-7; those that half-precision models have
// none of exactly, 1/6 and 1/5, by 3e-4.
const (
	curveTolerance = 1e-6
	sixthTolerance = 5e-4
)

// exact is for what has no constants: a maximum of x and 1e-12 guards a
// quotient, and is no Relu.
const exact = math.SmallestNonzeroFloat64

// something is how far away values are of what was never meant to be an
// activation.
const something = 0.05

// samples are where functions are compared: around 0, where activations bend,
// far away, where bounds act, and on either side of every constant that they are spelled
// with. They are never 0, where quotients may be undefined.
func samples(u unary) []float64 {
	var xs []float64
	for x := -4.1; x < 4; x += 0.25 {
		xs = append(xs, x)
	}
	for _, x := range []float64{6, 10, 30, 80, 1e3, 1e5, 1e10} {
		xs = append(xs, x, -x)
	}
	for _, c := range u.numbers() {
		if c != 0 && math.Abs(c) < 1e10 {
			xs = append(xs, 0.9*c, -0.9*c, 1.1*c, -1.1*c)
		}
	}
	return xs
}

// distance returns how far u is from f at most. Where u overflows, which the
// operator does not, it says nothing. The distance is at least something, or
// limit, as soon as it is known to be.
func distance(u unary, f func(float64) float64, xs []float64, limit float64) float64 {
	off := 0.0
	for _, x := range xs {
		y := u.at(x)
		if math.IsNaN(y) || math.IsInf(y, 0) {
			if math.Abs(x) < 50 {
				return math.Inf(1)
			}
			continue
		}
		want := f(x)
		off = max(off, math.Abs(y-want)/max(1, math.Abs(want)))
		if off > something || off >= limit {
			break // most functions are, at the first x
		}
	}
	return off
}

// reversed turns the nodes of a unary, root last, into those of a match, root
// first, and back.
func reversed(nodes []*ir.Node) []*ir.Node {
	nodes = slices.Clone(nodes)
	slices.Reverse(nodes)
	return nodes
}
