package rewrite

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// A Rule replaces what a pattern matches.
type Rule struct {
	Name  string
	Doc   string // one line
	Match *Pattern

	// If says why a match is refused; nil, or a nil error, accepts it.
	If func(m *Match) error

	// With builds the replacement of the root's first output, just before the
	// root. It must not change the graph in any other way. What the pattern
	// covered and nobody else reads is left to dead code removal.
	With func(b *ir.Builder, m *Match) *ir.Value
}

// A Log hears what Apply does.
type Log struct {
	Did     func(rule *Rule, from *ir.Node, to *ir.Node)
	Skipped func(rule *Rule, at *ir.Node, why string) // a match that got somewhere, or was refused

	// Keep says which values must stay: a match is refused if it would make a
	// kept value the inside of its replacement. Nil keeps graph outputs only.
	Keep func(v *ir.Value) bool
}

// Apply runs the rules over the main graph of m, each rule over all nodes
// before the next, so that an earlier rule has the first choice.
func Apply(m *ir.Model, prefix string, rules []*Rule, log Log) error {
	for _, r := range rules {
		roots := map[string]bool{}
		for _, op := range r.Match.Roots() {
			roots[op] = true
		}
		for n := range m.Graph.Nodes() {
			if !roots[n.Op.String()] {
				continue
			}
			if err := r.try(m, n, prefix, log); err != nil {
				return err
			}
		}
	}
	return nil
}

// worthTelling is how many operators a failed match must have got through to
// be reported: the root alone matches everywhere.
const worthTelling = 2

func (r *Rule) try(m *ir.Model, n *ir.Node, prefix string, log Log) error {
	if len(n.Out) > 0 && n.Out[0] != nil && n.Out[0].NumUses() == 0 && !m.Graph.IsOutput(n.Out[0]) {
		return nil // what an earlier match covered, and dead code removal will take
	}
	match, failure := r.Match.Match(n, m.Ops)
	if failure != nil {
		if failure.Matched >= worthTelling {
			log.Skipped(r, n, failure.Error())
		}
		return nil
	}
	if why := r.refuses(m, match, log); why != nil {
		log.Skipped(r, n, why.Error())
		return nil
	}
	b := m.At(m.Graph, n)
	b.Origin, b.Scopes = fmt.Sprintf("%s/%s <- %s", prefix, r.Name, n), commonScopes(match.Nodes)
	y := r.With(b, match)
	if err := b.Err(); err != nil {
		return fmt.Errorf("%s at %v: %w", r.Name, n, err)
	}
	old := n.Out[0]
	if t, err := ir.Refine(y.Type, old.Type); err == nil && y.Def != nil {
		y.Type = t
	}
	if y.Def != nil && y.Def.Name == "" && y.Def.Origin == b.Origin {
		y.Def.Name = n.Name
	}
	log.Did(r, n, y.Def)
	m.Graph.Replace(old, y, b)
	if err := b.Err(); err != nil {
		return fmt.Errorf("%s at %v: %w", r.Name, n, err)
	}
	if old.NumUses() == 0 && len(n.Out) == 1 {
		return m.Graph.Remove(n)
	}
	return nil
}

func (r *Rule) refuses(m *ir.Model, match *Match, log Log) error {
	keep := log.Keep
	if keep == nil {
		keep = m.Graph.IsOutput
	}
	for _, n := range match.Nodes {
		for i, v := range n.Out {
			if v != nil && keep(v) && (n != match.Root || i > 0) {
				return fmt.Errorf("%s, which is explained or an output, lies inside", v)
			}
		}
	}
	if r.If == nil {
		return nil
	}
	return r.If(match)
}

// commonScopes returns the modules that all nodes are in.
func commonScopes(nodes []*ir.Node) []ir.Scope {
	common := nodes[0].Scopes
	for _, n := range nodes[1:] {
		k := 0
		for k < len(common) && k < len(n.Scopes) && common[k] == n.Scopes[k] {
			k++
		}
		common = common[:k]
	}
	return common
}
