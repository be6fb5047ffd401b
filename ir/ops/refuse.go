package ops

import (
	"errors"

	"github.com/lxtc/lxtc/ir"
)

// ErrNoDerivative is the error of operators through which relevance should flow
// but whose derivative nobody has written: to call them constant would be wrong.
var ErrNoDerivative = errors.New("no derivative is written for this operator")

// noVJP is the VJP of an operator that has none, though its outputs do depend on
// its floating point inputs.
func noVJP(b *ir.Builder, n *ir.Node, _ []*ir.Value, want []bool) []*ir.Value {
	out := make([]*ir.Value, len(want))
	for i, w := range want {
		if w {
			out[i] = b.Fail("%v: %w", n, ErrNoDerivative)
		}
	}
	return out
}

// Underived returns the operators of which that is so. Fused ones, whose bodies
// have the derivative, are not among them.
func Underived() []ir.OpName {
	return []ir.OpName{cumProd.Name, det.Name, roiAlign.Name, deformConv.Name}
}
