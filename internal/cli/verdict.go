package cli

import (
	"cmp"
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

	Seeded    figure            `json:"seeded"`
	Explained figure            `json:"explained"`
	Absorbed  figure            `json:"absorbed"`
	By        map[string]figure `json:"by"`          // what of that for which cause
	Open      figure            `json:"unaccounted"` // seeded - explained - absorbed
	Largest   figure            `json:"largest"`     // Σ|R| at one operator
	Closes    bool              `json:"closes"`
	Accounts  []account         `json:"operators"`
	Layers    []layer           `json:"layers"`
	Nodes     []posting         `json:"nodes"`
	Leaks     []leak            `json:"leaks,omitempty"`
	Misfits   []misfit          `json:"misfits,omitempty"`
	Growth    growth            `json:"growth"`
	Endless   string            `json:"not_finite,omitempty"`    // the first operator that hands on what is not finite
	Gradient  string            `json:"gradient_form,omitempty"` // what is not finite in gradient form
	NaN       []string          `json:"nan,omitempty"`           // the first operator that makes one, in each run
	Unruled   []string          `json:"without_rule,omitempty"`

	bothForms bool // the gradient form was run as well
	neutral   bool // nothing is meant to absorb
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
	if v.Nodes, err = l.postings(out); err != nil {
		return err
	}
	var size figure
	if v.Seeded, size, err = l.seeded(out); err != nil {
		return err
	}
	v.Accounts, v.Layers, v.Leaks = accounts(v.Nodes), layers(v.Nodes, v.Seeded), leaks(v.Nodes, share)
	v.Growth, v.Endless = growthOf(v.Nodes, size)
	v.Misfits = misfits(v.Accounts, size)
	v.Largest = size
	for i := range v.Nodes {
		v.By = together(v.By, v.Nodes[i].By)
		v.Largest = max(v.Largest, figure(v.Nodes[i].size()))
	}
	for _, cause := range causes { // in one order: a sum of floats has the same digits every time
		v.Absorbed += v.By[cause]
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
	if v.Closes = v.Open.abs() <= share*float64(v.Largest); !v.Closes && v.Endless == "" {
		fail("the books do not close: %.4g of %.4g is unaccounted for", float64(v.Open), float64(v.Seeded))
	}
	if len(v.Leaks) > 0 {
		fail("%d operators lose relevance without a reason", len(v.Leaks))
	}
	switch {
	case len(v.NaN) > 0:
		fail("NaN at %s%s", v.NaN[0], v.before())
	case v.Endless != "":
		fail("relevance is not finite from %s on%s", v.Endless, v.before())
	case !(float64(v.Growth.Times) <= maxGrowth) && !v.neutral:
		fail("Σ|R| grows to %.2g times what it was, at %s (%s, %s)", float64(v.Growth.Times), v.Growth.Node, v.Growth.Op, v.Growth.Rule)
	}
	if v.Gradient != "" {
		fail("not finite in gradient form: %s", v.Gradient)
	}
	if len(v.Unruled) > 0 {
		fail("%d operators on the way have no rule", len(v.Unruled))
	}
	if v.Endless != "" || !(float64(v.Growth.Times) <= maxGrowth) && !v.neutral {
		v.Help = v.remedy()
	}
	v.Passed = len(v.Failed) == 0
}

// before says how far relevance had grown before it was not finite any more: beyond
// the 3e38 of float32 there is no number.
func (v *verdict) before() string {
	if v.Endless == "" || !(float64(v.Growth.Times) > maxGrowth) {
		return ""
	}
	return fmt.Sprintf(", after Σ|R| had grown to %.2g times what it was", float64(v.Growth.Times))
}

// maxLeaks is how many leaks are listed.
const maxLeaks = 10

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
	v.printBooks(p)
	if v.Endless == "" {
		p.line("  %s the books close, up to %.1g of Σ|R| where it is largest", sign(v.Closes), v.Open.abs()/max(float64(v.Largest), math.SmallestNonzeroFloat64))
	}
	for i, k := range v.Leaks {
		if i == maxLeaks {
			p.line("    and %d more", len(v.Leaks)-maxLeaks)
			break
		}
		p.line("  %s %s (%s, %s) loses %.3g of %.3g", p.mark("✗"), k.Node, k.Op, k.Rule, float64(k.Lost), float64(k.Magnitude))
	}
	if len(v.Leaks) == 0 && v.Endless == "" {
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
		p.line("  %s relevance is not finite from %s on%s", p.mark("✗"), v.Endless, v.before())
	case v.Growth.Node != "":
		fits := float64(v.Growth.Times) <= maxGrowth
		mark := sign(fits)
		if v.neutral && !fits {
			mark = p.mark("⁇")
		}
		p.line("  %s Σ|R| grows to %.3g times what it was, at %s (%s, %s)", mark, float64(v.Growth.Times), v.Growth.Node, v.Growth.Op, v.Growth.Rule)
		if v.neutral && !fits {
			p.line("    as if nothing were added to what cancels; float32 has too few digits for the sum of all, and --backend reference --double has enough")
		}
	default:
		p.line("  %s Σ|R| is nowhere more than it was", p.mark("✓"))
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

// printBooks writes the ledger: by kind of operator, by layer, and as a whole.
func (v *verdict) printBooks(p *paper) {
	p.line("\n%s", p.bold("Conservation"))
	g := &table{head: []string{"Function", "#", "In", "Out", "Absorbed", "By", "Rule", "Rule map"}, right: []int{1, 2, 3, 4}}
	for i := range v.Accounts {
		x := &v.Accounts[i]
		g.add(x.Op, fmt.Sprint(x.Count), x.In.String(), x.Out.String(), amount(x.Absorbed, x.size()), x.keepers(), x.Rule, x.At)
	}
	g.write(p, p.bold)
	v.printLayers(p)
	size := float64(v.Largest)
	p.line("\n  seeded      %12s", v.Seeded.String())
	for _, cause := range causes {
		if x := v.By[cause]; !isNoise(x, size) {
			p.line("  %-11s %12s", cause, x.String())
		}
	}
	p.line("  explained   %12s", v.Explained.String())
	p.line("  unaccounted %12.2g", float64(v.Open))
}

// printLayers writes what each layer absorbs, in the order in which relevance
// reaches it. Those that absorb nothing are left out.
func (v *verdict) printLayers(p *paper) {
	size := float64(v.Largest)
	var shown []string
	for _, cause := range causes {
		if slices.ContainsFunc(v.Layers, func(l layer) bool { return !isNoise(l.By[cause], size) }) {
			shown = append(shown, cause)
		}
	}
	if len(v.Layers) < 2 || len(shown) == 0 {
		return
	}
	g := &table{head: append(append([]string{"Layer", "#"}, shown...), "Left"), right: []int{1}}
	idle := 0
	for _, l := range v.Layers {
		row := []string{cmp.Or(l.Name, "outside of modules"), fmt.Sprint(l.Count)}
		kept := false
		for _, cause := range shown {
			row = append(row, amount(l.By[cause], size))
			kept = kept || row[len(row)-1] != "0"
		}
		if !kept {
			idle++
			continue
		}
		g.add(append(row, l.Left.String())...)
	}
	for i := range len(shown) + 1 {
		g.right = append(g.right, i+2)
	}
	p.line("\n%s", p.bold("Absorbed, by layer, from the target on"))
	g.write(p, p.bold)
	if idle > 0 {
		p.line("%s", p.dim(fmt.Sprintf("%d more absorb nothing.", idle)))
	}
}

// amount writes a sum; the noise of what is as large as size is 0.
func amount(x figure, size float64) string {
	if isNoise(x, size) {
		return "0"
	}
	return fmt.Sprintf("%.4g", float64(x))
}
