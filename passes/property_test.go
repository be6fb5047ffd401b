package passes_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// A grower builds random graphs of what networks are made of, as exporters
// spell it. All values have the same shape, a matrix or a batch of matrices.
type grower struct {
	*ir.Builder
	r     *rand.Rand
	shape []int64
	vals  []*ir.Value
}

// grow returns a model of so many steps on values of shape [3,4], each step of
// one of the given kinds.
func grow(t testing.TB, seed uint64, steps int, kinds []func(*grower) *ir.Value) *ir.Model {
	t.Helper()
	return growShaped(t, seed, steps, kinds, 3, 4)
}

func growShaped(t testing.TB, seed uint64, steps int, kinds []func(*grower) *ir.Value, shape ...int64) *ir.Model {
	t.Helper()
	m := &ir.Model{Graph: ir.NewGraph("random"), Opsets: map[string]int64{"": ops.Version}, Ops: ops.Standard()}
	g := &grower{Builder: m.At(m.Graph, nil), r: rand.New(rand.NewPCG(seed, 0)), shape: shape}
	g.vals = []*ir.Value{m.Graph.Input("x", ir.TypeOf(ir.Float, shape...)), m.Graph.Input("u", ir.TypeOf(ir.Float, shape...))}
	for range steps {
		v := kinds[g.r.IntN(len(kinds))](g)
		g.vals = append(g.vals, v)
	}
	y := g.vals[len(g.vals)-1]
	for _, v := range g.vals[2 : len(g.vals)-1] { // every step counts
		if v.NumUses() == 0 {
			y = g.Add(y, v)
		}
	}
	y = g.Named("y", g.Op("Identity", y))
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	m.Graph.Outputs = []*ir.Value{y}
	return m
}

func (g *grower) pick() *ir.Value { return g.vals[g.r.IntN(len(g.vals))] }

// recent is mostly one of the last values, so that graphs grow deep.
func (g *grower) recent() *ir.Value {
	return g.vals[max(0, len(g.vals)-1-g.r.IntN(3))]
}

func (g *grower) weight(shape ...int) *ir.Value {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(g.r.NormFloat64())
	}
	return g.Graph.Const("w", ir.Of(x, shape...))
}

// width is the number of features: the length of the last axis.
func (g *grower) width() int { return int(g.shape[len(g.shape)-1]) }

func (g *grower) number(x float64) *ir.Value { return g.Scalar(x, g.vals[0]) }

var conserving = []func(*grower) *ir.Value{
	func(g *grower) *ir.Value { return g.MatMul(g.recent(), g.weight(g.width(), g.width())) },
	func(g *grower) *ir.Value { return g.Add(g.recent(), g.pick()) },
	func(g *grower) *ir.Value { return g.Mul(g.recent(), g.pick()) },
	func(g *grower) *ir.Value { return g.Op("Tanh", g.recent()) },
	func(g *grower) *ir.Value { x := g.recent(); return g.Mul(x, g.Op("Sigmoid", x)) },
	func(g *grower) *ir.Value {
		return g.Op("Reshape", g.SwapLast(g.recent()), g.Ints(g.shape...))
	},
	func(g *grower) *ir.Value {
		axis := int64(len(g.shape) - 2)
		both := g.OpA("Concat", ir.Attrs{{Name: "axis", Value: axis}}, g.recent(), g.pick())
		rows := g.shape[axis]
		return g.Op("Slice", both, g.Ints(rows-1), g.Ints(2*rows-1), g.Ints(axis))
	},
	func(g *grower) *ir.Value {
		return g.MatMul(g.MatMul(g.recent(), g.SwapLast(g.pick())), g.pick())
	},
}

