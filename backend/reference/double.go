package reference

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// A run in double precision takes numbers that formulas and attributes give as they
// were meant, not as the float32 that is stored of them: ir.Tensor.Exact of a
// constant, and ir.Decimal of the attributes in written. So its results are those of
// a tool that has such numbers in float64, where the float32 of 0.1 alone makes a
// difference of 1.5e-8. What a file stores as tensors, and what comes as an input, is
// taken as it is. A run that rounds to the declared types, and constant folding,
// have float32 numbers, as ONNX Runtime has.

// tensor returns a constant of the model.
func (r *run) tensor(t *ir.Tensor) (*Array, error) {
	a, err := FromTensor(t)
	if err == nil && r.double && t.Exact != nil {
		a.F = t.Exact
	}
	return a, err
}

// kernel is kernelOf, in the precision of the run.
func (r *run) kernel(op ir.OpName) kernel {
	k := kernelOf(op)
	switch {
	case !r.double:
	case op.String() == "Constant":
		return func(n *ir.Node, _ []*Array) ([]*Array, error) { return constantBy(n, r.tensor) }
	case slices.Contains(writtenOut, op.String()):
		return func(n *ir.Node, in []*Array) ([]*Array, error) { return standardBody(n, in, true) }
	case written[op.String()] != nil:
		return func(n *ir.Node, in []*Array) ([]*Array, error) { return k(inDouble(n), in) }
	}
	return k
}

// holds reports whether t is a without a loss.
func holds(a *Array, t *ir.Tensor) bool {
	if a == nil || a.F == nil {
		return true
	}
	fs, err := t.Float64s()
	return err == nil && slices.EqualFunc(a.F, fs, func(x, y float64) bool { return x == y || x != x && y != y })
}

// written are the attributes that count in double precision as they were written,
// by operator, with their defaults. Those that data are compared with are not here,
// such as ThresholdedRelu's alpha: in float32 an element that is 0.1 is not above an
// alpha of 0.1, and it should not be in float64. Nor are those that were computed
// rather than written, such as the scale of attention, 1/√d.
var written = map[string]map[string]float32{
	"LeakyRelu":             {"alpha": 0.01},
	"Elu":                   {"alpha": 1},
	"Celu":                  {"alpha": 1},
	"Swish":                 {"alpha": 1},
	"HardSigmoid":           {"alpha": 0.2, "beta": 0.5},
	"Gemm":                  {"alpha": 1, "beta": 1},
	"LRN":                   {"alpha": 1e-4, "beta": 0.75, "bias": 1},
	"LayerNormalization":    {"epsilon": 1e-5},
	"RMSNormalization":      {"epsilon": 1e-5},
	"InstanceNormalization": {"epsilon": 1e-5},
	"GroupNormalization":    {"epsilon": 1e-5},
	"BatchNormalization":    {"epsilon": 1e-5},
}

// inDouble returns n with the attributes in written as float64, which attribute reads.
func inDouble(n *ir.Node) *ir.Node {
	c := *n
	for name, def := range written[n.Op.String()] {
		c.Attrs = c.Attrs.With(name, n.Attrs.Decimal(name, def))
	}
	return &c
}

// attribute returns an attribute in written, in double precision or in float32.
func attribute(n *ir.Node, name string) float64 {
	switch x := n.Attrs.Get(name).(type) {
	case float64:
		return x
	case float32:
		return float64(x)
	}
	return float64(written[n.Op.String()][name])
}
