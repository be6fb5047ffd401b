package cli

import (
	"path/filepath"
	"slices"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
	"github.com/spf13/cobra"
)

// recipe is the flags that say what to explain and by which rules.
type recipe struct {
	rules       string
	form        string
	targets     []string
	explain     []string
	trace       bool
	through     []string
	beside      bool
	contrast    bool
	temperature float64
	allow       bool
}

// defaultRules is the rule map if none is named.
const defaultRules = "attnlrp"

func (r *recipe) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&r.rules, "rules", "r", defaultRules, "rule map: a `NAME` that lxtc carries, or a .rules file; with NAME(eps=1e-4) for all of its rules")
	f.StringVar(&r.form, "form", "gradient", "form of the rules: gradient or explicit")
	f.StringArrayVar(&r.targets, "target", nil, "`WHAT` to explain: see lxtc help targets; several are summed")
	f.StringArrayVar(&r.explain, "explain", nil, "`TENSOR` to explain, by its ONNX name, instead of the inputs or token embeddings; * matches anything; repeatable")
	f.BoolVar(&r.trace, "trace", false, "explain also what leaves every numbered module, such as layers.0")
	f.StringArrayVar(&r.through, "through", nil, "let relevance through some elements of a `TENSOR` only, such as TENSOR[:,3], TENSOR[:,0|5] or TENSOR[:,:,64:128]: heads, channels, neurons; * matches anything; repeatable")
	f.BoolVar(&r.beside, "beside", false, "let relevance also pass beside the tensors of --through, by residual connections")
	f.BoolVar(&r.contrast, "contrast", false, "explain each target against all other classes or tokens: it weighs 1, each of the N-1 others -1/(N-1)")
	f.Float64Var(&r.temperature, "temperature", 0, "explain softmax(output/`T`) instead of the output")
	f.BoolVar(&r.allow, "allow-missing", false, "let nothing flow through operators without a rule, instead of failing")
	completeWith(c, "rules", ruleMaps)
	complete(c, "form", "gradient", "explicit")
	c.ValidArgsFunction = completeModel
}

// ruleMaps completes -r: the maps that lxtc carries, and files.
func ruleMaps() []string {
	files, _ := filepath.Glob("*.rules") // the pattern is well formed
	return slices.Concat(rules.Builtin(), files)
}

// options reads the rule map and the form; the targets and tensors need the
// model (see resolve).
func (r *recipe) options() (lxtc.Options, error) {
	opt := lxtc.Options{Temperature: r.temperature, Allow: r.allow, Beside: r.beside}
	if r.contrast && r.temperature != 0 {
		return opt, usagef("--temperature explains a probability, which the other classes lower, and --contrast compares scores: leave one out")
	}
	switch r.form {
	case "gradient":
	case "explicit":
		opt.Form = passes.ExplicitForm
	default:
		return opt, usagef("--form is %q, want gradient or explicit", r.form)
	}
	for _, arg := range r.through {
		c, err := passes.ParseCondition(arg)
		if err != nil {
			return opt, err
		}
		opt.Through = append(opt.Through, c)
	}
	var err error
	opt.Rules, err = loadRules(r.rules)
	return opt, err
}

// resolve fills in the targets and the tensors to explain, in a model whose
// dimensions are known as far as d says.
func (r *recipe) resolve(s *subject, d dims, opt *lxtc.Options) (err error) {
	if opt.Explain, err = s.tensors(r.explain, r.trace); err != nil {
		return err
	}
	if opt.Through, err = s.conditions(opt.Through); err != nil {
		return err
	}
	if opt.Targets, err = s.aims(r.targets, d); err == nil && r.contrast {
		opt.Targets, err = s.contrasted(opt.Targets, d)
	}
	return err
}
