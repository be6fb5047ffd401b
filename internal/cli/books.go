package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// A posting is an entry of the ledger with the numbers of a run.
type posting struct {
	Node  string `json:"node"`
	Op    string `json:"op"`
	Layer string `json:"layer,omitempty"`
	Rule  string `json:"rule"`
	At    string `json:"at"`
	sums
	Lost figure `json:"lost"` // for no reason

	may  string // who may keep some beside the stabilizer
	half bool
}

// sums are what one or several operators receive, hand on and keep.
type sums struct {
	In        figure            `json:"in"`
	Magnitude figure            `json:"magnitude"` // Σ|R| that arrives
	Out       figure            `json:"out"`
	Spread    figure            `json:"spread"`   // Σ|R| that is handed on
	Absorbed  figure            `json:"absorbed"` // In - Out
	By        map[string]figure `json:"by"`       // what of that for which cause
}

func (s *sums) add(p sums) {
	s.In, s.Magnitude, s.Out, s.Spread, s.Absorbed = s.In+p.In, s.Magnitude+p.Magnitude, s.Out+p.Out, s.Spread+p.Spread, s.Absorbed+p.Absorbed
	s.By = together(s.By, p.By)
}

// size is the largest Σ|R| that an operator handles: what rounding is in
// proportion to.
func (s *sums) size() float64 { return max(float64(s.Magnitude), float64(s.Spread)) }

// together adds amounts by cause.
func together(a, b map[string]figure) map[string]figure {
	sum := maps.Clone(a)
	if sum == nil {
		sum = map[string]figure{}
	}
	for cause, x := range b {
		sum[cause] += x
	}
	return sum
}

// account is the operators of one kind, summed.
type account struct {
	Op    string `json:"op"`
	Rule  string `json:"rule"`
	At    string `json:"at"`
	Count int    `json:"count"`
	sums
	Why string `json:"why"` // who may keep some beside the stabilizer; "" for nobody
}

// layer is the operators of one module, summed.
type layer struct {
	Name     string            `json:"layer"`
	Count    int               `json:"count"`
	Absorbed figure            `json:"absorbed"`
	By       map[string]figure `json:"by"`
	Left     figure            `json:"left"` // what was seeded, less what was absorbed up to here
}

// leak is an operator that loses relevance.
type leak struct {
	Node      string `json:"node"`
	Op        string `json:"op"`
	Rule      string `json:"rule"`
	Lost      figure `json:"lost"`
	Magnitude figure `json:"magnitude"`
}

// postings reads the numbers of a run, in the order in which relevance reaches the
// operators.
func (l *ledger) postings(out map[string]*ir.Tensor) ([]posting, error) {
	ps := make([]posting, len(l.entries))
	for i, e := range l.entries {
		x, err := numbers(out[e.sums])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.sums, err)
		}
		ps[i] = e.post(x)
	}
	return ps, nil
}

// post reads what arrives, Σ|R| of it, what is handed on, Σ|R| of that, what
// constants take and what the stabilizer keeps.
func (e entry) post(x []float64) posting {
	in, out, constants, kept := figure(x[0]), figure(x[2]), figure(x[4]), figure(x[5])
	p := posting{Node: e.node, Op: e.op, Layer: e.layer, Rule: e.rule, At: e.at, may: e.may(), half: e.half}
	p.sums = sums{In: in, Magnitude: figure(x[1]), Out: out, Spread: figure(x[3]), Absorbed: in - out, By: map[string]figure{}}
	if e.cause != "" {
		p.By[e.cause] = in - out
		return p
	}
	p.Lost = in - out
	keep := func(cause string, amount figure) {
		p.Lost -= amount
		if amount != 0 {
			p.By[cause] = amount
		}
	}
	if e.constant != "" && (e.moves || !e.strict) {
		keep(e.constant, constants)
	}
	if !e.strict {
		keep(byEpsilon, kept)
	}
	return p
}

// may says who may keep relevance at an operator, beside its stabilizer.
func (e entry) may() string {
	if e.cause != "" || e.strict && !e.moves {
		return e.cause
	}
	return e.constant
}

