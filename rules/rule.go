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
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// A Rule returns what reaches a node's inputs, given what arrives at its
// outputs: one value an input, nil where nothing flows.
type Rule struct {
	Name     string   // as a rule map writes it: "epsilon"
	Aliases  []string // other names that a rule map may write
	Doc      string   // a title, a blank line, the formula and its source
	Params   []Param
	Dialects []Dialect // what other tools mean by the name

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

	// Copies says that several operands of a sum get the same relevance. Then one that
	// is 0 gets some as well.
	Copies bool

	// Conserves says that the explicit form hands on as much relevance as it
	// receives, up to its stabilizer and to what constants such as a bias
	// absorb.
	Conserves bool

	// Linear says that this holds where the operator is linear in what is
	// explained; elsewhere the user is warned. OnlyLinear says that the formula
	// means nothing elsewhere: that is an error.
	Linear, OnlyLinear bool
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
	List    bool     // also several numbers, "1/2/3", one for each channel
	Quiet   bool     // Call.String leaves out the default

	// Refuse says what is wrong with a number, "want at least 0"; "" if nothing
	// is. Nil takes every number.
	Refuse func(x float32) string
}

// A Dialect is what another tool computes under the name of a rule. In a rule
// map its name stands for its arguments, which others may override:
// "gamma(captum, gamma=0.1)".
type Dialect struct {
	Name string
	Args []string // by name: "bias=full"
}

// A Call is a rule with its arguments, one for each parameter.
type Call struct {
	Rule *Rule
	Args []string
}

// Of returns r with the given arguments, written as in a rule map: by name,
// "eps=1e-6"; numbers in the order of the parameters, "1e-6"; and words, which
// say themselves what they are for, "plus", or the name of a dialect. A number
// may be Free: "$gamma=0.25".
func (r *Rule) Of(args ...string) (Call, error) {
	c, _, err := r.of(args)
	return c, err
}

// of is Of. On an error it also returns the index of the argument to blame.
func (r *Rule) of(args []string) (c Call, bad int, err error) {
	c = Call{Rule: r, Args: make([]string, len(r.Params))}
	for i, p := range r.Params {
		c.Args[i] = p.Default
	}
	fail := func(i int, err error) (Call, int, error) { return c, i, fmt.Errorf("rule %s: %w", r.Name, err) }
	var dialect *Dialect
	for i, a := range args {
		d := r.dialect(a)
		if d == nil {
			continue
		}
		if dialect != nil {
			return fail(i, fmt.Errorf("%s and %s are two dialects", dialect.Name, d.Name))
		}
		dialect = d
		if err := c.set(d.Args, make([]bool, len(r.Params))); err != nil {
			panic(fmt.Sprintf("rule %s: dialect %s: %v", r.Name, d.Name, err)) // a bad table
		}
	}
	given := make([]bool, len(r.Params))
	for i, a := range args {
		if r.dialect(a) != nil {
			continue
		}
		if err := c.set(args[i:i+1], given); err != nil {
			return fail(i, err)
		}
	}
	return c, 0, nil
}

// set gives arguments to the parameters that they are for.
func (c Call) set(args []string, given []bool) error {
	for _, a := range args {
		i, value, err := c.Rule.place(a, given)
		if err != nil {
			return err
		}
		if err := c.Rule.Params[i].check(value); err != nil {
			return err
		}
		if given[i] {
			return fmt.Errorf("%s is given twice", c.Rule.Params[i].Name)
		}
		c.Args[i], given[i] = value, true
	}
	return nil
}

func (r *Rule) dialect(name string) *Dialect {
	for i := range r.Dialects {
		if r.Dialects[i].Name == name {
			return &r.Dialects[i]
		}
	}
	return nil
}

// place finds the parameter that an argument is for.
func (r *Rule) place(arg string, given []bool) (i int, value string, err error) {
	if name, value, named := strings.Cut(arg, "="); named && !isFree(arg) {
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		i = slices.IndexFunc(r.Params, func(p Param) bool { return p.Name == name })
		if i < 0 {
			err = fmt.Errorf("there is no parameter %q%s (there is %s)", name, diag.DidYouMean(name, r.paramNames()), r.takes())
		}
		return i, value, err
	}
	number := isNumber(arg)
	for i, p := range r.Params {
		switch {
		case slices.Contains(p.Choices, arg):
			return i, arg, nil
		case p.Choices == nil && number && !given[i]:
			return i, arg, nil // set says what is wrong with it
		}
	}
	if number {
		return -1, "", fmt.Errorf("no parameter is left for %q (there is %s)", arg, r.takes())
	}
	return -1, "", fmt.Errorf("no parameter takes %q%s (there is %s)", arg, diag.DidYouMean(arg, r.words()), r.takes())
}

