package passes

import (
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/rules"
)

// Unset reports a free parameter of a rule map that is an input of g, has no
// default, and is not among the inputs of a run.
func Unset(g *ir.Graph, in map[string]*ir.Tensor) error {
	for _, v := range g.Inputs {
		if name, free := strings.CutPrefix(v.Name, "$"); free && v.Default == nil && in[v.Name] == nil {
			return diag.Errorf("LX3007", "free parameter %s has no value", v.Name).
				Help("write %s=0.25, or another number, in the rule map, or try several with `lxtc grid --param %s=0,0.25`", v.Name, name)
		}
	}
	return nil
}

// NothingFree says why no input of a rewritten model is a free parameter of the
// map, which may be nil for the default one.
func NothingFree(m *rules.Map) error {
	var names []string
	if m != nil {
		for _, f := range m.Free() {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return diag.Errorf("LX3007", "the rule map has no free parameter").
			Help("write a number of a rule as $name, or $name=0.25: `Conv => gamma($gamma)`")
	}
	return diag.Errorf("LX3007", "none of the free parameters of rule map %s has an effect on this model: %s", m.Name, strings.Join(names, ", ")).
		Help("no operator on the way to the target has a rule with one; `lxtc rewrite -n -v` says which rules there are")
}