// accounts sums operators of one kind and rule.
func accounts(ps []posting) []account {
	var order []*account
	byKind := map[string]*account{}
	for _, p := range ps {
		key := p.Op + "\n" + p.Rule + "\n" + p.may
		if byKind[key] == nil {
			byKind[key] = &account{Op: p.Op, Rule: p.Rule, At: p.At, Why: p.may}
			order = append(order, byKind[key])
		}
		byKind[key].Count++
		byKind[key].add(p.sums)
	}
	all := make([]account, len(order))
	for i, a := range order {
		all[i] = *a
	}
	return all
}

// layers sums operators of one module, in the order in which relevance reaches them.
func layers(ps []posting, seeded figure) []layer {
	var all []layer
	for _, p := range ps {
		i := slices.IndexFunc(all, func(l layer) bool { return l.Name == p.Layer })
		if p.Layer == "" && i >= 0 { // before the layers, or behind them
			if i = len(all) - 1; all[i].Name != "" {
				i = -1
			}
		}
		if i < 0 {
			i = len(all)
			all = append(all, layer{Name: p.Layer})
		}
		l := &all[i]
		l.Count, l.Absorbed, l.By = l.Count+1, l.Absorbed+p.Absorbed, together(l.By, p.By)
	}
	for i := range all {
		seeded -= all[i].Absorbed
		all[i].Left = seeded
	}
	return all
}

// leaks returns the operators that lose relevance for no reason: more than a share
// of what they handle. Of relevance that is not finite any more nothing can be said.
func leaks(ps []posting, share float64) []leak {
	var ls []leak
	for i := range ps {
		p := &ps[i]
		if !finite([]float64{float64(p.Magnitude), float64(p.Spread)}) {
			continue
		}
		if !(p.Lost.abs() <= tolerance(p.half, share)*p.size()) { // NaN is a leak as well
			ls = append(ls, leak{Node: p.Node, Op: p.Op, Rule: p.Rule, Lost: p.Lost, Magnitude: p.Magnitude})
		}
	}
	return ls
}

// tolerance is the share of relevance that may get lost: the given one or, if that
// is 0, what rounding takes.
func tolerance(half bool, share float64) float64 {
	switch {
	case share > 0:
		return share
	case half:
		return closesHalf
	}
	return closesFloat
}

// tolerance is the largest of all entries, for sums over the whole model.
func (l *ledger) tolerance(share float64) float64 {
	return tolerance(slices.ContainsFunc(l.entries, func(e entry) bool { return e.half }), share)
}

// seeded returns the relevance that the run started with, and its Σ|R|.
func (l *ledger) seeded(out map[string]*ir.Tensor) (sum, size figure, err error) {
	for _, name := range l.seeds {
		x, err := numbers(out[name])
		if err != nil {
			return 0, 0, err
		}
		sum, size = sum+figure(x[0]), size+figure(x[1])
	}
	return sum, size, nil
}

func numbers(t *ir.Tensor) ([]float64, error) {
	if t == nil {
		return nil, fmt.Errorf("it was not computed")
	}
	return t.Float64s()
}

// amounts writes what was kept for which cause, without the noise of sums of a
// given size.
func amounts(by map[string]figure, size float64) []string {
	var out []string
	for _, cause := range causes {
		if x := by[cause]; !isNoise(x, size) {
			out = append(out, fmt.Sprintf("%s %.3g", cause, float64(x)))
		}
	}
	return out
}

// noise is what sums of float32 are off by, as a share of what they sum.
const noise = 1e-6

// isNoise reports whether an amount is none, of sums as large as size.
func isNoise(x figure, size float64) bool { return x == 0 || x.abs() <= noise*size }

// keepers writes for whom an account was kept: with amounts if for several.
func (a *account) keepers() string {
	all := amounts(a.By, a.size())
	if len(all) == 1 {
		name, _, _ := strings.Cut(all[0], " ")
		return name
	}
	return strings.Join(all, ", ")
}
