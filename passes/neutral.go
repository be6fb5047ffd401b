package passes

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/rules"
)

// Neutral makes a model of which no operator should keep relevance for itself: what
// is added to live values becomes 0. With Options.Neutral, under which swap binds
// no rule that absorbs, as much relevance must reach what is explained as started
// at the target. What does not is lost by a defect, of the model's operators or of
// a rule.
//
// The model then computes something else. It is for checks only, and in no
// pipeline but theirs.
var Neutral = Pass{
	Name: "neutral",
	Doc: "set to 0 what is added to live values\n\n" +
		"Biases, position embeddings, masks and running means take a share of relevance. Without them, and with rules that do not absorb, relevance is conserved to the digits.",
	After: []string{"target", "recognize"},
	Run:   neutral,
}

// summands are the inputs, of operators that have others as well, that are added:
// a running mean is subtracted.
var summands = map[string][]int{
	"lxt.Linear": {2}, "Gemm": {2}, "Conv": {2}, "ConvTranspose": {2},
	"LayerNormalization": {2}, "GroupNormalization": {2}, "InstanceNormalization": {2}, "BatchNormalization": {2, 3},
	"Add": {0, 1}, "Sub": {0, 1}, "Sum": nil, // all
}

func neutral(c *Context, m *ir.Model) error {
	sources, targets, err := c.ends(m)
	if err != nil {
		return err
	}
	live, used := forward(m, sources, nil), backward(m, targets)
	for n := range m.Graph.Nodes() {
		added, any := summands[n.Op.String()]
		if !any || !live.any(n.In) || !used.any(n.Out) {
			continue
		}
		for i, v := range n.In {
			if v == nil || live[v] || !v.Type.Elem.IsFloat() || added != nil && !slices.Contains(added, i) {
				continue
			}
			b := m.At(m.Graph, n)
			b.Origin = "neutral <- " + n.String()
			zero := b.Op("Expand", b.Scalar(0, v), b.Op("Shape", v))
			if err := b.Err(); err != nil {
				return err
			}
			zero.Type = v.Type
			n.SetInput(i, zero)
			c.Did("zero", n.String(), v.Name)
		}
	}
	return nil
}

// neutral returns the rule in place of a call's that keeps nothing at n: the same
// if it is one that conserves, without stabilizer; else one that does.
func (b *binder) neutral(n *ir.Node, call rules.Call) rules.Call {
	live, count, one := make([]bool, len(n.In)), 0, -1
	for i, v := range n.In {
		if v != nil && b.flows[v] {
			live[i], one = true, i
			count++
		}
	}
	linear := Linear(b.m, n, live)
	op := b.m.Ops.Lookup(n.Op)
	switch r := call.Rule; {
	case r.Stops:
		return call
	case op != nil && op.Moves:
		return rules.Move.MustOf()
	case r.Conserves && (linear || !r.Linear && !r.OnlyLinear):
		return keepingNothing(n, call)
	case linear || count == 1 && slices.Contains(homogeneous, n.Op.String()):
		return keepingNothing(n, rules.Epsilon.MustOf())
	case count > 1 && isProduct(n):
		return keepingNothing(n, rules.Bilinear.MustOf())
	case count > 1:
		return rules.Uniform.MustOf()
	case count == 1 && sameShape(n.In[one], n.Out[0]):
		return rules.Identity.MustOf()
	}
	return keepingNothing(n, call)
}

// homogeneous are operators of another shape than their input that grow with it: the
// contributions x ∂z/∂x add up to z, as those of linear ones do.
var homogeneous = []string{"ReduceL1", "ReduceL2", "LpPool", "GlobalLpPool"}

// isProduct reports whether n sums up products of elements of its operands.
func isProduct(n *ir.Node) bool {
	return slices.Contains([]string{"MatMul", "Einsum", "Gemm", "lxt.Linear", "Conv"}, n.Op.String())
}

// sameShape reports whether w has the shape of v; dimensions that are unknown in
// both are taken to be those that an operator hands on.
func sameShape(v, w *ir.Value) bool {
	return w != nil && v.Type.Rank() >= 0 && slices.Equal(v.Type.Shape, w.Type.Shape)
}

// keepingNothing returns a call that keeps no denominator from 0 but those that are 0,
// and shares what arrives where nothing contributes: at an output that is made of
// zeros, or of no contribution of the sign that the rule looks for.
func keepingNothing(n *ir.Node, call rules.Call) rules.Call {
	args := slices.Clone(call.Args)
	for i, p := range call.Rule.Params {
		switch {
		case p.Name == "stabilizer" && slices.Contains(p.Choices, "zeros"):
			args[i] = "zeros"
		case p.Name == "absorbed" && call.Rule.Shares(n.Op):
			args[i] = "shared"
		}
	}
	return rules.Call{Rule: call.Rule, Args: args}
}
