package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

// Tolerances of `lxtc check`, as shares of the largest magnitude.
const (
	// Recognised operators compute what their parts did, in another order.
	// Measured on the fixtures: 4e-7 in float32; half floats round every part.
	sameFloat = 1e-5
	sameHalf  = 5e-2

	// A stabilizer of 1e-6 takes its share where outputs are as small; sums of
	// half floats are off by 2e-3 of what they sum in the fixtures.
	closesFloat = 1e-3
	closesHalf  = 2e-2
)

// checking is the flags of `lxtc check`.
type checking struct {
	source
	recipe
	engine
	json      bool
	tolerance float64
}

func (a *app) checkCommand() *cobra.Command {
	var k checking
	c := &cobra.Command{
		Use:   "check [MODEL]",
		Short: "check that outputs stay and where relevance goes",
		Long: `Check runs a model as it is and rewritten in explicit form, and compares.

  outputs       every output, before and after rewriting
  conservation  relevance into, out of and absorbed by every kind of operator:
                by its rule, or by a constant operand such as a bias; anything
                else is a leak
  numbers       the first operator that makes a NaN

The exit status is 5 if a check fails.`,
		Args: cobra.MaximumNArgs(1),
		RunE: a.run(func(ctx context.Context, args []string) error { return a.check(ctx, k, args) }),
	}
	k.source.flags(c)
	k.recipe.flags(c)
	k.engine.flags(c)
	c.Flags().Lookup("form").Hidden = true // the ledger is one of relevance, which the explicit form has at every node
	c.Flags().BoolVar(&k.json, "json", false, "print the result as JSON")
	c.Flags().Float64Var(&k.tolerance, "tolerance", 0, "`SHARE` of relevance that may get lost without a reason (default 1e-3, for half floats 2e-2)")
	return c
}

// verdict is the result of `lxtc check`.
type verdict struct {
	Model   string       `json:"model"`
	Rules   string       `json:"rules"`
	Target  string       `json:"target"`
	Passed  bool         `json:"passed"`
	Failed  []string     `json:"failed,omitempty"`
	Outputs []comparison `json:"outputs"`

	Seeded    float64   `json:"seeded"`
	Explained float64   `json:"explained"`
	Absorbed  float64   `json:"absorbed"`
	Open      float64   `json:"open"` // seeded - explained - absorbed
	Accounts  []account `json:"operators"`
	Leaks     []leak    `json:"leaks,omitempty"`
	NaN       []string  `json:"nan,omitempty"` // the first operator that makes one, in each run
	Unruled   []string  `json:"without_rule,omitempty"`
}

// comparison is one output before and after rewriting.
type comparison struct {
	Output   string  `json:"output"`
	Absolute float64 `json:"max_abs"`
	Relative float64 `json:"max_rel"` // of the largest magnitude
	Same     bool    `json:"same"`
}

