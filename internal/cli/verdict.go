package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/ir"
)

// verdict is the result of `lxtc check`.
type verdict struct {
	Model   string       `json:"model"`
	Rules   string       `json:"rules"`
	Target  string       `json:"target"`
	Passed  bool         `json:"passed"`
	Failed  []string     `json:"failed,omitempty"`
	Outputs []comparison `json:"outputs"`

	Seeded    figure    `json:"seeded"`
	Explained figure    `json:"explained"`
	Absorbed  figure    `json:"absorbed"`
	Open      figure    `json:"unaccounted"` // seeded - explained - absorbed
	Accounts  []account `json:"operators"`
	Leaks     []leak    `json:"leaks,omitempty"`
	NaN       []string  `json:"nan,omitempty"` // the first operator that makes one, in each run
	Unruled   []string  `json:"without_rule,omitempty"`
}

// comparison is one output before and after rewriting.
type comparison struct {
	Output   string `json:"output"`
	Absolute figure `json:"max_abs"`
	Relative figure `json:"max_rel"` // of the largest magnitude
	Same     bool   `json:"same"`

	// Rounding is how far the output of the model as it is moves by itself, when it
	// is computed in float64 instead: measured where activations are quantized.
	Rounding figure `json:"max_rel_of_rounding,omitempty"`
}

// figure is a number of a verdict. JSON, which has no NaN, gets null.
type figure float64

func (x figure) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(x))
}

func (x figure) abs() float64 { return math.Abs(float64(x)) }

// String writes six digits.
func (x figure) String() string { return fmt.Sprintf("%.6g", float64(x)) }

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
			v.Explained += figure(r)
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
			fail("output %s moved by %.2g of its largest value", c.Output, float64(c.Relative))
		}
	}
	most := v.Seeded.abs()
	for _, a := range v.Accounts {
		most = max(most, a.In.abs(), a.Out.abs())
	}
	if !(v.Open.abs() <= share*most) {
		fail("the books do not close: %.4g of %.4g is unaccounted for", float64(v.Open), float64(v.Seeded))
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

// printVerdict writes the verdict for people.
func (a *app) printVerdict(w io.Writer, v *verdict) error {
	p := &paper{colors: a.colors(w) != heatmap.NoColor}
	sign := func(ok bool) string {
		if ok {
			return p.mark("✓")
		}
		return p.mark("✗")
	}
	p.line("%s  %s, %s, explicit form", p.bold(v.Model), v.Rules, v.Target)
	if len(v.Outputs) > 0 {
		p.line("\n%s", p.bold("Outputs, before and after rewriting"))
	}
	for _, c := range v.Outputs {
		p.line("  %s %s  max difference %.2g, %.2g of the largest value", sign(c.Same), c.Output, float64(c.Absolute), float64(c.Relative))
		if c.Rounding > 0 {
			p.line("    rounding alone moves it by %.2g: activations are quantized, and the last bit before a rounding is a step after it", float64(c.Rounding))
		}
	}
	p.line("\n%s", p.bold("Conservation"))
	g := &table{head: []string{"Function", "#", "In", "Out", "Absorbed", "By", "Rule", "Rule map"}, right: []int{1, 2, 3, 4}}
	for _, x := range v.Accounts {
		g.add(x.Op, fmt.Sprint(x.Count), x.In.String(), x.Out.String(), absorbed(x), x.Why, x.Rule, x.At)
	}
	g.write(p, p.bold)
	p.line("\n  seeded      %12s", v.Seeded.String())
	p.line("  explained   %12s", v.Explained.String())
	p.line("  absorbed    %12s", v.Absorbed.String())
	p.line("  unaccounted %12.2g", float64(v.Open))
	for _, k := range v.Leaks {
		p.line("  %s %s (%s, %s) loses %.3g of %.3g", p.mark("✗"), k.Node, k.Op, k.Rule, float64(k.Lost), float64(k.Magnitude))
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

// absorbed writes what an operator kept; noise of the sums is 0.
func absorbed(x account) string {
	if x.Absorbed.abs() <= 1e-6*float64(x.Magnitude) {
		return "0"
	}
	return fmt.Sprintf("%.4g", float64(x.Absorbed))
}
