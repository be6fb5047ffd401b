package passes

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// A Target is what relevance starts from: elements of one output, each with
// its own value times Weight, or a whole tensor that comes with the inputs.
type Target struct {
	// Output is an output, or a tensor inside, which becomes one: the scores
	// before a softmax. "" is the output called logits, or else the first
	// floating point one.
	Output string

	// Index is one element, an index for each axis; negative ones count from
	// the end. Nil is the largest element of the last axis, or that of Class,
	// for every batch row, at Position of the axis before it if there are three
	// axes. More axes have no largest element, unless all after the second
	// are 1.
	Index []int64

	// Class is, with a nil Index, one element for all batch rows, or one for
	// each.
	Class []int64

	// Position is where, with a nil Index. A negative one counts from the end of
	// each row's tokens: -1 is the last, padding behind it aside.
	Position int64

	// Mask is the input that is 0 at padding; "" is the one that PaddingMask
	// finds. Without one a row's tokens end where the row does.
	Mask string

	Weight float64 // 0 is 1

	// Seed makes the relevance of the output an input of the graph, called
	// "R:" and the output's name.
	Seed bool
}

// Argmax is the default target.
var Argmax = Target{Position: -1}

// ParseTarget reads "logits[0,11,99]", "logits[-1,3]", "logits" (its argmax),
// "argmax", "logits[argmax@5]" (the argmax of position 5), "logits[42@-1]" (class
// 42 at every row's last token) or "logits[42/7@-1]" (a class for each row).
func ParseTarget(s string) (Target, error) {
	if s == "argmax" || s == "max" || s == "" {
		return Argmax, nil
	}
	name, rest, ok := strings.Cut(s, "[")
	if !ok {
		return Target{Output: name, Position: -1}, nil
	}
	bad := func(why string) (Target, error) {
		return Target{}, diag.Errorf("LX3004", "target %q: %s", s, why).
			Help("write OUTPUT[i,j,k], OUTPUT for its largest element, or OUTPUT[argmax@POSITION] or OUTPUT[CLASS@POSITION]")
	}
	rest, ok = strings.CutSuffix(rest, "]")
	if !ok {
		return bad("a closing bracket is missing")
	}
	if what, pos, at := strings.Cut(rest, "@"); at || what == "argmax" {
		t := Target{Output: name, Position: -1}
		if what != "argmax" {
			classes, err := ParseClasses(what)
			if err != nil {
				return bad(err.Error())
			}
			t.Class = classes
		}
		if !at {
			return t, nil
		}
		p, err := strconv.ParseInt(pos, 10, 64)
		if err != nil {
			return bad("the position is not a number")
		}
		t.Position = p
		return t, nil
	}
	if strings.HasPrefix(rest, "argmax") {
		return bad("the position is not a number")
	}
	t := Target{Output: name}
	for part := range strings.SplitSeq(rest, ",") {
		i, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil {
			return bad(fmt.Sprintf("index %q is not a number", strings.TrimSpace(part)))
		}
		t.Index = append(t.Index, i)
	}
	return t, nil
}

// ParseClasses reads "42" or, a class for each batch row, "42/7/-1".
func ParseClasses(s string) ([]int64, error) {
	var classes []int64
	for part := range strings.SplitSeq(s, "/") {
		k, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("class %q is not a number", strings.TrimSpace(part))
		}
		classes = append(classes, k)
	}
	return classes, nil
}

// Element returns the index of the one element that t is of in a batch row of an
// output of the given rank: Index, or that of the row's class; nil if that is the
// largest. A position stays as it is, and may count from the end.
func (t Target) Element(row, rank int) []int64 {
	if t.Index != nil || t.Class == nil {
		return t.Index
	}
	class := t.Class[min(row, len(t.Class)-1)]
	switch rank {
	case 1:
		return []int64{class}
	case 3:
		return []int64{int64(row), t.Position, class}
	}
	index := make([]int64, max(rank, 2))
	index[0], index[1] = int64(row), class
	return index
}

// weight returns the factor of the target's relevance.
func (t Target) weight() float64 {
	if t.Weight == 0 {
		return 1
	}
	return t.Weight
}

