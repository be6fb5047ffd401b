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
	p("```\nOp, Op… [\"name glob\"] [if condition, condition…] => rule[(arguments)]\nuse MAP[(name=value, …)]\n```\n\n")
	p("and comments from `#` on. The first line that matches a node gives it its rule; all conditions of a line must hold. ")
	p("`*` stands for any operator. The glob is tried on the node's name, or that of its first result if it has none, on the names of its weights, and on the path of each module around it; `*` in it is any text, `?` any one byte. ")
	p("`use` stands for all lines of a map below, so that the lines above it override: of one that lxtc carries, `use attnlrp`, or of a file of your own, `use base.rules`. ")
	p("A file is named relative to the one that uses it, in the same folder or one inside; reports name its lines as they name those of the first. ")
	p("Arguments after the map go to all of its rules that have such a parameter, instead of their own: `use attnlrp(eps=1e-4)`, and on the command line `-r 'attnlrp(eps=1e-4)'`. ")
	p("Arguments are numbers in the order of the parameters, words, which say themselves what they are for, or `name=value`. ")
	p("The name of a [dialect](dialects.md) is a word, too, and stands for several of them: `gamma(0.1, captum)`.\n\n")
	p("A number may be *free*: `gamma($gamma)`, or with a default `gamma($gamma=0.25)`. It then is no part of the rewritten model but a scalar input of it, called `$gamma`, ")
	p("which every run may give: one compilation serves a whole grid. The same name in several lines is the same input. ")
	p("A parameter that may be a list, one number for each channel, may be free as one: `zbox($low[3], $high[3])`, or with defaults `zbox($low=-2.1/-2/-1.8, $high=2.2/2.4/2.6)`, inputs of 3 numbers. ")
	p("Pixels of 0 to 1 that are normalized by a mean and a standard deviation for each colour lie between (0 - mean)/std and (1 - mean)/std.\n\n")
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
	p("### Absorbed relevance\n\n")
	p("A bias, a constant operand such as a mask or a position, a stabilizer, and the term of order zero of an expansion take a share of relevance. With `absorbed=kept` it is gone, and `lxtc check` says how much. ")
	p("With the other two it is handed on. An output j that receives R_j and hands on Σ_i R_{i←j} by the rule's formula has D_j left, and the inputs that it is made of take it:\n\n")
	p("D_j = R_j - Σ_i R_{i←j}, R_i += Σ_j c_ij D_j / Σ_k c_kj\n\n")
	p("- `shared`, in equal parts: c_ij is 1 for the elements that a product or a window sums over, padding not among them; of several operands, those of each. For sums, scalings and normalizations it is 1 for the element at the same place, of each operand. ")
	p("`taylor` has D of a whole row, D = Σ_j R_j - Σ_i R_i, of which x_i gets s_i D: s sums to 1, and what is masked has none. Products of operands, `bilinear` and `uniform-epsilon`, do as the next, unless nothing contributes.\n")
	p("- `active`, by the size of contributions: c_ij = |x_i ∂z_j/∂x_i|, and |x_i| for the element at the same place; |x_i| (δ_ij + 1/n) among the n elements that are normalized together; s_i |x_i| for `taylor`. What is made of zeros keeps what it has.\n\n")
	p("In gradient form R_x = x∘G gives nothing to an x of 0: `shared` loses those parts there, and warns; `active` gives them none in either form, and divides by no x. ")
	p("So each of these rules conserves to the digits, and so does a whole map: `lxtc check -r 'attnlrp(absorbed=active)'`. It is an error where the operator is not linear in what is explained, for there it is not known what it keeps.\n\n")
	p("Equal parts give relevance to what is almost 0, and the next layer divides it by that: on MiniLM `shared` grows to 5e10 times what there was, `active` to 8 times. In convnets whose biases are as large as what they are added to, as in EfficientNet with its batch normalizations folded, both grow beyond measure: ")
	p("a small output of large contributions has a bias's relevance to hand on. `lxtc check` says so. Arras et al. 2017 share the biases of LSTMs in equal parts, under `bias_factor`.\n\n")
	for _, r := range rules.Standard() {
		_, body, _ := strings.Cut(r.Doc, "\n\n")
		p("### `%s`\n\n%s%s.\n\n%s\n\n", r.Name, strings.ToUpper(r.Title()[:1]), r.Title()[1:], body)
		if len(r.Aliases) > 0 {
			p("Also called `%s`.\n\n", strings.Join(r.Aliases, "`, `"))
		}
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
		s = append(s, "Conserves: what it hands on sums to what it receives, up to [what is absorbed](#absorbed-relevance).")
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
	if r.Copies {
		s = append(s, "At an addition it gives relevance to operands that are 0, which the gradient form loses: use the explicit form there.")
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
