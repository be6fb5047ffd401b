package passes_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// layered are the kinds of which networks of all sorts are made: with biases, masks,
// softmax, normalizations, convolutions, poolings and norms.
var layered = append(slices.Clone(allKinds),
	func(g *grower) *ir.Value { // a convolution along the rows, padded
		x := g.picture(g.recent())
		return g.matrix(g.OpA("Conv", ir.Attrs{{Name: "pads", Value: []int64{1, 1}}}, x, g.weight(3, 3, 3), g.weight(3)))
	},
	func(g *grower) *ir.Value { // depthwise, of which an output may have no contribution of a sign
		x := g.picture(g.Op("Relu", g.recent()))
		return g.matrix(g.OpA("Conv", ir.Attrs{{Name: "group", Value: int64(3)}}, x, g.weight(3, 1, 1)))
	},
	func(g *grower) *ir.Value { return g.pooled("MaxPool") },
	func(g *grower) *ir.Value { return g.pooled("AveragePool") },
	func(g *grower) *ir.Value {
		return g.pooled("AveragePool", ir.Attr{Name: "count_include_pad", Value: int64(1)})
	},
	func(g *grower) *ir.Value { return g.Add(g.recent(), g.Mean(g.recent(), -1)) },
	func(g *grower) *ir.Value { return g.Add(g.recent(), g.OpA("ReduceMax", nil, g.recent(), g.Ints(-1))) },
	func(g *grower) *ir.Value { return g.Add(g.recent(), g.Op("ReduceL2", g.recent(), g.Ints(-1))) },
	func(g *grower) *ir.Value { return g.Add(g.recent(), g.Op("ReduceL1", g.recent(), g.Ints(0))) },
	func(g *grower) *ir.Value {
		x := g.recent()
		return g.Op("Where", g.Op("Greater", x, g.number(0)), x, g.Mul(g.pick(), g.number(0.1)))
	},
)

// picture makes one of a matrix, whose rows are channels; matrix undoes it.
func (g *grower) picture(v *ir.Value) *ir.Value { return g.Op("Reshape", v, g.Ints(1, 3, 4)) }
func (g *grower) matrix(v *ir.Value) *ir.Value  { return g.Op("Reshape", v, g.Ints(3, 4)) }

func (g *grower) pooled(op string, more ...ir.Attr) *ir.Value {
	attrs := append(ir.Attrs{{Name: "kernel_shape", Value: []int64{2}}, {Name: "pads", Value: []int64{1, 0}}}, more...)
	return g.matrix(g.OpA(op, attrs, g.picture(g.recent())))
}

// places are operators that each conserving rule may stand at.
var places = map[string]string{
	"epsilon":           "MatMul, lxt.Linear, Conv, Add, Sub, ReduceMean, AveragePool",
	"norm":              "Add, Sub, ReduceMean, AveragePool",
	"mean":              "ReduceMean",
	"epsilon-bias":      "MatMul, lxt.Linear, Conv",
	"gamma":             "MatMul, lxt.Linear, Conv",
	"zplus":             "MatMul, lxt.Linear, Conv",
	"alphabeta":         "MatMul, lxt.Linear, Conv",
	"zbox":              "MatMul, lxt.Linear, Conv",
	"wsquare":           "MatMul, lxt.Linear, Conv",
	"flat":              "MatMul, lxt.Linear, Conv",
	"bilinear":          "Mul",
	"uniform":           "Mul",
	"uniform-epsilon":   "Mul",
	"identity":          "Relu, Swish, Gelu, Tanh, Softmax",
	"norm-identity":     "LayerNormalization, RMSNormalization",
	"layernorm-epsilon": "LayerNormalization",
	"winner-takes-all":  "MaxPool, AveragePool, ReduceMax, ReduceMean",
	"proportional":      "MaxPool, AveragePool, ReduceMax, ReduceMean",
	"average":           "MaxPool, AveragePool, ReduceMax, ReduceMean",
	"move":              "Reshape, Transpose, Where, Concat, Slice",
}

// Where nothing may absorb, random networks of all kinds conserve to the digits, under
// every rule that says that it conserves, and under maps that do not.
func TestNeutralGraphsConserve(t *testing.T) {
	maps := []string{"use attnlrp", "use cp-lrp", "use attnlrp-vit", "use epsilon-plus", "use epsilon-plus-flat", "use epsilon-alpha2-beta1", "use gradient-input", "use deconvnet"}
	for _, r := range rules.Standard() {
		at, ok := places[r.Name]
		switch {
		case ok:
			maps = append(maps, "MatMul if bilinear => bilinear\n"+at+" => "+r.Name+"\nuse attnlrp")
		case r.Conserves && r.Name != "straight-through": // at a quantization only
			t.Errorf("rule %s says that it conserves, and stands nowhere here", r.Name)
		}
	}
	for i, text := range maps {
		rm, err := rules.Parse("neutral.rules", text, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.ReplaceAll(text, "\n", "; "), func(t *testing.T) {
			moved := 0.0
			for seed := range uint64(8) {
				m := growShaped(t, seed+uint64(8*i), 4+int(2*seed), layered, 3, 4)
				want, sum, size := neutralSums(t, m, rm, []int64{int64(seed % 3), int64(seed % 4)})
				// Denominators near 0 inside make shares of 1e8, and rounding with them: at
				// most 2e-8 here.
				if d := math.Abs(sum - want); !(d <= 1e-7*(size+1)) {
					t.Errorf("graph %d: relevance sums to %g, want %g, the value of the output; Σ|R| is %g", seed, sum, want, size)
				}
				moved += math.Abs(want)
			}
			if moved < 1 {
				t.Errorf("outputs add up to %g: there was nothing to conserve", moved)
			}
		})
	}
}

// neutralSums runs a grown graph with nothing that absorbs. It returns the output that
// is explained, the relevance of the inputs, and the largest Σ|R| of theirs.
func neutralSums(t *testing.T, m *ir.Model, rm *rules.Map, index []int64) (want, sum, size float64) {
	t.Helper()
	p := passes.Default()
	i := slices.IndexFunc(p, func(pass passes.Pass) bool { return pass.Name == passes.Swap.Name })
	p = slices.Insert(p, i, passes.Neutral)
	opt := passes.Options{Rules: rm, Form: passes.ExplicitForm, Neutral: true, Eval: reference.Eval, Targets: []passes.Target{{Output: "y", Index: index}}}
	in, _ := randomInputs(m)
	if _, err := p.Run(context.Background(), m, opt, passes.Driver{}); err != nil {
		t.Fatal(err)
	}
	out, err := evaluate(m, in)
	if err != nil {
		t.Fatal(err)
	}
	y, err := out["y"].Float64s()
	if err != nil {
		t.Fatal(err)
	}
	sum, size = arrived(t, out)
	return y[4*index[0]+index[1]], sum, size
}
