package cli

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// tensors turns the arguments of --explain into names of tensors: one with a *
// is all floating point tensors that it matches, in the order of the graph.
// With trace, those that leave a numbered layer follow, after what is explained
// by default if nothing is named.
func (s *subject) tensors(args []string, trace bool) ([]string, error) {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	g := s.IR().Graph
	for _, arg := range args {
		if !strings.Contains(arg, "*") || g.Find(arg) != nil {
			add(arg)
			continue
		}
		found, err := s.matching("--explain", "LX3003", arg)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			add(name)
		}
	}
	if !trace {
		return out, nil
	}
	if len(args) == 0 {
		for _, v := range passes.DefaultSources(g) {
			add(v.Name)
		}
	}
	layers := layerOutputs(g)
	if len(layers) == 0 {
		return nil, usageError(diag.Errorf("", "--trace: no node of the model is inside a numbered module, such as layers.0").In(s.IR().File).
			Help("name tensors with --explain; a * matches anything"))
	}
	for _, v := range layers {
		add(v.Name)
	}
	return out, nil
}

// matching returns the floating point tensors that a pattern with * matches, in the
// order of the graph.
func (s *subject) matching(flag, code, pattern string) ([]string, error) {
	var found, others []string
	is := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
	for v := range s.IR().Graph.Values() {
		switch {
		case v.IsConst() || !v.Type.Elem.IsFloat():
		case is.MatchString(v.Name):
			found = append(found, v.Name)
		default:
			others = append(others, v.Name)
		}
	}
	if len(found) == 0 {
		return nil, usageError(diag.Errorf(code, "%s %s: no floating point tensor has such a name%s", flag, pattern, diag.DidYouMean(strings.ReplaceAll(pattern, "*", ""), others)).In(s.IR().File).
			Help("`lxtc inspect -v` lists them"))
	}
	return found, nil
}

// conditions puts every tensor that a condition's pattern matches in its place.
func (s *subject) conditions(of []passes.Condition) ([]passes.Condition, error) {
	var out []passes.Condition
	for _, c := range of {
		if !strings.Contains(c.Tensor, "*") || s.IR().Graph.Find(c.Tensor) != nil {
			out = append(out, c)
			continue
		}
		flag := map[bool]string{false: "--through", true: "--mask-input"}[c.Input]
		found, err := s.matching(flag, "LX3006", c.Tensor)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			c.Tensor = name
			out = append(out, c)
		}
	}
	return out, nil
}

// layerOutputs returns, for every numbered module that is in no other, the last
// floating point tensor that it computes for nodes outside of it: the residual
// stream, in a transformer.
func layerOutputs(g *ir.Graph) []*ir.Value {
	var order []string
	last := map[string]*ir.Value{}
	for n := range g.Nodes() {
		layer := layerOf(n)
		if layer == "" {
			continue
		}
		for _, v := range n.Out {
			if v == nil || !v.Type.Elem.IsFloat() || v.Type.Rank() < 2 || !slices.ContainsFunc(v.Uses(), func(u ir.Use) bool { return layerOf(u.Node) != layer }) {
				continue
			}
			if last[layer] == nil {
				order = append(order, layer)
			}
			last[layer] = v
		}
	}
	out := make([]*ir.Value, len(order))
	for i, layer := range order {
		out[i] = last[layer]
	}
	return out
}

var numbered = regexp.MustCompile(`(^|[./])\d+$`)

// layerOf returns the outermost numbered module around a node; "" if there is
// none.
func layerOf(n *ir.Node) string {
	for _, scope := range n.Scopes {
		if numbered.MatchString(scope.Name) {
			return scope.Name
		}
	}
	return ""
}