var allKinds = append(slices.Clone(conserving),
	func(g *grower) *ir.Value { return g.Add(g.MatMul(g.recent(), g.weight(4, 4)), g.weight(4)) },
	func(g *grower) *ir.Value { return g.Op("Relu", g.recent()) },
	func(g *grower) *ir.Value { return g.Op("Identity", g.Op("Dropout", g.recent())) },
	func(g *grower) *ir.Value { x := g.recent(); return g.Sub(g.Op("Neg", x), g.Op("Neg", x)) }, // for cse
	func(g *grower) *ir.Value { return g.Add(g.recent(), g.Op("Exp", g.weight(4))) },            // for fold
	func(g *grower) *ir.Value { // attention
		scores := g.Mul(g.MatMul(g.recent(), g.SwapLast(g.pick())), g.number(0.5))
		return g.MatMul(g.OpA("Softmax", ir.Attrs{{Name: "axis", Value: int64(-1)}}, scores), g.pick())
	},
	func(g *grower) *ir.Value { // RMSNormalization
		x := g.recent()
		root := g.Op("Sqrt", g.Add(g.Mean(g.Op("Pow", x, g.number(2)), -1), g.number(1e-5)))
		return g.Mul(g.Mul(x, g.Op("Reciprocal", root)), g.weight(4))
	},
	func(g *grower) *ir.Value { // LayerNormalization
		x := g.recent()
		d := g.Sub(x, g.Mean(x, -1))
		root := g.Op("Sqrt", g.Add(g.Mean(g.Mul(d, d), -1), g.number(1e-5)))
		return g.Add(g.Mul(g.Div(d, root), g.weight(4)), g.weight(4))
	},
	func(g *grower) *ir.Value { // Gelu
		x := g.recent()
		phi := g.Add(g.Op("Erf", g.Div(x, g.number(math.Sqrt2))), g.number(1))
		return g.Mul(g.Mul(x, phi), g.number(0.5))
	},
	func(g *grower) *ir.Value { // in the shape of itself
		x := g.recent()
		return g.Op("Reshape", g.Op("Reshape", x, g.Ints(-1)), g.Op("Shape", x))
	},
)

// Whatever passes do, the model's outputs stay what they were, and the model
// that was given stays as it is.
func TestForwardStays(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := grow(t, seed, 4+int(seed/4), allKinds)
			text, hash := m.Text(), ir.Hash(m)
			in, _ := randomInputs(m)
			want, err := evaluate(m, in)
			if err != nil {
				t.Fatal(err)
			}
			opt := passes.Options{Eval: reference.Eval, Form: passes.Form(seed % 2), Opset: 15 + int64(seed%9)}
			dump := func(pass string, m *ir.Model) error {
				got, err := evaluate(m, in)
				if err != nil {
					return err
				}
				// Constants that passes compute are float32.
				if d := worst(t, got["y"], want["y"]); !(d <= 1e-5) {
					t.Errorf("after %s the output has changed by %g", pass, d)
				}
				return nil
			}
			if _, err := passes.Default().Run(context.Background(), m.Clone(), opt, passes.Driver{Strict: true, Dump: dump}); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(text, m.Text()); d != "" || ir.Hash(m) != hash {
				t.Errorf("the model that was cloned has changed:\n%s", d)
			}
		})
	}
}

// The order in which a file lists independent nodes does not matter.
func TestOrderDoesNotMatter(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := grow(t, seed, 12, allKinds)
			in, _ := randomInputs(m)
			run := func(m *ir.Model) (map[string]*ir.Tensor, map[string]int) {
				opt := passes.Options{Eval: reference.Eval, Form: passes.Form(seed % 2)}
				if _, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{}); err != nil {
					t.Fatal(err)
				}
				out, err := evaluate(m, in)
				if err != nil {
					t.Fatal(err)
				}
				count := map[string]int{}
				for n := range m.Graph.Nodes() {
					name, _, _ := strings.Cut(n.Op.Name, "_grad")
					count[strings.TrimRight(name, "_0123456789")]++ // which of two functions of a name is _2 is chance
				}
				return out, count
			}
			other := m.Clone()
			shuffle(t, other.Graph, rand.New(rand.NewPCG(seed, 1)))
			want, wantOps := run(m)
			got, gotOps := run(other)
			if d := cmp.Diff(wantOps, gotOps); d != "" {
				t.Errorf("the rewritten graphs differ:\n%s", d)
			}
			for name := range want {
				// Sums of relevance are in another order.
				if d := worst(t, got[name], want[name]); !(d <= 1e-9) {
					t.Errorf("%s differs by %g", name, d)
				}
			}
		})
	}
}