func (a *app) check(ctx context.Context, k checking, args []string) error {
	b, err := k.engine.open()
	if err != nil {
		return err
	}
	opt, err := k.recipe.options()
	if err != nil {
		return err
	}
	s, err := a.openOrDefault(args)
	if err != nil {
		return err
	}
	defer s.Close()
	f, err := a.gather(s, k.source)
	if err != nil {
		return err
	}
	if opt.Targets, err = s.aims(k.targets, bind(s.IR().Graph, f.tensors)); err != nil {
		return err
	}
	v, err := a.judge(ctx, s, b, k, opt, f)
	if err != nil {
		return err
	}
	if k.json {
		err = writeJSON(a.stdout, v.finite())
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
	plain, err := a.forward(ctx, s, b, backend.Options{Threads: k.threads, Progress: p.tick, Trace: before.trace}, f)
	if err != nil {
		return nil, err
	}
	l := &ledger{}
	m := s.IR().Clone()
	m.Closer = nil
	rep, err := ledgerPipeline(l).Run(ctx, m, passes.Options{
		Rules: opt.Rules, Form: passes.ExplicitForm, Explain: opt.Explain, Targets: opt.Targets,
		Temperature: opt.Temperature, Allow: opt.Allow, Eval: reference.Eval, Supports: b.Supports,
	}, passes.Driver{})
	a.afterRewrite(rep)
	if err != nil {
		return nil, err
	}
	out, err := a.execute(ctx, b, m, backend.Options{Threads: k.threads, Progress: p.tick, Trace: after.trace}, f.tensors)
	if err != nil {
		return nil, err
	}
	v := &verdict{Model: s.name, Rules: rep.Rules, Target: strings.Join(rep.Targets, " + ")}
	for _, o := range s.IR().Graph.Outputs {
		c, err := compare(o, plain[o.Name], out[o.Name])
		if err != nil {
			return nil, err
		}
		v.Outputs = append(v.Outputs, c)
	}
	if err := v.books(l, m, out, k.tolerance); err != nil {
		return nil, err
	}
	for _, o := range rep.Unruled() {
		v.Unruled = append(v.Unruled, fmt.Sprintf("%s (%s)", o.Node, o.Op))
	}
	v.NaN = append(before.found("as it is"), after.found("rewritten")...)
	v.decide(l.tolerance(k.tolerance))
	return v, nil
}

// execute compiles a model for one run.
func (a *app) execute(ctx context.Context, b backend.Backend, m *ir.Model, opt backend.Options, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	p, err := b.Compile(m, opt)
	if err != nil {
		return nil, err
	}
	session, err := p.NewSession()
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return session.Run(ctx, in)
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
		c.Absolute = max(c.Absolute, math.Abs(x[i]-y[i]))
	}
	for _, z := range x {
		if !math.IsInf(z, 0) && !math.IsNaN(z) {
			most = max(most, math.Abs(z))
		}
	}
	if c.Absolute > 0 {
		c.Relative = c.Absolute / most
	}
	limit := 0.0
	switch v.Type.Elem {
	case ir.Float, ir.Double:
		limit = sameFloat
	case ir.Float16, ir.BFloat16:
		limit = sameHalf
	}
	c.Same = c.Relative <= limit
	return c, nil
}

// books closes the ledger.
func (v *verdict) books(l *ledger, m *ir.Model, out map[string]*ir.Tensor, share float64) (err error) {
	if v.Accounts, err = l.accounts(out); err != nil {
		return err
	}
	if v.Leaks, err = l.leaks(out, share); err != nil {
		return err
	}
	if v.Seeded, err = l.seeded(out); err != nil {
		return err
	}
	for _, a := range v.Accounts {
		v.Absorbed += a.Absorbed
	}
	for _, o := range m.Graph.Outputs {
		if !strings.HasPrefix(o.Name, "R:") || slices.Contains(l.inner, o.Name) {
			continue
		}
		x, err := numbers(out[o.Name])
		if err != nil {
			return err
		}
		for _, r := range x {
			v.Explained += r
		}
	}
	v.Open = v.Seeded - v.Explained - v.Absorbed
	return nil
}

// decide says what failed.
func (v *verdict) decide(share float64) {
	fail := func(format string, args ...any) { v.Failed = append(v.Failed, fmt.Sprintf(format, args...)) }
	for _, c := range v.Outputs {
		if !c.Same {
			fail("output %s moved by %.2g of its largest value", c.Output, c.Relative)
		}
	}
	most := math.Abs(v.Seeded)
	for _, a := range v.Accounts {
		most = max(most, math.Abs(a.In), math.Abs(a.Out))
	}
	if !(math.Abs(v.Open) <= share*most) {
		fail("the books do not close: %.4g of %.4g is unaccounted for", v.Open, v.Seeded)
	}
	if len(v.Leaks) > 0 {
		fail("%d operators lose relevance without a reason", len(v.Leaks))
	}
	if len(v.NaN) > 0 {
		fail("NaN at %s", v.NaN[0])
	}
	if len(v.Unruled) > 0 {
		fail("%d operators on the way have no rule", len(v.Unruled))
	}
	v.Passed = len(v.Failed) == 0
}

