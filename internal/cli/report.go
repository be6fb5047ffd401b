package cli

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/passes"
)

// report writes what was rewritten. Level 1 has a line for each kind of
// operator in each kind of module, level 2 also one for each operator and for
// each pattern that did not match.
func (a *app) report(w io.Writer, rep *passes.Report, level int) error {
	p := &paper{colors: a.colors(w) != heatmap.NoColor}
	p.line("%s  %s form", p.bold(rep.Rules), rep.Form)
	if len(rep.Explained) > 0 {
		p.line("explains %s", strings.Join(rep.Explained, ", "))
	}
	if len(rep.Targets) > 0 {
		p.line("target   %s", strings.Join(rep.Targets, " + "))
	}
	p.line("")
	p.kinds(rep.Operators, level)
	p.converted(rep.Operators)
	p.leftAlone(rep.Operators)
	p.unruled(rep)
	if level > 1 {
		p.operators(rep.Operators)
	}
	p.passes(rep.Steps, level)
	_, err := io.WriteString(w, p.String())
	return err
}

// paper collects a report.
type paper struct {
	strings.Builder
	colors bool
}

func (p *paper) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *paper) sgr(code, s string) string {
	if !p.colors || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *paper) bold(s string) string   { return p.sgr("1", s) }
func (p *paper) dim(s string) string    { return p.sgr("2", s) }
func (p *paper) red(s string) string    { return p.sgr("31", s) }
func (p *paper) green(s string) string  { return p.sgr("32", s) }
func (p *paper) yellow(s string) string { return p.sgr("33", s) }

// mark colours one of LXT's four signs.
func (p *paper) mark(s string) string {
	switch s {
	case "✓":
		return p.green(s)
	case "✗":
		return p.red(s)
	case "⁇":
		return p.yellow(s)
	}
	return s
}

// kind is what a line of the grid stands for.
type kind struct {
	parent, function, origin, rule, at string
	live, replaced, compatible         string
}

// kindOf says what LXT's report says of an operator. Replaced: ✓ if a rule
// took the place of the derivative, - if the derivative itself is right, as
// where data only moves. Compatible: ✓ if relevance passes as a rule says, ✗
// if the operator is known but has no rule, ⁇ if it is not known, - if no
// relevance gets here.
func kindOf(o passes.Operator) kind {
	k := kind{parent: parentOf(o), function: o.Op, origin: recognised(o), rule: o.Rule, at: o.At, live: "-", replaced: "-", compatible: "-"}
	if !o.Live {
		return k
	}
	k.live = "✓"
	name, _, _ := strings.Cut(o.Rule, "(")
	switch {
	case o.Rule == "" && strings.Contains(o.Why, "not known"):
		k.compatible = "⁇"
	case o.Rule == "":
		k.compatible = "✗"
	case name == "move" || name == "gradient":
		k.compatible = "✓"
	default:
		k.replaced, k.compatible = "✓", "✓"
	}
	return k
}

// recognised is the pattern that made the operator, or the role it was seen in.
func recognised(o passes.Operator) string {
	if o.Origin != "" && o.Role != "" {
		return o.Origin + ", " + o.Role
	}
	return cmp.Or(o.Origin, o.Role)
}

var number = regexp.MustCompile(`\d+`)

// noParent stands for what is outside of all modules, and emptyModule is PyTorch's
// word for that.
const (
	noParent    = "Root"
	emptyModule = "_empty_nn_module_stack"
)

// parentOf names the kind of module around an operator: its class without the
// package, or its path with the numbers of layers left out.
func parentOf(o passes.Operator) string {
	parent := o.Class[strings.LastIndexByte(o.Class, '.')+1:]
	if parent == "" {
		parent = number.ReplaceAllString(o.Scope, "*")
	}
	if parent == "" || strings.HasPrefix(parent, emptyModule) {
		return noParent
	}
	return parent
}

