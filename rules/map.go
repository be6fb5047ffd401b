package rules

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// A Map chooses a rule for a node: the first line that matches wins.
type Map struct {
	Name  string
	File  string // where it was read from; "" for a map that lxtc carries
	Doc   string // the comment at the top of the file
	Lines []Line
}

// A Line is one line of a map. All of its conditions must hold.
type Line struct {
	Ops  []string // operator names as ir.OpName prints them; "*" is any
	Name string   // glob over the node's name, its weights' names and the path of its module; "" is any
	If   []Cond
	Call Call
	Pos  string // where it was written: "attnlrp.rules:12"
	Text string // as it was written
}

// A Subject is a node that a map is asked about, with what conditions need to
// know of its surroundings.
type Subject struct {
	Node *ir.Node

	// Flows says whether relevance can reach a value: whether it depends on
	// what is explained by a way that no stopping rule cuts. It is known for
	// the node's inputs.
	Flows func(*ir.Value) bool

	// Depends is Flows without regard to rules, and known everywhere.
	Depends func(*ir.Value) bool

	// First and Last say whether the node is a linear operator between which and
	// what is explained, or the target, there is no other.
	First, Last bool
}

// Lookup returns the line for a node, or nil.
func (m *Map) Lookup(s Subject) *Line {
	for i := range m.Lines {
		if l := &m.Lines[i]; l.matches(s) {
			return l
		}
	}
	return nil
}

// Covered returns the index of an earlier line of the same file that matches whatever
// line i does, so that i has no effect; -1 if there is none. That a line comes before
// those of a map that the file uses is what use is for.
func (m *Map) Covered(i int) int {
	l := &m.Lines[i]
	return slices.IndexFunc(m.Lines[:i], func(k Line) bool { return k.file() == l.file() && k.covers(l) })
}

// file is the file that a line is from.
func (l *Line) file() string { return l.Pos[:max(strings.LastIndexByte(l.Pos, ':'), 0)] }

// covers reports whether l matches whatever other does: it has all of its operators, any
// name or the same, and no condition of its own.
func (l *Line) covers(other *Line) bool {
	missing := func(op string) bool { return !slices.Contains(l.Ops, op) }
	if !slices.Contains(l.Ops, "*") && slices.ContainsFunc(other.Ops, missing) || l.Name != "" && l.Name != "*" && l.Name != other.Name {
		return false
	}
	return !slices.ContainsFunc(l.If, func(c Cond) bool {
		return !slices.ContainsFunc(other.If, func(d Cond) bool { return d.Text == c.Text })
	})
}

// Rules returns the rules that the map names, each once.
func (m *Map) Rules() Set {
	var set Set
	for _, l := range m.Lines {
		if !slices.Contains(set, l.Call.Rule) {
			set = append(set, l.Call.Rule)
		}
	}
	return set
}

// Over returns a map with m's lines before other's: m overrides.
func (m *Map) Over(other *Map) *Map {
	return &Map{Name: m.Name, File: m.File, Doc: m.Doc, Lines: slices.Concat(m.Lines, other.Lines)}
}

func (l *Line) matches(s Subject) bool {
	if !slices.Contains(l.Ops, "*") && !slices.Contains(l.Ops, s.Node.Op.String()) {
		return false
	}
	if l.Name != "" && !matchesName(l.Name, s.Node) {
		return false
	}
	for _, c := range l.If {
		if !c.Holds(s) {
			return false
		}
	}
	return true
}

// matchesName tries a glob on the node's name, or that of its first output if it has
// none, which reports then call it by; on the names of its weights, which survive
// optimizers that rename nodes; and on the path of each module around it. A star also
// matches slashes and dots.
func matchesName(pattern string, n *ir.Node) bool {
	name := n.Name
	if name == "" && len(n.Out) > 0 && n.Out[0] != nil {
		name = n.Out[0].Name
	}
	if glob(pattern, name) {
		return true
	}
	for _, v := range n.In {
		if v.IsConst() && glob(pattern, v.Name) {
			return true
		}
	}
	return slices.ContainsFunc(n.Scopes, func(s ir.Scope) bool { return glob(pattern, s.Name) })
}

// glob matches s against a pattern in which "*" stands for any text and "?"
// for any one byte.
func glob(pattern, s string) bool {
	star, mark := -1, 0
	i, p := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

//go:embed *.rules
var files embed.FS

// Builtin returns the names of the maps that lxtc carries.
func Builtin() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the embedded folder is always there
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".rules")
	}
	return names
}

// Source returns the text of a map that lxtc carries.
func Source(name string) (string, error) {
	b, err := files.ReadFile(name + ".rules")
	if err != nil {
		return "", fmt.Errorf("no rule map is called %q", name)
	}
	return string(b), nil
}

// Load returns a map that lxtc carries, by name.
func Load(name string) (*Map, error) {
	return carried(name, Standard())
}

// carried reads a map that lxtc carries.
func carried(name string, set Set) (*Map, error) {
	text, err := Source(name)
	if err != nil {
		return nil, err
	}
	m, err := Parse(name+".rules", text, set)
	m.File = ""
	return m, err
}

// ToAdd says how a line comes into the map, for the help of an error: "to my.rules".
func (m *Map) ToAdd() string {
	name, _, _ := strings.Cut(m.Name, "(") // without the arguments of With
	switch {
	case m.File != "":
		return "to " + m.File
	case slices.Contains(Builtin(), name):
		return fmt.Sprintf("to a rule map (lxtc rules %s > my.rules)", name)
	}
	return "to the rule map"
}
