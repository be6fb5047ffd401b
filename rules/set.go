package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/lxtc/lxtc/internal/diag"
)

// Standard returns the rules that lxtc knows, in the order of their
// documentation.
func Standard() Set {
	return Set{
		Epsilon, EpsilonBias, Norm, Mean, Bilinear, UniformEpsilon, Uniform, Identity, StraightThrough, Taylor, NormIdentity, LayerNormEpsilon,
		Gamma, ZPlus, AlphaBeta, ZBox, WSquare, Flat, DeepTaylor,
		WinnerTakesAll, Proportional, Average,
		Move, Pass, Gradient, DeconvNet, GuidedBackprop, BetaSmooth, Stop,
	}
}

// A Set is the rules that a map may use. It is extended by appending.
type Set []*Rule

// Lookup returns the rule of the given name, or else the one that has it as an
// alias; nil if there is none.
func (s Set) Lookup(name string) *Rule {
	for _, r := range slices.Backward(s) { // a user's rule wins over one of the same name
		if r.Name == name {
			return r
		}
	}
	for _, r := range slices.Backward(s) {
		if slices.Contains(r.Aliases, name) {
			return r
		}
	}
	return nil
}

// Parse reads a rule with its arguments, as Call.String writes it:
// "epsilon(1e-6, sign)".
func (s Set) Parse(text string) (Call, error) {
	c, _, err := s.parse(text)
	return c, err
}

// parse is Parse. On an error it also returns where in the text the part to
// blame begins.
func (s Set) parse(text string) (c Call, at int, err error) {
	name, rest, hasArgs := strings.Cut(text, "(")
	at = skipSpace(text, 0)
	name = strings.TrimSpace(name)
	r := s.Lookup(name)
	if word, more, ok := strings.Cut(name, " "); r == nil && ok && s.Lookup(word) != nil {
		return Call{}, at + len(word) + 1, diag.Errorf("LX5003", "rule %s: %q follows it, and arguments stand in parentheses", word, strings.TrimSpace(more))
	}
	if r == nil {
		names := make([]string, len(s))
		var all []string
		for i, r := range s {
			names[i] = r.Name
			all = append(append(all, r.Name), r.Aliases...)
		}
		err := diag.Errorf("LX5003", "no rule is called %q%s", name, diag.DidYouMean(name, all))
		if name == "" {
			err = diag.Errorf("LX5003", "the rule is missing")
		}
		return Call{}, at, err.Help("the rules are %s", strings.Join(names, ", "))
	}
	if !hasArgs {
		c, err = r.Of()
		return c, at, err
	}
	list, more, closed := strings.Cut(rest, ")")
	open := strings.IndexByte(text, '(') + 1
	switch more = strings.TrimSpace(more); {
	case !closed:
		return Call{}, len(strings.TrimRightFunc(text, unicode.IsSpace)), diag.Errorf("LX5003", "rule %s: a closing parenthesis is missing", name)
	case more != "":
		return Call{}, open + len(list) + 1 + skipSpace(rest[len(list)+1:], 0), diag.Errorf("LX5003", "rule %s: %q follows its closing parenthesis", name, more)
	}
	args, starts, err := splitArgs(list)
	if err != nil {
		return Call{}, open + starts[len(starts)-1], fmt.Errorf("rule %s: %w", name, err)
	}
	c, bad, err := r.of(args)
	if err != nil {
		return c, open + starts[bad], err
	}
	return c, at, nil
}
