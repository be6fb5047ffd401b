package cli

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

// Tolerances of `lxtc check`, as shares of the largest magnitude.
const (
	// Recognised operators compute what their parts did, in another order.
	// Measured in float32: 4e-7 on the fixtures, 1.5e-5 on SmolLM2 in 4 bits, in
	// which some activations are very large; half floats round every part.
	sameFloat = 5e-5
	sameHalf  = 5e-2

	// What a constant or the stabilizer takes is entered, so that only rounding is
	// left: at most 1.4e-6 of Σ|R| at one operator, and 1e-6 in all, of 280 exported
	// networks. Sums of half floats are off by 2e-3 of what they sum in the fixtures.
	closesFloat = 1e-5
	closesHalf  = 2e-2
)

// checking is the flags of `lxtc check`.
type checking struct {
	source
	recipe
	engine
	json      bool
	neutral   bool
	tolerance float64
}

func (a *app) checkCommand() *cobra.Command {
	var k checking
	c := &cobra.Command{
		Use:   "check [MODEL]",
		Short: "check that outputs stay and where relevance goes",
		Long: `Check runs a model as it is and rewritten in explicit form, and compares.

  outputs       every output, before and after rewriting; half floats are computed
                in float32 both times
  conservation  relevance into, out of and absorbed by every kind of operator,
                and absorbed in every layer, by its cause: softmax, a bias, another
                constant, an operand behind a rule that stops, ε, a quotient of
                two operands that both get some, or a rule that does not conserve.
                All but rounding is entered; anything else is a leak. --json has
                the books of every node. ⁇ marks operators whose rule makes or
                keeps more than there was to begin with
  numbers       the first operator that makes a NaN or an infinity, in gradient
                form as well; and by how much relevance grows on its way. More
                than 1e6 times fails: float32 then has one digit left of its sum,
                and the rule map does not suit the network

With --neutral nothing is meant to absorb: what is added to live values becomes 0,
and every rule is one that conserves, without stabilizer. As much relevance as
started at the target must then arrive, at what is explained or at constants that
are joined to it, such as a class token; what does not, a defect has lost. Outputs
are others, and are not compared.

The exit status is 5 if a check fails.`,
		Example: `  lxtc check
  lxtc check MODEL --text "Paris is in" -r cp-lrp
  lxtc check resnet.onnx --image cat.jpg --preset imagenet -r epsilon-plus --neutral`,
		Args: atMostOne,
		RunE: a.run(func(ctx context.Context, args []string) error { return a.check(ctx, k, args) }),
	}
	k.source.flags(c)
	k.recipe.flags(c)
	k.engine.flags(c)
	c.Flags().Lookup("form").Hidden = true // the ledger is one of relevance, which the explicit form has at every node
	c.Flags().BoolVar(&k.json, "json", false, "print the result as JSON")
	c.Flags().BoolVar(&k.neutral, "neutral", false, "check that relevance is conserved where nothing absorbs it")
	c.Flags().Float64Var(&k.tolerance, "tolerance", 0, "`SHARE` of relevance that may get lost without a reason (default 1e-5, for half floats 2e-2)")
	return c
}

func (a *app) check(ctx context.Context, k checking, args []string) error {
	if len(k.through) > 0 {
		return usagef("--through lets relevance go on purpose, and check looks for what is lost: leave it out")
	}
	j, err := a.prepare(args, k.source, k.recipe, k.engine)
	if err != nil {
		return a.reportUnsupported(k.json, err)
	}
	defer j.model.Close()
	s, b, opt, f := j.model, j.backend, j.opt, j.feed
	v, err := a.judge(ctx, s, b, k, opt, f)
	if err != nil {
		return err
	}
	if k.json {
		err = writeJSON(a.stdout, v)
	} else {
		err = a.printVerdict(a.stdout, v)
	}
	if err == nil && !v.Passed {
		err = coded{exitCheck, fmt.Errorf("check failed: %s", strings.Join(v.Failed, "; "))}
	}
	return err
}

// judge runs the model both ways.
func (a *app) judge(ctx context.Context, s *subject, b backend.Backend, k checking, opt lxtc.Options, f *feed) (*verdict, error) {
	p := a.progress()
	defer p.end()
	var before, after nanWatch
	run := a.running(k.threads)
	run.Progress, run.Trace = p.tick, before.trace
	plain, err := a.forward(ctx, s, b, run, f)
	if err != nil {
		return nil, err
	}
	l := &ledger{}
	m := s.IR().Clone()
	m.Closer = nil
	pipeline := ledgerPipeline(l)
	if k.neutral {
		pipeline = neutralPipeline(l)
	}
	po := opt.Passes()
	po.Form, po.Neutral, po.Supports = passes.ExplicitForm, k.neutral, b.Supports
	rep, err := pipeline.Run(ctx, m, po, passes.Driver{})
	a.afterRewrite(rep)
	if err != nil {
		return nil, err
	}
	run.Trace = after.trace
	out, err := a.execute(ctx, b, m, run, f.tensors)
	if err != nil {
		return nil, err
	}
	v := &verdict{Model: s.name, Rules: rep.Rules, Target: strings.Join(rep.Targets, " + "), neutral: k.neutral}
	if k.neutral {
		v.Rules += ", neutral"
	} else if v.Outputs, err = compareAll(s.IR().Graph.Outputs, plain, out); err != nil {
		return nil, err
	} else if err := a.judgeRounding(ctx, s, v.Outputs, plain, f); err != nil {
		return nil, err
	}
	if err := v.books(l, m, out, k.tolerance); err != nil {
		return nil, err
	}
	for _, o := range rep.Unruled() {
		v.Unruled = append(v.Unruled, fmt.Sprintf("%s (%s)", o.Node, o.Op))
	}
	v.NaN = append(before.found("as it is"), after.found("rewritten")...)
	if v.bothForms = !k.neutral && len(v.NaN) == 0 && v.Endless == ""; v.bothForms {
		if v.Gradient, err = a.notFiniteInGradientForm(ctx, s, b, opt, run, f.tensors); err != nil {
			return nil, err
		}
	}
	v.decide(l.tolerance(k.tolerance))
	return v, nil
}