// finite returns v with numbers that JSON can hold.
func (v *verdict) finite() *verdict {
	w := *v
	fix := func(xs ...*float64) {
		for _, x := range xs {
			if math.IsNaN(*x) || math.IsInf(*x, 0) {
				*x = math.Copysign(math.MaxFloat64, *x)
			}
		}
	}
	fix(&w.Seeded, &w.Explained, &w.Absorbed, &w.Open)
	w.Accounts, w.Outputs, w.Leaks = slices.Clone(v.Accounts), slices.Clone(v.Outputs), slices.Clone(v.Leaks)
	for i := range w.Accounts {
		fix(&w.Accounts[i].In, &w.Accounts[i].Out, &w.Accounts[i].Absorbed, &w.Accounts[i].Magnitude)
	}
	for i := range w.Outputs {
		fix(&w.Outputs[i].Absolute, &w.Outputs[i].Relative)
	}
	for i := range w.Leaks {
		fix(&w.Leaks[i].Lost, &w.Leaks[i].Magnitude)
	}
	return &w
}

// nanWatch remembers the first operator that made a NaN.
type nanWatch struct{ first string }

func (w *nanWatch) trace(n *ir.Node, out []*ir.Tensor) error {
	if w.first != "" {
		return nil
	}
	for _, t := range out {
		if t == nil || !t.Elem.IsFloat() {
			continue
		}
		x, err := t.Float64s()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(x, math.IsNaN) {
			w.first = n.String()
			if n.Origin != "" {
				w.first += " (" + n.Origin + ")"
			}
		}
	}
	return nil
}

func (w *nanWatch) found(run string) []string {
	if w.first == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s, %s", w.first, run)}
}

// printVerdict writes the verdict for people.
func (a *app) printVerdict(w io.Writer, v *verdict) error {
	p := &paper{colors: a.colors(w) != heatmap.NoColor}
	sign := func(ok bool) string {
		if ok {
			return p.mark("✓")
		}
		return p.mark("✗")
	}
	p.line("%s  %s, %s, explicit form\n", p.bold(v.Model), v.Rules, v.Target)
	p.line("%s", p.bold("Outputs, before and after rewriting"))
	for _, c := range v.Outputs {
		p.line("  %s %s  max difference %.2g, %.2g of the largest value", sign(c.Same), c.Output, c.Absolute, c.Relative)
	}
	p.line("\n%s", p.bold("Conservation"))
	g := &grid{head: []string{"Function", "#", "In", "Out", "Absorbed", "By", "Rule", "Rule map"}, right: []int{1, 2, 3, 4}}
	for _, x := range v.Accounts {
		g.add(x.Op, fmt.Sprint(x.Count), amount(x.In), amount(x.Out), absorbed(x), x.Why, x.Rule, x.At)
	}
	g.write(p, p.bold)
	p.line("\n  seeded      %12s", amount(v.Seeded))
	p.line("  explained   %12s", amount(v.Explained))
	p.line("  absorbed    %12s", amount(v.Absorbed))
	p.line("  unaccounted %12.2g", v.Open)
	for _, k := range v.Leaks {
		p.line("  %s %s (%s, %s) loses %.3g of %.3g", p.mark("✗"), k.Node, k.Op, k.Rule, k.Lost, k.Magnitude)
	}
	p.line("\n%s", p.bold("Numbers"))
	for _, n := range v.NaN {
		p.line("  %s NaN first at %s", p.mark("✗"), n)
	}
	if len(v.NaN) == 0 {
		p.line("  %s no NaN", p.mark("✓"))
	}
	for _, n := range v.Unruled {
		p.line("  %s no rule: %s", p.mark("✗"), n)
	}
	p.line("")
	for _, why := range v.Failed {
		p.line("%s %s", p.mark("✗"), why)
	}
	if v.Passed {
		p.line("%s passed", p.mark("✓"))
	}
	_, err := io.WriteString(w, p.String())
	return err
}

func amount(x float64) string { return fmt.Sprintf("%.6g", x) }

// absorbed writes what an operator kept; noise of the sums is 0.
func absorbed(x account) string {
	if math.Abs(x.Absorbed) <= 1e-6*x.Magnitude {
		return "0"
	}
	return fmt.Sprintf("%.4g", x.Absorbed)
}
