package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/rules"
	"github.com/spf13/cobra"
)

func (a *app) rulesCommand() *cobra.Command {
	var list bool
	c := &cobra.Command{
		Use:   "rules [NAME]",
		Short: "list the rule maps, or print one",
		Long: `Rules lists the rule maps that lxtc carries; with NAME it prints the text of
one, to start a map of your own from. --list-rules documents the rules that a
map may use, their parameters and formulas, and the conditions.

A map may use others: "use attnlrp" stands for all lines of one that lxtc
carries, "use base.rules" for those of a file beside it, and either with
arguments for all of its rules: "use attnlrp(eps=1e-4)".

A number in a map may be left free, as in "Conv => gamma($gamma=0.25)": it
becomes an input of the rewritten model, called $gamma.`,
		Example: `  lxtc rules attnlrp > my.rules
  lxtc rewrite model.onnx -n -v -r my.rules`,
		Args: atMostOne,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return rules.Builtin(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.run(func(_ context.Context, args []string) error {
			switch {
			case list:
				return a.listRules(a.stdout)
			case len(args) == 1:
				return a.printMap(args[0])
			}
			return a.listMaps(a.stdout)
		}),
	}
	c.Flags().BoolVar(&list, "list-rules", false, "document the rules and conditions of the language")
	return c
}

// loadRules reads a rule map by the name that lxtc has for it, or from a file.
func loadRules(ref string) (*rules.Map, error) {
	m, err := rules.Open(ref, rules.Standard())
	var d *diag.Error
	var path *fs.PathError
	switch {
	case err == nil:
		return m, nil
	case errors.As(err, &path):
		return nil, unreadable(err)
	case errors.As(err, &d) && d.Code != "": // a line of the map
		return nil, unreadable(fmt.Errorf("rule map: %w", err))
	}
	return nil, usageError(err) // no map of that name, or arguments that it does not take
}

func (a *app) printMap(name string) error {
	if !slices.Contains(rules.Builtin(), name) {
		return usageError(diag.Errorf("", "no rule map is called %q%s", name, diag.DidYouMean(name, rules.Builtin())).
			Help("the maps are %s", strings.Join(rules.Builtin(), ", ")))
	}
	text, err := rules.Source(name)
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.stdout, text)
	return err
}

func (a *app) listMaps(w io.Writer) error {
	g := &table{head: []string{"Rule map", "What it is"}}
	for _, name := range rules.Builtin() {
		m, err := rules.Load(name)
		if err != nil {
			return err
		}
		g.add(name, firstSentence(m.Doc))
	}
	_, err := io.WriteString(w, strings.Join(g.lines(), "\n")+"\n")
	return err
}

// firstSentence returns a text up to its first full stop, on one line.
func firstSentence(text string) string {
	paragraph, _, _ := strings.Cut(text, "\n\n")
	first, _, more := strings.Cut(strings.Join(strings.Fields(paragraph), " "), ". ")
	if more {
		first += "."
	}
	return first
}

// listRules documents the language of rule maps.
func (a *app) listRules(w io.Writer) error {
	p := &paper{colors: a.colors(w) != heatmap.NoColor}
	p.line("%s\n", p.bold("Rules"))
	for _, r := range rules.Standard() {
		title, formula, _ := strings.Cut(r.Doc, "\n\n")
		p.line("%s%s", p.bold(r.Name), signature(r.Params))
		if len(r.Aliases) > 0 {
			p.line("    also called %s", strings.Join(r.Aliases, ", "))
		}
		p.line("    %s", title)
		for _, l := range wrap(formula, 76) {
			p.line("    %s", l)
		}
		for _, q := range r.Params {
			p.line("    %s = %s: %s", q.Name, q.Default, q.Doc)
		}
		for _, d := range r.Dialects {
			p.line("    %s stands for %s", d.Name, strings.Join(d.Args, ", "))
		}
		p.line("")
	}
	p.line("%s\n", p.bold("Conditions"))
	g := &table{head: []string{"Condition", "Meaning"}}
	for _, c := range rules.Conditions() {
		g.add(c[0], c[1])
	}
	for _, l := range g.lines() {
		p.line("%s", l)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

func signature(ps []rules.Param) string {
	if len(ps) == 0 {
		return ""
	}
	var names []string
	for _, p := range ps {
		names = append(names, p.Name)
	}
	return fmt.Sprintf("(%s)", strings.Join(names, ", "))
}

// wrap breaks a text into lines of at most n letters, between words.
func wrap(text string, n int) []string {
	var lines []string
	var line []string
	length := 0
	for _, word := range strings.Fields(text) {
		k := len([]rune(word))
		if length > 0 && length+1+k > n {
			lines, line, length = append(lines, strings.Join(line, " ")), nil, 0
		}
		if length > 0 {
			length++
		}
		line, length = append(line, word), length+k
	}
	if length > 0 {
		lines = append(lines, strings.Join(line, " "))
	}
	return lines
}
