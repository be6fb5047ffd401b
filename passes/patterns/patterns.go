// Package patterns holds what lxtc recognizes in a graph: the ways in which
// exporters spell normalizations, activations, dense layers and attention.
//
// A recognizer that replaces nodes is a rewrite.Rule; one that only says what
// a node is for, because its operators keep their own relevance rules, is a
// Marker.
package patterns

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// Rules returns the replacing recognizers, in the order in which they are
// tried. A centred normalization comes before one that is not, which would take
// what follows the centring for itself. Activations come before anything that
// sees a product: x·sigmoid(x) is one activation, not a product of two
// operands.
func Rules() []*rewrite.Rule {
	return slices.Concat(
		[]*rewrite.Rule{
			scaledLinear,
			layerNorm, layerNormFactored, layerNormPlain, layerNormBare,
			rmsNorm, rmsNormPlain, layerNormCentred,
			clip,
		},
		activations(),
		[]*rewrite.Rule{
			softmax, expOfLogSoftmax, logOfSoftmax, logSoftmax, logSumExp, softmaxShifted,
			lrn, adaptivePool,
			linear,
			convBias,
			mergeAffine,
			mergeBatchNorm,
			affineNorm,
		},
	)
}

// Markers returns the recognizers that only name roles.
func Markers() []*Marker { return []*Marker{attention, rotary, repeatKV, normalize, componentwise} }

// A Marker finds structures and sets Node.Role.
type Marker struct {
	Name string
	Doc  string // one line

	// At looks at one node and says which nodes have which role; a reason if
	// the node looked promising and is not what the marker looks for; or
	// nothing.
	At func(n *ir.Node) (roles []Role, why string)
}

// Role is what a node is for.
type Role struct {
	Node *ir.Node
	Name string // such as "attention.scores"
}

// lastAxis checks that a reduction runs over the last axis of x and keeps it.
func lastAxis(m *rewrite.Match, axes, reduced string) error {
	return axisIsLast(m.Get(axes), m.Get(reduced))
}

func axisIsLast(axes, reduced *ir.Value) error {
	n := reduced.Def
	if n.Op.String() == "GlobalAveragePool" { // of rows, as tf2onnx spells their mean
		if rank := n.In[0].Type.Rank(); rank != 3 {
			return fmt.Errorf("%v is over all axes from 2 on, of %d", n, rank)
		}
		return nil
	}
	if n.Attrs.Int("keepdims", 1) != 1 {
		return fmt.Errorf("%v drops the reduced axis", n)
	}
	t := rewrite.Constant(axes)
	if t == nil {
		return fmt.Errorf("the axes of %v are not constant", n)
	}
	ints, err := t.Int64s()
	if err != nil {
		return err
	}
	rank := int64(n.In[0].Type.Rank())
	if len(ints) != 1 || ints[0] != -1 && ints[0] != rank-1 {
		return fmt.Errorf("%v reduces axes %v, not the last", n, ints)
	}
	return nil
}

// vector checks that a value is a constant vector, or scalar. There may be axes
// of one element before it: see flat.
func vector(v *ir.Value) error {
	t := rewrite.Constant(v)
	if t == nil {
		return fmt.Errorf("%s is not constant", v)
	}
	if n := len(t.Shape); n > 1 && t.Shape[n-1] != t.Len() {
		return fmt.Errorf("%s is constant %s, want a vector", v, t.TypeOf())
	}
	return nil
}

// flat returns a vector without the axes before it.
func flat(b *ir.Builder, v *ir.Value) *ir.Value {
	if v == nil || v.Type.Rank() == 1 {
		return v
	}
	return b.OpA("Reshape", nil, v, b.Ints(-1))
}