// kinds writes LXT's grid, with what LXT does not know added. Operators that
// no relevance reaches have lines of their own at level 2 only.
func (p *paper) kinds(ops []passes.Operator, level int) {
	var order []kind
	count := map[kind]int{}
	for _, o := range ops {
		k := kindOf(o)
		if !o.Live && level < 2 {
			continue
		}
		if count[k]++; count[k] == 1 {
			order = append(order, k)
		}
	}
	first := map[string]int{}
	for i, k := range order {
		if _, ok := first[k.parent]; !ok {
			first[k.parent] = i
		}
	}
	slices.SortStableFunc(order, func(a, b kind) int { return first[a.parent] - first[b.parent] }) // modules stay together
	g := &table{head: []string{"Parent Module", "Function", "#", "Recognised as", "Live", "Replaced", "LRP compatible", "Rule", "Rule map"}, right: []int{2}}
	for _, k := range order {
		g.add(k.parent, k.function, fmt.Sprint(count[k]), k.origin, k.live, k.replaced, k.compatible, k.rule, k.at)
	}
	g.style = func(column int, s string) string {
		if column >= 4 && column <= 6 {
			return p.mark(s)
		}
		return s
	}
	g.write(p, p.bold)
	p.line("%s", p.dim("✓ yes  ✗ no  ⁇ not known  - does not apply.  Live: on the way from what is explained to the target."))
}

// converted says which rules have no gradient form where they are.
func (p *paper) converted(ops []passes.Operator) {
	var names []string
	count := map[string]map[string]int{}
	for _, o := range ops {
		if !o.Converted {
			continue
		}
		if count[o.Rule] == nil {
			count[o.Rule] = map[string]int{}
			names = append(names, o.Rule)
		}
		count[o.Rule][o.Op]++
	}
	if len(names) == 0 {
		return
	}
	p.line("\n%s", p.bold("Converted: without a gradient form, R = z∘G goes in and G = R/x comes out"))
	for _, name := range names {
		p.line("  %s: %s", name, tally(count[name]))
	}
}

// leftAlone says which operators no relevance reaches, and why.
func (p *paper) leftAlone(ops []passes.Operator) {
	var reasons []string
	count := map[string]map[string]int{}
	for _, o := range ops {
		if o.Live || o.Why == "" {
			continue
		}
		if count[o.Why] == nil {
			count[o.Why] = map[string]int{}
			reasons = append(reasons, o.Why)
		}
		count[o.Why][o.Op]++
	}
	if len(reasons) == 0 {
		return
	}
	p.line("\n%s", p.bold("Left alone"))
	for _, why := range reasons {
		p.line("  %s: %s", why, tally(count[why]))
	}
}

// tally writes counted names, most frequent first.
func tally(count map[string]int) string {
	var names []string
	for name := range count {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(a, b))
	})
	for i, name := range names {
		if count[name] > 1 {
			names[i] = fmt.Sprintf("%s ×%d", name, count[name])
		}
	}
	return strings.Join(names, ", ")
}

// unruled warns of operators on the way that stop relevance for want of a rule.
func (p *paper) unruled(rep *passes.Report) {
	missing := rep.Unruled()
	if len(missing) == 0 {
		return
	}
	p.line("\n%s", p.red(p.bold("NO RULE: relevance ends at these operators and is lost")))
	for _, o := range missing {
		p.line("  %s (%s): %s", o.Node, o.Op, o.Why)
	}
}

// operators lists every operator of the model.
func (p *paper) operators(ops []passes.Operator) {
	p.line("\n%s", p.bold("Operators"))
	g := &table{head: []string{"Node", "Op", "Scope", "Recognised as", "Rule or reason", "Rule map"}}
	for _, o := range ops {
		g.add(o.Node, o.Op, o.Scope, recognised(o), cmp.Or(o.Rule, o.Why), o.At)
	}
	g.write(p, p.bold)
}

// passes says what the passes did; at level 2 rewrite by rewrite, with what was
// left alone, and those that did nothing.
func (p *paper) passes(steps []passes.Step, level int) {
	p.line("\n%s", p.bold("Passes"))
	for _, s := range steps {
		if level < 2 && len(s.Done) == 0 {
			continue
		}
		count := map[string]int{}
		for _, d := range s.Done {
			count[d.What]++
		}
		what := tally(count)
		if len(count) > 6 {
			what = fmt.Sprintf("%d rewrites", len(s.Done))
		}
		p.line("  %-12s %5d → %-5d %s", s.Pass, s.Before, s.After, what)
		if level < 2 {
			continue
		}
		for _, d := range s.Done {
			p.line("      %s: %s%s", d.What, d.From, arrow(d.To))
		}
		for _, k := range s.Skipped {
			p.line("      %s", p.yellow(fmt.Sprintf("not %s: %s: %s", k.What, k.From, k.Why)))
		}
	}
}

func arrow(to string) string {
	if to == "" {
		return ""
	}
	return " → " + to
}
