package rules

import (
	"fmt"
	"slices"
	"strings"
)

// A Free is a number of a rule that is not fixed when the model is rewritten:
// it becomes a scalar input of the rewritten model, so that one compilation
// serves many values. A map writes it $name, or $name=0.25 with a default; the
// same name is the same input.
type Free struct {
	Name    string   // with its dollar: "$gamma"
	Default *float32 // nil if every run has to say
}

func isFree(arg string) bool { return strings.HasPrefix(arg, "$") }

// parseFree reads "$gamma" or "$gamma=0.25".
func parseFree(arg string) (Free, error) {
	name, value, hasDefault := strings.Cut(arg, "=")
	f := Free{Name: strings.TrimSpace(name)}
	if word := f.Name[1:]; word == "" || strings.ContainsFunc(word, notInWord) {
		return f, fmt.Errorf("a free parameter is $ and letters, digits or _, and this is %q", f.Name)
	}
	if hasDefault {
		d, err := number32(strings.TrimSpace(value))
		if err != nil {
			return f, fmt.Errorf("the default of %s is %q, want a number", f.Name, strings.TrimSpace(value))
		}
		f.Default = &d
	}
	return f, nil
}

func notInWord(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// Free returns the free parameter that is the argument for the named
// parameter, and whether it is one.
func (c Call) Free(name string) (Free, bool) {
	if !isFree(c.Word(name)) {
		return Free{}, false
	}
	f, err := parseFree(c.Word(name))
	if err != nil {
		panic(fmt.Sprintf("rule %s: %v", c.Rule.Name, err)) // Of has checked it
	}
	return f, true
}

// Free returns the free parameters of a map, in the order of their first use,
// each with the default that any of its uses gives.
func (m *Map) Free() []Free {
	var all []Free
	for _, l := range m.Lines {
		all = l.Call.addFree(all)
	}
	return all
}

// addFree adds those of c to a list that has each name once.
func (c Call) addFree(all []Free) []Free {
	for _, p := range c.Rule.Params {
		f, free := c.Free(p.Name)
		if !free {
			continue
		}
		switch i := slices.IndexFunc(all, func(g Free) bool { return g.Name == f.Name }); {
		case i < 0:
			all = append(all, f)
		case all[i].Default == nil:
			all[i].Default = f.Default
		}
	}
	return all
}

// conflict reports a default of c that is another in earlier lines.
func (m *Map) conflict(c Call) error {
	known := m.Free()
	for _, f := range c.addFree(nil) {
		i := slices.IndexFunc(known, func(g Free) bool { return g.Name == f.Name })
		if i >= 0 && f.Default != nil && known[i].Default != nil && *f.Default != *known[i].Default {
			return fmt.Errorf("the default of %s is %v here and %v above: one input has one default", f.Name, *f.Default, *known[i].Default)
		}
	}
	return nil
}
