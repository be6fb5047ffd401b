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
	Help    string       `json:"help,omitempty"`
	Outputs []comparison `json:"outputs"`

	Seeded    figure    `json:"seeded"`
	Explained figure    `json:"explained"`
	Absorbed  figure    `json:"absorbed"`
	Open      figure    `json:"unaccounted"` // seeded - explained - absorbed
	Largest   figure    `json:"largest"`     // sum in the books
	Closes    bool      `json:"closes"`
	Accounts  []account `json:"operators"`
	Leaks     []leak    `json:"leaks,omitempty"`
	Misfits   []misfit  `json:"misfits,omitempty"`
	Growth    growth    `json:"growth"`
	Endless   string    `json:"not_finite,omitempty"`    // the first operator that hands on what is not finite
	Gradient  string    `json:"gradient_form,omitempty"` // what is not finite in gradient form
	NaN       []string  `json:"nan,omitempty"`           // the first operator that makes one, in each run
	Unruled   []string  `json:"without_rule,omitempty"`

	bothForms bool // the gradient form was run as well
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
	var size figure
	if v.Seeded, size, err = l.seeded(out); err != nil {
		return err
	}
	if v.Growth, v.Endless, err = l.largest(out, size); err != nil {
		return err
	}
	v.Misfits = misfits(v.Accounts, size)
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
	v.Largest = figure(v.Seeded.abs())
	for _, a := range v.Accounts {
		v.Largest = max(v.Largest, figure(a.In.abs()), figure(a.Out.abs()))
	}
	if v.Closes = v.Open.abs() <= share*float64(v.Largest); !v.Closes {
		fail("the books do not close: %.4g of %.4g is unaccounted for", float64(v.Open), float64(v.Seeded))
	}
	if len(v.Leaks) > 0 {
		fail("%d operators lose relevance without a reason", len(v.Leaks))
	}
	switch {
	case len(v.NaN) > 0:
		fail("NaN at %s", v.NaN[0])
	case v.Endless != "":
		fail("relevance is not finite from %s on", v.Endless)
	case !(float64(v.Growth.Times) <= maxGrowth):
		fail("Σ|R| grows to %.2g times what it was, at %s (%s, %s)", float64(v.Growth.Times), v.Growth.Node, v.Growth.Op, v.Growth.Rule)
	}
	if v.Gradient != "" {
		fail("not finite in gradient form: %s", v.Gradient)
	}
	if len(v.Unruled) > 0 {
		fail("%d operators on the way have no rule", len(v.Unruled))
	}
	if v.Endless != "" || !(float64(v.Growth.Times) <= maxGrowth) {
		v.Help = v.remedy()
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
	p.line("  %s the books close, up to %.1g of the largest sum", sign(v.Closes), v.Open.abs()/max(float64(v.Largest), math.SmallestNonzeroFloat64))
	for _, k := range v.Leaks {
		p.line("  %s %s (%s, %s) loses %.3g of %.3g", p.mark("✗"), k.Node, k.Op, k.Rule, float64(k.Lost), float64(k.Magnitude))
	}
	if len(v.Leaks) == 0 {
		p.line("  %s no operator loses relevance without a reason", p.mark("✓"))
	}
	for _, m := range v.Misfits {
		instead := ""
		if m.Instead != "" {
			instead = ", and attnlrp has " + m.Instead
		}
		p.line("  %s %s ×%d gets %.3g and hands on %.3g: %s does not conserve there%s", p.mark("⁇"), m.Op, m.Count, float64(m.In), float64(m.Out), m.Rule, instead)
	}
	p.line("\n%s", p.bold("Numbers"))
	for _, n := range v.NaN {
		p.line("  %s NaN first at %s", p.mark("✗"), n)
	}
	if len(v.NaN) == 0 {
		p.line("  %s no NaN", p.mark("✓"))
	}
	switch {
	case v.Endless != "":
		p.line("  %s relevance is not finite from %s on", p.mark("✗"), v.Endless)
	case v.Growth.Node != "":
		p.line("  %s Σ|R| grows to %.3g times what it was, at %s (%s, %s)", sign(float64(v.Growth.Times) <= maxGrowth), float64(v.Growth.Times), v.Growth.Node, v.Growth.Op, v.Growth.Rule)
	}
	if v.Gradient != "" {
		p.line("  %s not finite in gradient form: %s", p.mark("✗"), v.Gradient)
	} else if v.bothForms {
		p.line("  %s finite in gradient form", p.mark("✓"))
	}
	for _, n := range v.Unruled {
		p.line("  %s no rule: %s", p.mark("✗"), n)
	}
	p.line("")
	for _, why := range v.Failed {
		p.line("%s %s", p.mark("✗"), why)
	}
	if v.Help != "" {
		p.line("  help: %s", v.Help)
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