// String returns t as ParseTarget reads it, if its weight is 1.
func (t Target) String() string {
	out := t.Output
	switch {
	case t.Seed:
		return "R:" + out
	case t.Index != nil && len(t.Index) == 0: // a scalar
	case t.Index != nil:
		out += "[" + joinInts(t.Index, ",") + "]"
	case t.Class != nil:
		out += fmt.Sprintf("[%s@%d]", joinInts(t.Class, "/"), t.Position)
	case t.Position == -1:
		out += "[argmax]"
	default:
		out += fmt.Sprintf("[argmax@%d]", t.Position)
	}
	if t.weight() != 1 {
		out = fmt.Sprintf("%g·%s", t.Weight, out)
	}
	return out
}

func joinInts(xs []int64, sep string) string {
	parts := make([]string, len(xs))
	for i, x := range xs {
		parts[i] = strconv.FormatInt(x, 10)
	}
	return strings.Join(parts, sep)
}

// resolve returns the output, and gives t its name: t may have none, or an alias.
func (t *Target) resolve(m *ir.Model) (*ir.Value, error) {
	var names []string
	for _, v := range m.Graph.Outputs {
		names = append(names, v.Name)
	}
	v := m.Graph.Find(t.Output)
	if t.Output == "" {
		v = defaultOutput(m.Graph)
		if v == nil {
			return nil, diag.Errorf("LX3004", "the model has no floating point output to explain").In(m.File)
		}
	}
	if v != nil {
		t.Output = v.Name
	}
	switch {
	case v == nil:
		return nil, diag.Errorf("LX3004", "no output is called %q%s", t.Output, diag.DidYouMean(t.Output, names)).In(m.File).
			Help("the outputs are %s", strings.Join(names, ", "))
	case v.Def == nil && !m.Graph.IsOutput(v):
		return nil, diag.Errorf("LX3004", "%q is not computed: relevance starts at an output, or at a tensor inside", t.Output).In(m.File).
			Help("the outputs are %s", strings.Join(names, ", "))
	case !v.Type.Elem.IsFloat():
		return nil, diag.Errorf("LX3004", "output %q is %s, and relevance starts at a floating point output", t.Output, v.Type).In(m.File)
	case t.Index != nil && v.Type.Rank() >= 0 && len(t.Index) != v.Type.Rank():
		return nil, diag.Errorf("LX3004", "target %s has %d indices, and %s is %s", t, len(t.Index), t.Output, v.Type).In(m.File)
	}
	if err := t.Inside(v.Type.Shape); err != nil {
		return nil, diag.Errorf("LX3004", "target %s: %w", t, err).In(m.File)
	}
	return v, nil
}

// Inside checks t against the dimensions of its output that are known. Negative
// indices count from the end.
func (t Target) Inside(shape []ir.Dim) error {
	for a, i := range t.Index {
		if a < len(shape) {
			if err := inRange(shape[a], i); err != nil {
				return fmt.Errorf("axis %d: %w", a, err)
			}
		}
	}
	if t.Index != nil || t.Seed {
		return nil
	}
	if len(shape) == 3 {
		if err := inRange(shape[1], t.Position); err != nil {
			return fmt.Errorf("position: %w", err)
		}
	}
	return t.classesInside(shape)
}

// classesInside checks the classes, and that there is one or one for each row.
func (t Target) classesInside(shape []ir.Dim) error {
	if t.Class == nil || len(shape) == 0 {
		return nil
	}
	classes := shape[len(shape)-1]
	if len(shape) > 3 {
		classes = shape[1]
	}
	for _, k := range t.Class {
		if err := inRange(classes, k); err != nil {
			return fmt.Errorf("class: %w", err)
		}
	}
	rows, known := shape[0].Num()
	if len(shape) == 1 {
		rows, known = 1, true
	}
	if k := len(t.Class); k > 1 && known && rows != int64(k) {
		return fmt.Errorf("%d classes for %d batch rows", k, rows)
	}
	return nil
}

func inRange(d ir.Dim, i int64) error {
	n, known := d.Num()
	switch {
	case known && n == 0:
		return fmt.Errorf("%d is outside an axis of length 0", i)
	case known && (i >= n || i < -n):
		return fmt.Errorf("%d is outside 0…%d", i, n-1)
	}
	return nil
}

