package rules_test

import (
	"slices"
	"testing"

	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/rules"
)

// unruled are operators with a derivative for which AttnLRP has no line, and
// why. A live one is an error, so that nobody gets a heatmap that no paper
// describes.
var unruled = map[string]string{
	"Exp": statistics, "Log": statistics, "Reciprocal": statistics, "Abs": statistics,
	"ReduceProd": statistics, "ReduceSumSquare": statistics, "ReduceLogSum": statistics, "LpPool": statistics,

	"Sin": periodic, "Cos": periodic, "Tan": periodic, "Mod": periodic,
	"Sinh": unusual, "Cosh": unusual, "Asin": unusual, "Acos": unusual, "Atan": unusual, "Asinh": unusual, "Acosh": unusual, "Atanh": unusual,

	"MeanVarianceNormalization": "no exporter writes it, and it has no form with its statistics held constant",
	"DeformConv":                "its offsets depend on its input, and no rule shares relevance with them",
	"CumProd":                   unusual, "Det": unusual,
}

const (
	statistics = "a part of a normalization, softmax or norm: a live one says that the whole was not recognized"
	periodic   = "a position, not a feature: its input is constant"
	unusual    = "networks are not known to use it: whoever does can give it a rule"
)

// TestCoverage compares the operators that have a derivative with the lines of
// attnlrp.rules.
func TestCoverage(t *testing.T) {
	m, err := rules.Load("attnlrp")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, op := range ops.Standard().All() {
		name := op.Name.String()
		known[name] = true
		covered := slices.ContainsFunc(m.Lines, func(l rules.Line) bool { return slices.Contains(l.Ops, name) })
		always := slices.ContainsFunc(m.Lines, func(l rules.Line) bool { return slices.Contains(l.Ops, name) && len(l.If) == 0 })
		_, listed := unruled[name]
		switch {
		case op.Fused: // the expand pass takes it apart, and its parts have rules
		case op.VJP != nil && !covered && !listed:
			t.Errorf("operator %s has no line in attnlrp.rules: add one, or say here why not", name)
		case always && listed: // a line for one role leaves the others
			t.Errorf("operator %s has a line in attnlrp.rules and is listed here", name)
		case op.VJP == nil && listed:
			t.Errorf("operator %s has no derivative and is listed here", name)
		case op.VJP == nil && covered && op.Body == nil:
			t.Errorf("operator %s has a line in attnlrp.rules and no derivative", name)
		}
	}
	for _, name := range rules.Builtin() {
		m, err := rules.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range m.Lines {
			for _, op := range l.Ops {
				if op != "*" && !known[op] {
					t.Errorf("%s: no operator is called %s", l.Pos, op)
				}
			}
		}
	}
}
