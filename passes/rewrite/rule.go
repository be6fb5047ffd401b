package rewrite

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// A Rule replaces what a pattern matches.
type Rule struct {
	Name  string
	Doc   string // one line
	Match Matcher

	// If says why a match is refused; nil, or a nil error, accepts it.
	If func(m *Match) error

	// With builds the replacement of the root's first output, just before the
	// root. It must not change the graph in any other way.
	With func(b *ir.Builder, m *Match) *ir.Value
}

// A Matcher finds what a rule replaces: a Pattern, or code for what no pattern
// can say.
type Matcher interface {
	Roots() []string // operators that the root of a match can be
	Size() int       // number of operators of a match, or of the smallest

	// Match tries n as the root.
	Match(n *ir.Node, ops *ir.OpSet) (*Match, *Failure)
}

// A Log hears what Apply does.
type Log struct {
	Did func(rule *Rule, from *ir.Node, to *ir.Node)

	// Skipped is called for every node that no rule replaced and that one
	// nearly did, with the rule that got furthest.
	Skipped func(rule *Rule, at *ir.Node, why string)

	// Keep says which values must stay: a match is refused if it would make a
	// kept value the inside of its replacement. Nil keeps graph outputs only.
	Keep func(v *ir.Value) bool
}

// Apply runs the rules over the main graph of m, each rule over all nodes
// before the next, so that an earlier rule has the first choice. Nodes that
// only a replaced one read are removed.
func Apply(m *ir.Model, prefix string, rules []*Rule, log Log) error {
	a := &application{m: m, prefix: prefix, log: log, misses: map[*ir.Node]miss{}}
	if log.Keep == nil {
		a.log.Keep = m.Graph.IsOutput
	}
	for _, r := range rules {
		roots := map[string]bool{}
		for _, op := range r.Match.Roots() {
			roots[op] = true
		}
		for n := range m.Graph.Nodes() {
			if !roots[n.Op.String()] {
				continue
			}
			if err := a.try(r, n); err != nil {
				return err
			}
		}
	}
	for n := range m.Graph.Nodes() {
		if s, ok := a.misses[n]; ok {
			log.Skipped(s.rule, n, s.why)
		}
	}
	return nil
}

type application struct {
	m      *ir.Model
	prefix string
	log    Log
	misses map[*ir.Node]miss
}

// A miss is the nearest that a rule came to replacing a node.
type miss struct {
	rule    *Rule
	matched int // operators
	why     string
}

func (a *application) miss(r *Rule, n *ir.Node, matched int, why string) {
	if matched > a.misses[n].matched {
		a.misses[n] = miss{r, matched, why}
	}
}

// try applies r at n. A failure is worth telling if more than half of the
// pattern matched: the root alone matches everywhere.
func (a *application) try(r *Rule, n *ir.Node) error {
	match, failure := r.Match.Match(n, a.m.Ops)
	if failure != nil {
		if 2*failure.Matched > r.Match.Size() {
			a.miss(r, n, failure.Matched, failure.Error())
		}
		return nil
	}
	if why := a.refuses(r, match); why != nil {
		a.miss(r, n, len(match.Nodes), why.Error())
		return nil
	}
	b := a.m.At(a.m.Graph, n)
	b.Origin, b.Scopes = fmt.Sprintf("%s/%s <- %s", a.prefix, r.Name, n), commonScopes(match.Nodes)
	y := r.With(b, match)
	if err := b.Err(); err != nil {
		return fmt.Errorf("%s at %v: %w", r.Name, n, err)
	}
	old := n.Out[0]
	t, err := ir.Refine(y.Type, old.Type)
	if err != nil { // such as a constant that broadcasts the result
		a.miss(r, n, len(match.Nodes), fmt.Sprintf("it would be %s, and %s is %s", y.Type, old, old.Type))
		return a.sweep(built(a.m.Graph, b.Origin))
	}
	if y.Def != nil && y.Def.Origin == b.Origin {
		y.Type = t
		if y.Def.Name == "" {
			y.Def.Name = n.Name
		}
	}
	a.log.Did(r, n, y.Def)
	a.m.Graph.Replace(old, y, b)
	if err := b.Err(); err != nil {
		return fmt.Errorf("%s at %v: %w", r.Name, n, err)
	}
	return a.sweep(match.Nodes)
}

// built returns the nodes of the given origin, the last first.
func built(g *ir.Graph, origin string) []*ir.Node {
	var nodes []*ir.Node
	for n := range g.Backward() {
		if n.Origin == origin {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// sweep removes those of the given nodes that nobody reads any more.
func (a *application) sweep(nodes []*ir.Node) error {
	for again := true; again; {
		again = false
		for _, n := range nodes {
			if n.Graph() == nil || slices.ContainsFunc(n.Out, a.needed) {
				continue
			}
			if err := a.m.Graph.Remove(n); err != nil {
				return err
			}
			again = true
		}
	}
	return nil
}

func (a *application) needed(v *ir.Value) bool {
	return v != nil && (v.NumUses() > 0 || a.m.Graph.IsOutput(v))
}

// refuses returns why a match must not be replaced, nil if it may.
func (a *application) refuses(r *Rule, match *Match) error {
	for _, n := range match.Nodes {
		for i, v := range n.Out {
			if v != nil && a.log.Keep(v) && (n != match.Root || i > 0) {
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
