package patterns

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// gelu is told by its values: ½, x, √2 and 0.044715 x² stand in another order
// and grouping in every exporter and model.
var gelu = &rewrite.Rule{
	Name:  "gelu",
	Doc:   "x/2 · (1 + erf(x/√2)), or with tanh(√(2/π)(x + 0.044715 x³)), however it is spelled, is Gelu",
	Match: geluFinder{},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		approximate, _ := nearestGelu(unary{m.Get("x"), reversed(m.Nodes)})
		return b.OpA("Gelu", ir.Attrs{{Name: "approximate", Value: approximate}}, m.Get("x"))
	},
}

// geluTolerance is how far values may be from GELU's: half-precision models
// hold 0.044715 and √(2/π) with errors of 1e-3, which move it by 6e-4. Its two
// forms are 5e-4 apart, so the nearer one is meant.
const geluTolerance = 1e-3

// something is how far away values are of what was never meant to be GELU.
const something = 0.2

type geluFinder struct{}

func (geluFinder) Roots() []string { return []string{"Mul", "Div"} }

func (geluFinder) Size() int { return 5 } // of the shortest spelling

func (geluFinder) Match(n *ir.Node, _ *ir.OpSet) (*rewrite.Match, *rewrite.Failure) {
	failure := &rewrite.Failure{Reason: "it is no function of one value"}
	nearest := math.Inf(1)
	for _, u := range unaries(n) {
		_, off := nearestGelu(u)
		if off <= geluTolerance {
			return rewrite.NewMatch(reversed(u.nodes), map[string]*ir.Value{"x": u.x}), nil
		}
		if off < nearest && off < something {
			nearest = off
			failure = &rewrite.Failure{Matched: len(u.nodes), Reason: fmt.Sprintf("as a function of %s it is up to %.2g away from Gelu", u.x, off)}
		}
	}
	return nil, failure
}

// nearestGelu returns the form of GELU that u is nearest to, and how far it is
// away at most, between -4 and 4; if it is something else, no less than something.
func nearestGelu(u unary) (approximate string, off float64) {
	var erf, tanh float64
	for x := -4.1; x < 4; x += 0.25 { // not at 0, where quotients may be undefined
		y := u.at(x)
		erf = max(erf, math.Abs(y-x/2*(1+math.Erf(x/math.Sqrt2))))
		tanh = max(tanh, math.Abs(y-x/2*(1+math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))))
		if min(erf, tanh) > something {
			break // most functions are, at the first x
		}
	}
	if erf <= tanh {
		return "none", erf
	}
	return "tanh", tanh
}

// reversed turns the nodes of a unary, root last, into those of a match, root
// first, and back.
func reversed(nodes []*ir.Node) []*ir.Node {
	nodes = slices.Clone(nodes)
	slices.Reverse(nodes)
	return nodes
}
