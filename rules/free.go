package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// A Free is a number of a rule that is not fixed when the model is rewritten:
// it becomes a scalar input of the rewritten model, so that one compilation
// serves many values. A map writes it $name, or $name=0.25 with a default; the
// same name is the same input. A parameter that may be a list may also be free as
// one, an input of as many numbers: $name[3], or $name=0.1/0.2/0.3.
type Free struct {
	Name    string    // with its dollar: "$gamma"
	Len     int       // how many numbers, 0 for a scalar
	Default []float32 // nil if every run has to say
}

// Type returns the type of the input that f becomes.
func (f Free) Type() ir.Type {
	if f.Len == 0 {
		return ir.Type{Elem: ir.Float, Shape: []ir.Dim{}}
	}
	return ir.TypeOf(ir.Float, int64(f.Len))
}

// Value returns the default as a tensor of that type, nil if there is none.
func (f Free) Value() *ir.Tensor {
	switch {
	case f.Default == nil:
		return nil
	case f.Len == 0:
		return ir.Of(f.Default)
	}
	return ir.Of(f.Default, f.Len)
}

func isFree(arg string) bool { return strings.HasPrefix(arg, "$") }

// maxFree is the longest list that may be free: of more channels than any layer
// has.
const maxFree = 1 << 20

// parseFree reads "$gamma", "$gamma=0.25", "$gamma[3]" or "$gamma=0.1/0.2/0.3".
func parseFree(arg string) (Free, error) {
	name, value, hasDefault := strings.Cut(arg, "=")
	f := Free{Name: strings.TrimSpace(name)}
	if name, size, ok := strings.Cut(f.Name, "["); ok {
		size, closed := strings.CutSuffix(size, "]")
		n, err := strconv.Atoi(strings.TrimSpace(size))
		if !closed || err != nil || n < 1 || n > maxFree {
			return f, fmt.Errorf("%q is not $name[n], for n numbers", f.Name)
		}
		f.Name, f.Len = strings.TrimSpace(name), n
	}
	if word := f.Name[1:]; word == "" || strings.ContainsFunc(word, notInWord) {
		return f, fmt.Errorf("a free parameter is $ and letters, digits or _, and this is %q", f.Name)
	}
	if hasDefault {
		value = strings.TrimSpace(value)
		for part := range strings.SplitSeq(value, "/") {
			d, err := number32(strings.TrimSpace(part))
			if err != nil {
				return f, fmt.Errorf("the default of %s is %q, want a number", f.Name, value)
			}
			f.Default = append(f.Default, d)
		}
		switch n := len(f.Default); {
		case f.Len > 0 && n == 1:
			f.Default = slices.Repeat(f.Default, f.Len)
		case f.Len > 0 && n != f.Len:
			return f, fmt.Errorf("%s has %d numbers, and its default %d", f.Name, f.Len, n)
		case n > 1:
			f.Len = n
		}
	}
	return f, nil
}

// list writes the default as a map does.
func (f Free) list() string {
	parts := make([]string, len(f.Default))
	for i, d := range f.Default {
		parts[i] = fmt.Sprint(d)
	}
	return strings.Join(parts, "/")
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

// conflict reports a free parameter of c that is another in earlier lines.
func (m *Map) conflict(c Call) error {
	known := m.Free()
	for _, f := range c.addFree(nil) {
		i := slices.IndexFunc(known, func(g Free) bool { return g.Name == f.Name })
		switch {
		case i < 0:
		case f.Len != known[i].Len:
			return fmt.Errorf("%s is %s here and %s above: one input has one type", f.Name, f.Type(), known[i].Type())
		case f.Default != nil && known[i].Default != nil && !slices.Equal(f.Default, known[i].Default):
			return fmt.Errorf("the default of %s is %s here and %s above: one input has one default", f.Name, f.list(), known[i].list())
		}
	}
	return nil
}