func defaultOutput(g *ir.Graph) *ir.Value {
	i := slices.IndexFunc(g.Outputs, func(v *ir.Value) bool { return v.Name == "logits" && v.Type.Elem.IsFloat() })
	if i < 0 {
		i = slices.IndexFunc(g.Outputs, func(v *ir.Value) bool { return v.Type.Elem.IsFloat() })
	}
	if i < 0 {
		return nil
	}
	return g.Outputs[i]
}

// Aim decides what relevance starts from.
var Aim = Pass{
	Name: "target",
	Doc: "resolve the targets, and put softmax with temperature on them\n\n" +
		"A temperature T explains softmax(output/T) instead of the output: the class probability, which competing classes lower.",
	After: []string{"fold", "canonical", "recognize"},
	Run:   aim,
}

func aim(c *Context, m *ir.Model) error {
	if len(c.Targets) == 0 {
		c.Targets = []Target{Argmax}
	}
	heads := map[*ir.Value]*ir.Value{}
	seeded := map[*ir.Value]bool{}
	for i := range c.Targets {
		t := &c.Targets[i]
		v, err := t.resolve(m)
		if err != nil {
			return err
		}
		if err := t.findMask(m, v); err != nil {
			return err
		}
		if !m.Graph.IsOutput(v) {
			m.Graph.Outputs = append(m.Graph.Outputs, v)
			c.Did("output", v.Name, "")
		}
		if t.Seed && seeded[v] {
			return diag.Errorf("LX3004", "the relevance of %s comes with the inputs twice", v)
		}
		seeded[v] = seeded[v] || t.Seed
		if c.Temperature != 0 {
			if t.Seed {
				return diag.Errorf("LX3004", "a seed that comes with the inputs and a temperature exclude each other").
					Help("give the relevance of the output itself, or name a target")
			}
			if heads[v] == nil {
				if heads[v], err = c.head(m, v); err != nil {
					return err
				}
			}
			t.Output = heads[v].Name
		}
		c.report.Targets = append(c.report.Targets, t.String())
	}
	return nil
}

// findMask gives t the name of the input that tells padding from tokens, if its
// position counts from the last token.
func (t *Target) findMask(m *ir.Model, v *ir.Value) error {
	if t.Index != nil || t.Seed || t.Position >= 0 || v.Type.Rank() != 3 {
		t.Mask = ""
		return nil
	}
	if t.Mask == "" {
		if mask := PaddingMask(m.Graph, v); mask != nil {
			t.Mask = mask.Name
		}
		return nil
	}
	i := slices.IndexFunc(m.Graph.Inputs, func(in *ir.Value) bool { return in.Name == t.Mask })
	if i < 0 || m.Graph.Inputs[i].Type.Rank() != 2 {
		return diag.Errorf("LX3004", "mask %q of target %s is no input of shape [batch, sequence]", t.Mask, t).In(m.File)
	}
	return nil
}

// head adds softmax(v/T) over the last axis and returns it.
func (c *Context) head(m *ir.Model, v *ir.Value) (*ir.Value, error) {
	if !(c.Temperature > 0) || math.IsInf(c.Temperature, 0) {
		return nil, diag.Errorf("LX3004", "temperature %g is not a positive number", c.Temperature)
	}
	if v.Type.Rank() == 0 {
		return nil, diag.Errorf("LX3004", "output %s is one number, and temperature is for several classes", v).Help("leave the temperature out")
	}
	b := m.At(m.Graph, nil)
	b.Origin = "target/temperature <- " + v.Name
	scaled := b.Div(v, b.Scalar(c.Temperature, v))
	p := b.OpA("Softmax", ir.Attrs{{Name: "axis", Value: int64(-1)}}, scaled)
	if err := b.Err(); err != nil {
		return nil, err
	}
	scaled.Def.Role, p.Def.Role = "target.temperature", "target.softmax"
	b.Named("softmax:"+v.Name, p)
	m.Graph.Outputs = append(m.Graph.Outputs, p)
	c.Did(fmt.Sprintf("softmax(T=%g)", c.Temperature), v.Name, p.Name)
	return p, nil
}

// targets returns the values that the targets are of.
func (c *Context) targets(m *ir.Model) ([]*ir.Value, error) {
	var vs []*ir.Value
	for i := range c.Targets {
		v, err := c.Targets[i].resolve(m)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(vs, v) {
			vs = append(vs, v)
		}
	}
	return vs, nil
}
