package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lxtc/lxtc/internal/diag"
)

// A Cond is a condition of a rule map's line.
type Cond struct {
	Text  string // as written: "const(1)"
	Not   bool
	Holds func(s Subject) bool
}

// condition is one row of the table of conditions.
type condition struct {
	name string
	arg  string // what the argument is, "" for none
	doc  string
	make func(arg string) (func(s Subject) bool, error)
}

// conditions is closed: a rule map is data, not a program.
var conditions = []condition{
	{"linear", "", "one input depends on what is explained", plain(func(s Subject) bool { return live(s) == 1 })},
	{"bilinear", "", "two or more inputs depend on what is explained", plain(func(s Subject) bool { return live(s) >= 2 })},
	{"const", "i", "input i does not depend on what is explained", number(func(s Subject, i int) bool {
		v := s.Node.Input(i)
		return v != nil && !s.Flows(v)
	})},
	{"live", "i", "input i depends on what is explained", number(func(s Subject, i int) bool {
		v := s.Node.Input(i)
		return v != nil && s.Flows(v)
	})},
	{"rank", "n", "the first output has n dimensions", number(func(s Subject, n int) bool {
		return len(s.Node.Out) > 0 && s.Node.Out[0].Type.Rank() == n
	})},
	{"gate", "", "the output is a factor of a product, reshaped or cast at most, whose other factor depends on what is explained, and not through this one; tanh is none beside a sigmoid", plain(isGate)},
	{"attr", "name=value", "the node has this attribute, an integer or a word", attribute},
	{"role", "name", "recognize saw the node as this: attention.scores, attention.softmax, attention.context, …", glob1(func(s Subject) []string { return []string{s.Node.Role} })},
	{"class", "glob", "a module around the node has this class", glob1(func(s Subject) []string {
		var names []string
		for _, sc := range s.Node.Scopes {
			names = append(names, sc.Class, sc.Class[strings.LastIndexByte(sc.Class, '.')+1:])
		}
		return names
	})},
	{"first", "", "a linear operator between which and what is explained there is no other: the first layer", plain(func(s Subject) bool { return s.First })},
	{"last", "", "a linear operator between which and the target there is no other: the last layer", plain(func(s Subject) bool { return s.Last })},
}

// Conditions lists the conditions that a map may use, each with its meaning.
func Conditions() [][2]string {
	list := make([][2]string, len(conditions))
	for i, c := range conditions {
		list[i] = [2]string{c.name, c.doc}
		if c.arg != "" {
			list[i][0] += "(" + c.arg + ")"
		}
	}
	return list
}

// parseCond reads one condition: "linear", "not gate", "const(1)".
func parseCond(text string) (Cond, error) {
	c := Cond{Text: text}
	rest, negated := strings.CutPrefix(text, "not")
	if negated = negated && (rest == "" || unicode.IsSpace(rune(rest[0]))); !negated {
		rest = text
	}
	c.Not = negated
	name, arg, hasArg := strings.Cut(strings.TrimSpace(rest), "(")
	i := slices.IndexFunc(conditions, func(c condition) bool { return c.name == name })
	if i < 0 {
		names := make([]string, len(conditions))
		for i, c := range conditions {
			names[i] = c.name
		}
		switch word, more, _ := strings.Cut(strings.TrimSpace(rest), " "); {
		case name == "":
			return c, errors.New("a condition is missing after `not`")
		case negated && word == "not":
			return c, errors.New("`not` stands twice")
		case more != "" && slices.Contains(names, word):
			return c, fmt.Errorf("%q follows condition %s: conditions are separated by commas, and all of them must hold", strings.TrimSpace(more), word)
		}
		return c, fmt.Errorf("no condition is called %q%s (there are %s)", name, diag.DidYouMean(name, names), strings.Join(names, ", "))
	}
	row := conditions[i]
	if hasArg {
		var closed bool
		if arg, closed = strings.CutSuffix(arg, ")"); !closed {
			return c, fmt.Errorf("condition %s: a closing parenthesis is missing", name)
		}
		arg = strings.Trim(strings.TrimSpace(arg), `"`)
	}
	if (arg != "") != (row.arg != "") {
		if row.arg == "" {
			return c, fmt.Errorf("condition %s takes no argument", name)
		}
		return c, fmt.Errorf("condition %s takes an argument: %s(%s)", name, name, row.arg)
	}
	holds, err := row.make(arg)
	if err != nil {
		return c, fmt.Errorf("condition %s: %w", name, err)
	}
	c.Holds = func(s Subject) bool { return holds(s) != negated }
	return c, nil
}

func live(s Subject) int {
	k := 0
	for _, v := range s.Node.In {
		if v != nil && s.Flows(v) {
			k++
		}
	}
	return k
}

func plain(f func(s Subject) bool) func(string) (func(Subject) bool, error) {
	return func(string) (func(Subject) bool, error) { return f, nil }
}

func number(f func(s Subject, n int) bool) func(string) (func(Subject) bool, error) {
	return func(arg string) (func(Subject) bool, error) {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no number", arg)
		}
		return func(s Subject) bool { return f(s, n) }, nil
	}
}

func attribute(arg string) (func(Subject) bool, error) {
	name, value, ok := strings.Cut(arg, "=")
	if !ok || name == "" {
		return nil, fmt.Errorf("%q is not name=value", arg)
	}
	return func(s Subject) bool {
		switch v := s.Node.Attrs.Get(name).(type) {
		case string, int64:
			return fmt.Sprint(v) == value
		}
		return false
	}, nil
}

func glob1(names func(s Subject) []string) func(string) (func(Subject) bool, error) {
	return func(arg string) (func(Subject) bool, error) {
		return func(s Subject) bool {
			return slices.ContainsFunc(names(s), func(name string) bool { return name != "" && glob(arg, name) })
		}, nil
	}
}
