package patterns

import (
	"fmt"
	"strings"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// shifted is x, or x less its maximum, which changes no softmax and keeps it
// from overflowing.
const shifted = `
		shifted = Sub (x, ReduceMax (x, axes2, ...)) | x
`

// softmax spelled out: routers and attentions of a model's own.
var softmax = &rewrite.Rule{
	Name: "softmax",
	Doc:  "exp(x) / Σ exp(x), or exp(x - log Σ exp(x)), is Softmax",
	Match: rewrite.MustParse(shifted + `
		e = Exp (shifted)
		sum = ReduceSum (e, axes)
		lse = ReduceLogSumExp (x, axes)
		y = Div (e, sum) | Mul (e, Reciprocal (sum) | Div (1, sum)) | Exp (Sub (x, lse))
	`),
	If:   func(m *rewrite.Match) error { _, err := softmaxAxis(m, "axes", "axes2"); return err },
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return alongOne(b, m, "Softmax") },
}

// softmaxShifted is one whose input somebody has already made safe.
var softmaxShifted = &rewrite.Rule{
	Name:  "softmax-shifted",
	Doc:   "Softmax of x - max x is that of x",
	Match: rewrite.MustParse(`y = Softmax (Sub (x, ReduceMax (x, axes2, ...)))`),
	If: func(m *rewrite.Match) error {
		axis, err := softmaxAxis(m, "axes2")
		if own := ownAxis(m); err == nil && own != axis {
			err = fmt.Errorf("the maximum is along axis %d, and %v along axis %d", axis, m.Root, own)
		}
		return err
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return alongOne(b, m, "Softmax", "axes2") },
}

// logSumExp spelled out.
var logSumExp = &rewrite.Rule{
	Name: "logsumexp",
	Doc:  "log Σ exp(x), or max x + log Σ exp(x - max x), is ReduceLogSumExp",
	Match: rewrite.MustParse(`
		max = ReduceMax (x, axes2, ...)
		y = Add (max, Log (ReduceSum (Exp (Sub (x, max)), axes))) | Log (ReduceSum (Exp (x), axes))
	`),
	If: func(m *rewrite.Match) error { _, err := softmaxAxis(m, "axes", "axes2"); return err },
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return b.OpA("ReduceLogSumExp", nil, m.Get("x"), m.Get("axes"))
	},
}

// logSoftmax is the logarithm of a probability, where the exporter has no
// operator for it.
var logSoftmax = &rewrite.Rule{
	Name: "logsoftmax",
	Doc:  "x - log Σ exp(x) is LogSoftmax",
	Match: rewrite.MustParse(shifted + `
		y = Sub (shifted, Log (ReduceSum (Exp (shifted), axes)) | ReduceLogSumExp (shifted, axes))
	`),
	If:   func(m *rewrite.Match) error { _, err := softmaxAxis(m, "axes", "axes2"); return err },
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value { return alongOne(b, m, "LogSoftmax") },
}

// logOfSoftmax and expOfLogSoftmax take a logarithm of an exponential, which
// loses what is small.
var logOfSoftmax = &rewrite.Rule{
	Name:  "log-of-softmax",
	Doc:   "log Softmax(x) is LogSoftmax",
	Match: rewrite.MustParse(`y = Log (Softmax (x))`),
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return b.OpA("LogSoftmax", m.Nodes[1].Attrs, m.Get("x"))
	},
}

var expOfLogSoftmax = &rewrite.Rule{
	Name:  "exp-of-logsoftmax",
	Doc:   "exp LogSoftmax(x) is Softmax",
	Match: rewrite.MustParse(`y = Exp (LogSoftmax (x))`),
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return b.OpA("Softmax", m.Nodes[1].Attrs, m.Get("x"))
	},
}

func alongOne(b *ir.Builder, m *rewrite.Match, op string, axes ...string) *ir.Value {
	axis, _ := softmaxAxis(m, append(axes, "axes")[0])
	return b.OpA(op, ir.Attrs{{Name: "axis", Value: axis}}, m.Get("x"))
}

// softmaxAxis returns the one axis that all reductions of a match run along, as
// a number from the front. They must keep it.
func softmaxAxis(m *rewrite.Match, names ...string) (int64, error) {
	rank := int64(m.Get("x").Type.Rank())
	if rank < 0 {
		return 0, fmt.Errorf("the rank of %s is not known", m.Get("x"))
	}
	axis := int64(-1)
	for _, name := range names {
		if m.Get(name) == nil {
			continue
		}
		axes, err := m.Ints(name)
		if err != nil {
			return 0, err
		}
		if len(axes) != 1 {
			return 0, fmt.Errorf("%s reduces axes %v, want one", m.Get(name), axes)
		}
		at := axes[0]
		if at < 0 {
			at += rank
		}
		if axis >= 0 && at != axis {
			return 0, fmt.Errorf("one reduction is along axis %d and one along axis %d", axis, at)
		}
		axis = at
	}
	for _, n := range m.Nodes {
		if strings.HasPrefix(n.Op.Name, "Reduce") && n.Attrs.Int("keepdims", 1) != 1 {
			return 0, fmt.Errorf("%v drops the reduced axis", n)
		}
	}
	return axis, nil
}

// ownAxis is that of the Softmax at the root of a match.
func ownAxis(m *rewrite.Match) int64 {
	axis := m.Root.Attrs.Int("axis", -1)
	if axis < 0 {
		axis += int64(m.Get("x").Type.Rank())
	}
	return axis
}
