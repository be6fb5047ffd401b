package passes

import (
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
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