// execute compiles a model for one run.
func (a *app) execute(ctx context.Context, b backend.Backend, m *ir.Model, opt backend.Options, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	if err := passes.Unset(m.Graph, in); err != nil {
		return nil, err
	}
	if err := a.checkMemory(m.Graph, in); err != nil {
		return nil, err
	}
	return backend.Run(ctx, b, m, opt, in)
}

// compareAll measures how far each output moved.
func compareAll(outputs []*ir.Value, before, after map[string]*ir.Tensor) ([]comparison, error) {
	var all []comparison
	for _, o := range outputs {
		c, err := compare(o, before[o.Name], after[o.Name])
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// judgeRounding measures, where an output of a model with quantized activations
// moved, how far rounding alone moves it: by computing the model as it is in
// float64. What is within twice that is the same.
func (a *app) judgeRounding(ctx context.Context, s *subject, moved []comparison, plain map[string]*ir.Tensor, f *feed) error {
	if !slices.ContainsFunc(moved, func(c comparison) bool { return !c.Same }) || !quantizes(s.IR().Graph) {
		return nil
	}
	a.note("outputs moved, and activations are quantized: the model runs once more, in float64, to see how far rounding alone moves them")
	exact, err := a.forward(ctx, s, reference.New(), backend.Options{}, f)
	if err != nil {
		return err
	}
	own, err := compareAll(s.IR().Graph.Outputs, plain, exact)
	if err != nil {
		return err
	}
	for i := range moved {
		if c := &moved[i]; !c.Same {
			c.Rounding = own[i].Relative
			c.Same = c.Relative <= 2*c.Rounding
		}
	}
	return nil
}

// quantizes reports whether a graph rounds what it computes to small integers.
func quantizes(g *ir.Graph) bool {
	for n := range g.Nodes() {
		if name := n.Op.Name; (strings.Contains(name, "QuantizeLinear") && !strings.HasPrefix(name, "Dequantize") || strings.HasPrefix(name, "QLinear")) && !n.In[0].IsConst() {
			return true
		}
	}
	return false
}

// compare measures how far an output moved.
func compare(v *ir.Value, before, after *ir.Tensor) (comparison, error) {
	c := comparison{Output: v.Name}
	if before == nil || after == nil {
		return c, fmt.Errorf("output %q was not computed", v.Name)
	}
	if !slices.Equal(before.Shape, after.Shape) {
		return c, fmt.Errorf("output %q is %v before and %v after rewriting", v.Name, before.Shape, after.Shape)
	}
	if before.Elem == ir.String {
		c.Same = slices.Equal(before.Strs, after.Strs)
		return c, nil
	}
	x, err := before.Float64s()
	if err != nil {
		return c, err
	}
	y, err := after.Float64s()
	if err != nil {
		return c, err
	}
	var most float64
	for i := range x {
		if x[i] == y[i] || math.IsNaN(x[i]) && math.IsNaN(y[i]) {
			continue
		}
		c.Absolute = max(c.Absolute, figure(math.Abs(x[i]-y[i])))
	}
	for _, z := range x {
		if !math.IsInf(z, 0) && !math.IsNaN(z) {
			most = max(most, math.Abs(z))
		}
	}
	if c.Absolute > 0 {
		c.Relative = c.Absolute / figure(most)
	}
	limit := 0.0
	switch v.Type.Elem {
	case ir.Float, ir.Double:
		limit = sameFloat
	case ir.Float16, ir.BFloat16:
		limit = sameHalf
	}
	c.Same = float64(c.Relative) <= limit
	return c, nil
}

// nanWatch remembers the first operator that made a NaN that the model does not
// look for itself, as after a softmax over nothing but padding.
type nanWatch struct{ first string }

func (w *nanWatch) trace(n *ir.Node, out []*ir.Tensor) error {
	if w.first != "" || backend.Sought(n) {
		return nil
	}
	for _, t := range out {
		if t == nil || !t.Elem.IsFloat() {
			continue
		}
		nan, err := hasNaN(t)
		if err != nil {
			return err
		}
		if nan {
			w.first = n.String()
			if n.Origin != "" {
				w.first += " (" + n.Origin + ")"
			}
		}
	}
	return nil
}

// hasNaN looks at float32, of which tensors are large, in place.
func hasNaN(t *ir.Tensor) (bool, error) {
	if t.Elem == ir.Float {
		for i := 0; i+4 <= len(t.Raw); i += 4 {
			if bits := binary.LittleEndian.Uint32(t.Raw[i:]); bits&0x7fffffff > 0x7f800000 {
				return true, nil
			}
		}
		return false, nil
	}
	x, err := t.Float64s()
	return slices.ContainsFunc(x, math.IsNaN), err
}

func (w *nanWatch) found(run string) []string {
	if w.first == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s, %s", w.first, run)}
}