// isNumber reports whether an argument is meant for a number: one, a list of them, or
// a free one.
func isNumber(arg string) bool {
	first, _, _ := strings.Cut(arg, "/")
	_, err := strconv.ParseFloat(first, 64)
	return isFree(arg) || err == nil || errors.Is(err, strconv.ErrRange)
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
	if isFree(a) {
		f, err := parseFree(a)
		switch {
		case err != nil:
			return err
		case f.Len > 0 && !p.List:
			return fmt.Errorf("%s is one number, and %s is a list of %d", p.Name, f.Name, f.Len)
		}
		return p.refuse(a, f.Default)
	}
	fs, err := p.numbers(a)
	if err != nil {
		return err
	}
	return p.refuse(a, fs)
}

// refuse reports a number that the parameter does not take.
func (p Param) refuse(a string, fs []float32) error {
	for _, f := range fs {
		if p.Refuse == nil {
			break
		}
		if want := p.Refuse(f); want != "" {
			return fmt.Errorf("%s is %s, %s", p.Name, a, want)
		}
	}
	return nil
}

// atLeast refuses what is below least.
func atLeast(least float32) func(x float32) string {
	return func(x float32) string {
		if x < least {
			return fmt.Sprintf("want at least %g", least)
		}
		return ""
	}
}

// numbers reads the argument for a numeric parameter.
func (p Param) numbers(a string) ([]float32, error) {
	parts := []string{a}
	if p.List {
		parts = strings.Split(a, "/")
	}
	fs := make([]float32, len(parts))
	for i, part := range parts {
		f, err := number32(part)
		if err != nil {
			if errors.Is(err, strconv.ErrRange) {
				return nil, fmt.Errorf("%s is %q, want a finite number of float32", p.Name, a)
			}
			if p.List {
				return nil, fmt.Errorf("%s is %q, want a number, or several with / between", p.Name, a)
			}
			return nil, fmt.Errorf("%s is %q, want a number", p.Name, a)
		}
		fs[i] = f
	}
	return fs, nil
}

// number32 reads a finite number as a float32, which parameters of ONNX
// functions are.
func number32(s string) (float32, error) {
	f, err := strconv.ParseFloat(s, 32)
	if err == nil && (math.IsInf(f, 0) || math.IsNaN(f)) {
		err = strconv.ErrRange
	}
	return float32(f), err
}

// String returns the call as a rule map writes it, with every argument but
// those that are quiet at their default: "epsilon(1e-06, sign, keep)".
func (c Call) String() string {
	var args []string
	for i, p := range c.Rule.Params {
		if !p.Quiet || c.Args[i] != p.Default {
			args = append(args, c.Args[i])
		}
	}
	if len(args) == 0 {
		return c.Rule.Name
	}
	return c.Rule.Name + "(" + strings.Join(args, ", ") + ")"
}

// Float returns the numeric argument for the named parameter; ok is false if
// it is not known before the model runs, because it is free, or if it is a list.
func (c Call) Float(name string) (f float64, ok bool) {
	if isFree(c.Word(name)) || strings.Contains(c.Word(name), "/") {
		return 0, false
	}
	f, err := strconv.ParseFloat(c.Word(name), 64)
	if err != nil {
		panic(fmt.Sprintf("rule %s: parameter %s is no number", c.Rule.Name, name)) // Of has checked it
	}
	return f, true
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

// AtZero reports whether an input of value 0 can get relevance from an operator of
// which so many inputs are live: by the rule's formula, or because what was absorbed
// is handed to all inputs.
func (c Call) AtZero(op ir.OpName, live int) bool {
	return c.Rule.AtZero || c.KeepsNothing() || c.Rule.Copies && live > 1 && additive[op.String()]
}

// additive are the operators that are not 0 where one of their operands is.
var additive = map[string]bool{"Add": true, "Sub": true, "Sum": true, "Mean": true, "Max": true, "Min": true}

// OnlyLinear reports whether the formula means nothing where the operator is not
// linear in what is explained: see Rule.OnlyLinear. What a rule for linear
// operators absorbs is not known elsewhere.
func (c Call) OnlyLinear() bool { return c.Rule.OnlyLinear || c.Rule.Linear && c.Redistributes() }

// takes lists parameters for messages: "eps, stabilizer (sign or plus)".
func (r *Rule) takes() string {
	if len(r.Params) == 0 {
		return "none"
	}
	names := r.paramNames()
	for i, p := range r.Params {
		if p.Choices != nil {
			names[i] += " (" + strings.Join(p.Choices, " or ") + ")"
		}
	}
	text := strings.Join(names, ", ")
	if len(r.Dialects) > 0 {
		text += "; dialects " + strings.Join(r.dialectNames(), ", ")
	}
	return text
}

func (r *Rule) paramNames() []string {
	names := make([]string, len(r.Params))
	for i, p := range r.Params {
		names[i] = p.Name
	}
	return names
}

func (r *Rule) dialectNames() []string {
	names := make([]string, len(r.Dialects))
	for i, d := range r.Dialects {
		names[i] = d.Name
	}
	return names
}

// words lists what an argument without a name can be.
func (r *Rule) words() []string {
	words := r.dialectNames()
	for _, p := range r.Params {
		words = append(words, p.Choices...)
	}
	return words
}