// shuffle puts the nodes of g into a random order that is possible.
func shuffle(t testing.TB, g *ir.Graph, r *rand.Rand) {
	t.Helper()
	left := slices.Collect(g.Nodes())
	placed := map[*ir.Node]bool{}
	var order []*ir.Node
	for len(left) > 0 {
		i := r.IntN(len(left))
		ready := !slices.ContainsFunc(left[i].In, func(v *ir.Value) bool { return v != nil && v.Def != nil && !placed[v.Def] })
		if ready {
			placed[left[i]] = true
			order = append(order, left[i])
			left = slices.Delete(left, i, i+1)
		}
	}
	if err := g.Reorder(order); err != nil {
		t.Fatal(err)
	}
}

// conservingRules are rules that say that they conserve, each as it is for
// products with weights, with nothing that keeps its denominators from 0.
var conservingRules = []string{
	"epsilon(0)", "epsilon-bias(0)", "norm(0)", "gamma(0.25, 0)", "gamma(4, 0)", "zplus(0)", "alphabeta(2, 0)", "alphabeta(1.5, 0)",
	"zbox(-9, 9, 0)", "wsquare(0)", "flat(0)", "uniform-epsilon(0)", "bilinear(0)",
}

// Rules that conserve do so through whole graphs, of which nothing absorbs.
func TestGraphsConserve(t *testing.T) {
	const width = 16 // so many that contributions to an output are of both signs
	for i, rule := range conservingRules {
		rm, err := rules.Parse("conserving.rules", `
			MatMul if bilinear                  => bilinear(0)
			MatMul                              => `+rule+`
			Add                                 => epsilon(0)
			Mul                                 => uniform
			Tanh, Swish                         => identity
			Identity, Reshape, Transpose, Concat, Slice => move
		`, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		t.Run(rule, func(t *testing.T) {
			for seed := range uint64(8) {
				m := growShaped(t, seed+uint64(8*i), 3+int(2*seed), conserving, 3, width)
				row, column := int64(seed%3), int64(seed%width)
				opt := passes.Options{
					Rules: rm, Form: passes.ExplicitForm, Eval: reference.Eval,
					Targets: []passes.Target{{Output: "y", Index: []int64{row, column}}},
				}
				in, _ := randomInputs(m)
				if _, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{}); err != nil {
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
				want := y[width*row+column]
				sum, size := arrived(t, out)
				// Denominators near 0 make shares large, and rounding with them.
				if d := math.Abs(sum - want); !(d <= 1e-9*(size+1)) {
					t.Errorf("graph %d: relevance sums to %g, want %g, the value of the output", seed, sum, want)
				}
			}
		})
	}
}

// arrived returns the relevance of both inputs of a grown graph, and its Σ|R|.
func arrived(t *testing.T, out map[string]*ir.Tensor) (sum, size float64) {
	t.Helper()
	for _, name := range []string{"x", "u"} {
		r, err := out["R:"+name].Float64s()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r {
			sum += f
			size += math.Abs(f)
		}
	}
	return sum, size
}

// Where nothing may be absorbed, whole graphs conserve in both forms: with biases,
// masks, softmax and normalizations.
func TestGraphsWithoutAbsorption(t *testing.T) {
	for _, tt := range []struct {
		rules string
		form  passes.Form
		kinds []func(*grower) *ir.Value
		limit float64
	}{
		// Some sums are 0: there LXT's stabilizer makes shares of 1e8, of which float64 has 8 digits left.
		{"use attnlrp(absorbed=shared)", passes.ExplicitForm, allKinds, 1e-9},
		{"use attnlrp(absorbed=shared, stabilizer=sign, eps=0.1)", passes.ExplicitForm, allKinds, 1e-9},
		{"Softmax => taylor(shared)\nuse cp-lrp(absorbed=shared)", passes.ExplicitForm, allKinds, 1e-9},
		{"use attnlrp(absorbed=active)", passes.GradientForm, withoutZeros(), 1e-7},
		{"use attnlrp(absorbed=active, stabilizer=sign, eps=0.1)", passes.GradientForm, withoutZeros(), 1e-7},
	} {
		rm, err := rules.Parse("all.rules", tt.rules, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		t.Run(tt.rules+" "+tt.form.String(), func(t *testing.T) {
			for seed := range uint64(24) {
				m := growShaped(t, seed, 3+int(seed), tt.kinds, 3, 4)
				row, column := int64(seed%3), int64(seed%4)
				opt := passes.Options{Rules: rm, Form: tt.form, Eval: reference.Eval, Targets: []passes.Target{{Output: "y", Index: []int64{row, column}}}}
				in, _ := randomInputs(m)
				if _, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{}); err != nil {
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
				want := y[4*row+column]
				sum, size := arrived(t, out)
				if d := math.Abs(sum-want) / (size + 1); !(d <= tt.limit) {
					t.Errorf("graph %d: relevance sums to %g, want %g, the value of the output: %.2g of what there is", seed, sum, want, d)
				}
			}
		})
	}
}

// withoutZeros are the kinds that make no zeros, which gradient form gives nothing:
// all but Relu and x - x.
func withoutZeros() []func(*grower) *ir.Value {
	n := len(conserving)
	return slices.Concat(conserving, allKinds[n:n+1], allKinds[n+2:n+3], allKinds[n+4:])
}

// The rules that say that they conserve are in the list above, unless they are for
// other operators than products.
func TestEveryConservingRuleIsTried(t *testing.T) {
	elsewhere := []string{
		"uniform", "identity", "move", // in every one of the graphs
		"norm-identity", "layernorm-epsilon", // of normalizations
		"mean", "winner-takes-all", "proportional", "average", // of pooling
		"straight-through", // of rounding
	}
	for _, r := range rules.Standard() {
		tried := slices.ContainsFunc(conservingRules, func(call string) bool { return strings.HasPrefix(call, r.Name+"(") })
		if r.Conserves != (tried || slices.Contains(elsewhere, r.Name)) {
			t.Errorf("rule %s: conserves: %v, tried: %v", r.Name, r.Conserves, tried)
		}
	}
}

// Computing only what the targets need gives the same relevance.
func TestDemandGivesTheSame(t *testing.T) {
	cut := 0
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := growShaped(t, seed, 3+int(seed/6), allKinds, 2, 3, 4)
			in, _ := randomInputs(m)
			position := int64(seed%5) - 2
			opt := passes.Options{Eval: reference.Eval, Form: passes.Form(seed % 2), Targets: []passes.Target{{Output: "y", Position: position}}}
			if seed%3 == 0 {
				opt.Targets = []passes.Target{{Output: "y", Index: []int64{0, position, 1}}, {Output: "y", Index: []int64{1, position, 2}, Weight: -0.5}}
			}
			run := func(only bool) map[string]*ir.Tensor {
				c := m.Clone()
				opt.TargetsOnly = only
				if _, err := passes.Default().Run(context.Background(), c, opt, passes.Driver{Strict: true}); err != nil {
					t.Fatal(err)
				}
				if n, _ := c.Graph.Find("y").Type.Shape[1].Num(); only && n == 1 {
					cut++
				}
				out, err := evaluate(c, in)
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			want, got := run(false), run(true)
			for _, name := range []string{"R:x", "R:u"} {
				// Sums over one position are in another order than over all.
				if d := worst(t, got[name], want[name]); !(d <= 1e-9) {
					t.Errorf("%s differs by %g", name, d)
				}
			}
		})
	}
	if cut == 0 {
		t.Error("nothing was cut")
	}
}

// A long chain of nodes that sink to one place uses up the labels between two
// neighbours.
func TestScheduleOfManySinking(t *testing.T) {
	m := &ir.Model{Graph: ir.NewGraph("many"), Opsets: map[string]int64{"": ops.Version}, Ops: ops.Standard()}
	b := m.At(m.Graph, nil)
	x := m.Graph.Input("x", ir.TypeOf(ir.Float, 2))
	var early []*ir.Value
	for range 100 {
		early = append(early, b.Op("Neg", x))
	}
	sum := b.Op("Exp", x)
	for _, v := range early {
		sum = b.Add(b.Op("Abs", sum), v)
	}
	m.Graph.Outputs = []*ir.Value{b.Named("y", b.Op("Sum", append(early, sum)...))}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	before := m.Clone()
	if _, err := (passes.Pipeline{passes.Schedule}).Run(context.Background(), m, passes.Options{}, passes.Driver{}); err != nil {
		t.Fatal(err)
	}
	sameForward(t, before, m, 0)
}
