package rules

import (
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
)

// Standard returns the rules that lxtc knows, in the order of their
// documentation.
func Standard() Set {
	return Set{
		Epsilon, EpsilonBias, Bilinear, UniformEpsilon, Uniform, Identity, Taylor, NormIdentity, LayerNormEpsilon,
		Gamma, ZPlus, AlphaBeta, ZBox, WSquare, Flat, Move, Pass, Gradient, Stop,
	}
}

// A Set is the rules that a map may use. It is extended by appending.
type Set []*Rule

// Lookup returns the rule of the given name, or nil.
func (s Set) Lookup(name string) *Rule {
	for _, r := range slices.Backward(s) { // a user's rule wins over one of the same name
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Parse reads a rule with its arguments, as Call.String writes it:
// "epsilon(1e-6, sign)".
func (s Set) Parse(text string) (Call, error) {
	name, rest, hasArgs := strings.Cut(strings.TrimSpace(text), "(")
	name = strings.TrimSpace(name)
	r := s.Lookup(name)
	if r == nil {
		names := make([]string, len(s))
		for i, r := range s {
			names[i] = r.Name
		}
		err := diag.Errorf("LX5003", "no rule is called %q%s", name, diag.DidYouMean(name, names))
		if name == "" {
			err = diag.Errorf("LX5003", "the rule is missing")
		}
		return Call{}, err.Help("the rules are %s", strings.Join(names, ", "))
	}
	if !hasArgs {
		return r.Of()
	}
	rest, ok := strings.CutSuffix(strings.TrimSpace(rest), ")")
	if !ok {
		return Call{}, diag.Errorf("LX5003", "rule %s: a closing parenthesis is missing", name)
	}
	var args []string
	for a := range strings.SplitSeq(rest, ",") {
		if a = strings.TrimSpace(a); a != "" {
			args = append(args, a)
		}
	}
	return r.Of(args...)
}
