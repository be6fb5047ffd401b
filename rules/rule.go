// Package rules says how relevance flows back through a node.
//
// A rule is written once, against what every operator provides: Apply (the
// same operator at other inputs) and VJP (its derivative). It comes in two
// forms of one formula:
//
//   - explicit: relevance in, relevance out, as the papers write it;
//   - gradient: with R = x∘G everywhere, the same rule as a modified gradient
//     G. Stabilizers disappear, because nothing is divided by z.
//
// A rule map (Map) chooses a rule for each node; see Parse for the language.
package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// A Rule returns what reaches a node's inputs, given what arrives at its
// outputs: one value an input, nil where nothing flows.
type Rule struct {
	Name   string // as a rule map writes it: "epsilon"
	Doc    string // a title, a blank line, the formula and its source
	Params []Param

	// Relevance is the explicit form.
	Relevance func(c *Context) []*ir.Value

	// Gradient is the gradient form. If it is nil, the rule is converted at
	// its border: R = z∘G goes in, and G = R/x comes out.
	Gradient func(c *Context) []*ir.Value

	// Stops says that nothing passes, so that what lies behind does not count
	// as depending on what is explained.
	Stops bool

	// AtZero says that an input of value 0 can get relevance. The gradient form
	// cannot carry that, for R = x∘G.
	AtZero bool

	// Conserves says that the explicit form hands on as much relevance as it
	// receives, up to its stabilizer and to what constants such as a bias
	// absorb.
	Conserves bool
}

// Title returns the first line of the rule's documentation.
func (r *Rule) Title() string {
	t, _, _ := strings.Cut(r.Doc, "\n")
	return t
}

// A Param is a parameter of a rule: a number, or one of a few words.
type Param struct {
	Name    string
	Doc     string
	Default string
	Choices []string // nil for a number
	List    bool     // also several numbers, "1/2/3"
}

// A Call is a rule with its arguments, one for each parameter.
type Call struct {
	Rule *Rule
	Args []string
}

// Of returns r with the given arguments, written as in a rule map: by name,
// "eps=1e-6"; numbers in the order of the parameters, "1e-6"; and words, which
// say themselves what they are for, "plus".
func (r *Rule) Of(args ...string) (Call, error) {
	c := Call{Rule: r, Args: make([]string, len(r.Params))}
	given := make([]bool, len(r.Params))
	for i, p := range r.Params {
		c.Args[i] = p.Default
	}
	for _, a := range args {
		i, value, err := r.place(a, given)
		if err == nil {
			err = r.Params[i].check(value)
		}
		if err == nil && given[i] {
			err = fmt.Errorf("%s is given twice", r.Params[i].Name)
		}
		if err != nil {
			return c, fmt.Errorf("rule %s: %w", r.Name, err)
		}
		c.Args[i], given[i] = value, true
	}
	return c, nil
}

// place finds the parameter that an argument is for.
func (r *Rule) place(arg string, given []bool) (i int, value string, err error) {
	if name, value, named := strings.Cut(arg, "="); named {
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		i = slices.IndexFunc(r.Params, func(p Param) bool { return p.Name == name })
		if i < 0 {
			err = fmt.Errorf("there is no parameter %q (there is %s)", name, paramNames(r.Params))
		}
		return i, value, err
	}
	for i, p := range r.Params {
		if slices.Contains(p.Choices, arg) || p.Choices == nil && !given[i] && p.check(arg) == nil {
			return i, arg, nil
		}
	}
	return -1, "", fmt.Errorf("no parameter takes %q (there is %s)", arg, paramNames(r.Params))
}

// MustOf is Of for arguments written in Go code; it panics on bad ones.
func (r *Rule) MustOf(args ...string) Call {
	c, err := r.Of(args...)
	if err != nil {
		panic(err)
	}
	return c
}

func (p Param) check(a string) error {
	if p.Choices != nil {
		if !slices.Contains(p.Choices, a) {
			return fmt.Errorf("%s is %q, want %s", p.Name, a, strings.Join(p.Choices, " or "))
		}
		return nil
	}
	_, err := p.numbers(a)
	return err
}

// numbers reads the argument for a numeric parameter.
func (p Param) numbers(a string) ([]float32, error) {
	parts := []string{a}
	if p.List {
		parts = strings.Split(a, "/")
	}
	fs := make([]float32, len(parts))
	for i, part := range parts {
		f, err := strconv.ParseFloat(part, 32)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			if p.List {
				return nil, fmt.Errorf("%s is %q, want a number, or several with / between", p.Name, a)
			}
			return nil, fmt.Errorf("%s is %q, want a number", p.Name, a)
		}
		fs[i] = float32(f)
	}
	return fs, nil
}

// String returns the call as a rule map writes it, with every argument:
// "epsilon(1e-06, sign)".
func (c Call) String() string {
	if len(c.Args) == 0 {
		return c.Rule.Name
	}
	return c.Rule.Name + "(" + strings.Join(c.Args, ", ") + ")"
}

// Float returns the numeric argument for the named parameter.
func (c Call) Float(name string) float64 {
	f, err := strconv.ParseFloat(c.Word(name), 64)
	if err != nil {
		panic(fmt.Sprintf("rule %s: parameter %s is not a number", c.Rule.Name, name)) // Of has checked it
	}
	return f
}

// Attr returns the numeric argument for the named parameter as an attribute of
// an ONNX function: a float32, or a []float32 if the parameter is a list.
func (c Call) Attr(name string) any {
	p := c.Rule.Params[c.index(name)]
	fs, err := p.numbers(c.Word(name))
	if err != nil {
		panic(fmt.Sprintf("rule %s: %v", c.Rule.Name, err)) // Of has checked it
	}
	if p.List {
		return fs
	}
	return fs[0]
}

// Word returns the argument for the named parameter as it was written.
func (c Call) Word(name string) string { return c.Args[c.index(name)] }

func (c Call) index(name string) int {
	for i, p := range c.Rule.Params {
		if p.Name == name {
			return i
		}
	}
	panic(fmt.Sprintf("rule %s has no parameter %s", c.Rule.Name, name))
}

// paramNames lists parameters for messages: "eps, stabilizer (sign or plus)".
func paramNames(ps []Param) string {
	if len(ps) == 0 {
		return "none"
	}
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.Name
		if p.Choices != nil {
			names[i] += " (" + strings.Join(p.Choices, " or ") + ")"
		}
	}
	return strings.Join(names, ", ")
}
