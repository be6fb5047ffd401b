package cli

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// maxGrowth is how much larger Σ|R| may get than it was seeded: of the seven digits
// of a float32, one is left of the sum. Measured, with rule maps for the kind of
// network: 2 to 8 on the language models and transformers, 1e3 with epsilon in every
// layer of EfficientNet, 5e3 with its gradient. With epsilon-plus, which is for
// convnets, 1e9 to 1e26 on transformers.
const maxGrowth = 1e6

// growth is where relevance is largest, in units of what the run started with.
type growth struct {
	Times figure `json:"times"` // Σ|R| there, of Σ|R| that was seeded
	Node  string `json:"node"`
	Op    string `json:"op"`
	Rule  string `json:"rule"` // that made it
}

// growthOf returns where more relevance is handed on than was seeded, and most, and the
// first operator that hands on what is not finite; "" for none.
func growthOf(ps []posting, seeded figure) (most growth, endless string) {
	most.Times = 1
	for i := range ps {
		p := &ps[i]
		if !finite([]float64{float64(p.In), float64(p.Magnitude), float64(p.Out), float64(p.Spread)}) {
			return most, fmt.Sprintf("%s (%s, %s)", p.Node, p.Op, p.Rule)
		}
		if times := p.Spread / seeded; times > most.Times {
			most = growth{Times: times, Node: p.Node, Op: p.Op, Rule: p.Rule}
		}
	}
	return most, ""
}

// A misfit is a kind of operator at which the rule map makes relevance out of
// nothing, or loses it.
type misfit struct {
	account
	Instead string `json:"instead,omitempty"` // rules that attnlrp has for the operator
}

// misfits returns the operators whose rule makes or keeps more relevance than there
// was to begin with, those first that do most.
func misfits(all []account, seeded figure) []misfit {
	var ms []misfit
	for _, a := range all {
		if a.Why == byRule && !(a.Absorbed.abs() <= max(float64(seeded), 1e-5*float64(a.Magnitude))) { // noise of large sums is none
			ms = append(ms, misfit{a, alternatives(a)})
		}
	}
	slices.SortStableFunc(ms, func(a, b misfit) int {
		return cmp.Or(-cmp.Compare(weight(a.account), weight(b.account)), strings.Compare(a.Op, b.Op))
	})
	return ms
}

// weight is how far an account is from conserving; NaN is furthest.
func weight(a account) float64 {
	if w := a.Absorbed.abs(); !math.IsNaN(w) {
		return w
	}
	return math.Inf(1)
}

// alternatives names the rules that attnlrp has for an operator, if they are
// others.
func alternatives(a account) string {
	m, err := rules.Load(defaultRules)
	if err != nil {
		return ""
	}
	own, _, _ := strings.Cut(a.Rule, "(")
	var names []string
	for _, l := range m.Lines {
		if name := l.Call.Rule.Name; slices.Contains(l.Ops, a.Op) && name != own && !slices.Contains(names, name) && !l.Call.Rule.Stops {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// remedy says what to use instead of a rule map under which relevance grows.
func (v *verdict) remedy() string {
	for _, m := range v.Misfits {
		if m.Instead != "" && !strings.Contains(m.Instead, " or ") {
			return fmt.Sprintf("use a rule map for this kind of network, such as attnlrp or cp-lrp (`lxtc rules` lists them), or put lines above: `%s => %s`", m.Op, m.Instead)
		}
	}
	if strings.Contains(v.Growth.Rule, "plus") {
		return "z + ε has a pole at z = -ε: try the stabilizer sign, -r 'MAP(stabilizer=sign)', or gradient form, which divides by nothing"
	}
	return "contributions cancel there, and shares of a small sum are large: a larger ε (-r 'MAP(eps=1e-3)') or the rule gamma makes them smaller"
}

// notFiniteInGradientForm runs the model in gradient form, and if relevance is not
// finite there once more, to look for the operator.
func (a *app) notFiniteInGradientForm(ctx context.Context, s *subject, b backend.Backend, opt lxtc.Options, run backend.Options, in map[string]*ir.Tensor) (string, error) {
	opt.Form, opt.TargetsOnly = passes.GradientForm, true
	run.Trace = nil
	name, err := notFinite(ctx, s, b, opt, run, in)
	if name == "" || err != nil {
		return "", err
	}
	var watch nanWatch
	run.Trace = watch.trace
	if _, err := notFinite(ctx, s, b, opt, run, in); err != nil {
		return "", err
	}
	if watch.first != "" {
		return "NaN first at " + watch.first, nil
	}
	return fmt.Sprintf("relevance of %s is infinite", name), nil
}

// notFinite explains, and returns an explained tensor whose relevance is not
// finite; "" for none.
func notFinite(ctx context.Context, s *subject, b backend.Backend, opt lxtc.Options, run backend.Options, in map[string]*ir.Tensor) (string, error) {
	x, err := s.Explainer(ctx, b, opt, run)
	if err != nil {
		return "", err
	}
	defer x.Close()
	out, err := x.Run(ctx, in)
	if err != nil {
		return "", err
	}
	for i, v := range relevances(x.Rewritten) {
		r, err := out[v.Name].Float64s()
		if err != nil {
			return "", err
		}
		if !finite(r) {
			return x.Report.Explained[i], nil
		}
	}
	return "", nil
}
