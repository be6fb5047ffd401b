package docs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/rules"
)

// TestRulesPage writes rules.md: every rule, condition and map.
func TestRulesPage(t *testing.T) {
	var sb strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&sb, format, args...) }

	p("# Rules\n\n")
	p("A rule says how relevance flows back through an operator, and a rule map which operator has which rule. ")
	p("This page is made from the documentation in package `rules` by `go test ./docs -update`.\n\n")
	p("## Rule maps\n\n")
	p("A map is a text file, `NAME.rules`, of lines\n\n")
	p("```\nOp, Op… [\"name glob\"] [if condition, condition…] => rule[(arguments)]\nuse MAP\n```\n\n")
	p("and comments from `#` on. The first line that matches a node gives it its rule; all conditions of a line must hold. ")
	p("`*` stands for any operator. The glob is tried on the node's name and on the path of each module around it; `*` in it is any text, `?` any one byte. ")
	p("`use` stands for all lines of a map below, so that the lines above it override. ")
	p("Arguments are numbers in the order of the parameters, words, which say themselves what they are for, or `name=value`. ")
	p("The name of a [dialect](dialects.md) is a word, too, and stands for several of them: `gamma(0.1, captum)`.\n\n")
	p("A number may be *free*: `gamma($gamma)`, or with a default `gamma($gamma=0.25)`. It then is no part of the rewritten model but a scalar input of it, called `$gamma`, ")
	p("which every run may give: one compilation serves a whole grid. The same name in several lines is the same input.\n\n")
	p("A node that relevance would pass and that no line matches is an error, not a guess.\n\n")

	p("| condition | it holds if |\n| --- | --- |\n")
	for _, c := range rules.Conditions() {
		p("| `%s` | %s |\n", c[0], c[1])
	}
	p("| `not` *condition* | the condition does not hold |\n\n")

	p("## The rules\n\n")
	p("R is the relevance of an operator's output z, R_x that of its input x, ε what keeps a denominator from 0. ")
	p("The *explicit* form carries relevance from node to node as the formulas have it. The *gradient* form carries G with R = x∘G instead: ")
	p("nothing is divided by z, and a rule is a change of the derivative. A rule that has no gradient form of its own is converted at its border, R = z∘G and G = R_x/x.\n\n")
	for _, r := range rules.Standard() {
		_, body, _ := strings.Cut(r.Doc, "\n\n")
		p("### `%s`\n\n%s%s.\n\n%s\n\n", r.Name, strings.ToUpper(r.Title()[:1]), r.Title()[1:], body)
		if notes := notes(r); notes != "" {
			p("%s\n\n", notes)
		}
		if len(r.Dialects) > 0 {
			var names []string
			for _, d := range r.Dialects {
				names = append(names, "`"+d.Name+"`")
			}
			p("[Dialects](dialects.md#dialects): %s.\n\n", strings.Join(names, ", "))
		}
		if len(r.Params) == 0 {
			continue
		}
		p("| parameter | default | |\n| --- | --- | --- |\n")
		for _, param := range r.Params {
			p("| `%s` | `%s` | %s |\n", param.Name, param.Default, param.Doc)
		}
		p("\n")
	}

	p("## The maps that lxtc carries\n\n")
	p("`lxtc rules NAME` prints one, to be changed and given back with `-r`.\n\n")
	for _, name := range rules.Builtin() {
		m, err := rules.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := rules.Source(name)
		if err != nil {
			t.Fatal(err)
		}
		p("### `%s`\n\n%s\n\n```\n%s```\n\n", name, m.Doc, afterComment(text))
	}
	generated(t, "rules.md", "", strings.TrimSuffix(sb.String(), "\n"))
}

// TestDialectTable writes what the dialects of each rule stand for, in
// dialects.md.
func TestDialectTable(t *testing.T) {
	var sb strings.Builder
	sb.WriteString("| rule | dialect | stands for |\n| --- | --- | --- |\n")
	for _, r := range rules.Standard() {
		for _, d := range r.Dialects {
			fmt.Fprintf(&sb, "| [`%s`](rules.md#%[1]s) | `%s` | `%s` |\n", r.Name, d.Name, strings.Join(d.Args, ", "))
		}
	}
	generated(t, "dialects.md", "dialects", sb.String())
}

// notes says what the fields of a rule say.
func notes(r *rules.Rule) string {
	var s []string
	if r.Conserves {
		s = append(s, "Conserves: what it hands on sums to what it receives, up to ε and to what a bias absorbs.")
	}
	if r.Linear {
		s = append(s, "That holds where the operator is linear in what is explained; elsewhere there is a warning.")
	}
	if r.OnlyLinear {
		s = append(s, "For operators that are linear in what is explained; on others it is an error.")
	}
	if r.Stops {
		s = append(s, "Nothing behind it counts as depending on what is explained.")
	}
	if r.AtZero {
		s = append(s, "Gives relevance to inputs that are 0, which the gradient form loses: use the explicit form.")
	}
	if r.Gradient == nil {
		s = append(s, "Converted at its border in gradient form.")
	}
	return strings.Join(s, " ")
}

// afterComment returns the text of a map without the comment at its top.
func afterComment(text string) string {
	for strings.HasPrefix(text, "#") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return strings.TrimLeft(text, "\n")
}
