package passes

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// A Target is what relevance starts from: elements of one output, each with
// its own value times Weight, or a whole tensor that comes with the inputs. Of
// Index, Select, Class, Rank and All it has at most one.
type Target struct {
	// Output is an output, or a tensor inside, which becomes one: the scores
	// before a softmax. "" is the output called logits, or else the first
	// floating point one.
	Output string

	// Index is one element, an index for each axis; negative ones count from
	// the end. Nil is the largest element of the last axis, or that of Class or
	// Rank, for every batch row, at Position of the axis before it if there are
	// three axes. More axes have no largest element, unless all after the second
	// are 1.
	Index []int64

	// Select is several elements: for each axis the indices, nil for all.
	Select Elements

	// Class is, with a nil Index, one element for all batch rows, or one for
	// each.
	Class []int64

	// Rank is the class that is the Rank-th largest in its row: 2 is the second.
	Rank int

	// All is every class.
	All bool

	// Position is where, with a nil Index. A negative one counts from the end of
	// each row's tokens: -1 is the last, padding behind it aside.
	Position int64

	// Every is at every position that is no padding, instead of Position.
	Every bool

	// Mask is the input that is 0 at padding; "" is the one that PaddingMask
	// finds. Without one a row's tokens end where the row does.
	Mask string

	Weight float64 // 0 is 1

	// Contrast weighs each of the N-1 other classes -1/(N-1).
	Contrast bool

	// Seed makes the relevance of the output an input of the graph, called
	// "R:" and the output's name.
	Seed bool
}

// Argmax is the default target.
var Argmax = Target{Position: -1}

// Top returns the targets that are the n largest classes of a row, where t is the
// largest.
func (t Target) Top(n int) []Target {
	out := make([]Target, n)
	for i := range out {
		out[i] = t
		out[i].Rank = i + 1
	}
	return out
}

// ParseTarget reads "logits[0,11,99]", "logits[-1,3]", "logits" (its argmax),
// "argmax", "logits[argmax@5]" (the argmax of position 5), "logits[rank2]" (the
// second largest), "logits[42@-1]" (class 42 at every row's last token),
// "logits[42/7@-1]" (a class for each row), "logits[all@:]" (every class at every
// position), or "logits[:,-1,3|7]" and "logits[:,:,10:20]" (elements by axis). A
// number and * before it is the weight: "-1*logits[3]".
func ParseTarget(s string) (Target, error) {
	weight, rest := CutWeight(s)
	t, err := parseTarget(rest)
	if err != nil {
		return Target{}, diag.Errorf("LX3004", "target %q: %w", s, err).
			Help("write OUTPUT[i,j,k], OUTPUT for its largest element, or OUTPUT[argmax@POSITION] or OUTPUT[CLASS@POSITION]; `lxtc help targets` has more")
	}
	t.Weight = weight
	return t, nil
}

// CutWeight returns the factor before a target, 0 if there is none, and the rest.
func CutWeight(s string) (weight float64, rest string) {
	number, rest, ok := strings.Cut(s, "*")
	w, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || w == 0 || math.IsNaN(w) || math.IsInf(w, 0) {
		return 0, s
	}
	return w, rest
}

func parseTarget(s string) (Target, error) {
	if s == "argmax" || s == "max" || s == "" {
		return Argmax, nil
	}
	open := strings.LastIndexByte(s, '[')
	if open < 0 {
		return Target{Output: s, Position: -1}, nil
	}
	inside, ok := strings.CutSuffix(s[open+1:], "]")
	if !ok {
		return Target{}, errors.New("a closing bracket is missing")
	}
	return TargetIn(s[:open], inside)
}

// TargetIn reads what is in an output: what ParseTarget reads in brackets.
func TargetIn(output, inside string) (Target, error) {
	t := Target{Output: output, Position: -1}
	what, pos, at := strings.Cut(inside, "@")
	rank, ranked := strings.CutPrefix(what, "rank")
	switch {
	case what == "argmax":
	case what == "all":
		t.All = true
	case ranked:
		n, err := strconv.Atoi(rank)
		if err != nil || n < 1 {
			return t, fmt.Errorf("rank %q is no number from 1", rank)
		}
		t.Rank = n
	case at:
		classes, err := ParseClasses(what)
		if err != nil {
			return t, err
		}
		t.Class = classes
	case strings.HasPrefix(inside, "argmax"):
		return t, errors.New("the position is not a number")
	default:
		return t.atElements(inside)
	}
	if !at {
		return t, nil
	}
	if t.Every = pos == ":"; t.Every {
		return t, nil
	}
	var err error
	if t.Position, err = strconv.ParseInt(pos, 10, 64); err != nil {
		return t, errors.New("the position is not a number")
	}
	return t, nil
}

// atElements reads an index for each axis, or elements.
func (t Target) atElements(s string) (Target, error) {
	t.Position = 0
	if strings.ContainsAny(s, ":|") {
		var err error
		t.Select, err = ParseElements(s)
		return t, err
	}
	for part := range strings.SplitSeq(s, ",") {
		i, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil {
			return t, fmt.Errorf("index %q is not a number", strings.TrimSpace(part))
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

// One reports whether t is one element of every batch row, or one of all.
func (t Target) One() bool {
	return !t.spread() && !t.Seed && !t.Contrast
}

// Scored reports whether t is the value of one element, and no multiple of it.
func (t Target) Scored() bool { return t.One() && t.weight() == 1 }

// Element returns the index of the one element that t is of in a batch row of an
// output of the given rank: Index, or that of the row's class; nil if that is one of
// the largest. A position stays as it is, and may count from the end.
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

// Largest returns the place of the largest score, or of the one that has the
// target's rank; of equal ones the first.
func (t Target) Largest(scores []float64) int {
	at := make([]int, len(scores))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, k int) int { return cmp.Compare(scores[k], scores[i]) })
	return at[max(t.Rank, 1)-1]
}

// weight returns the factor of the target's relevance.
func (t Target) weight() float64 {
	if t.Weight == 0 {
		return 1
	}
	return t.Weight
}

// String returns t as ParseTarget reads it, but for a contrast.
func (t Target) String() string {
	out := t.Output
	switch {
	case t.Seed:
		out = "R:" + out
	case t.Index != nil && len(t.Index) == 0: // a scalar
	case t.Index != nil:
		out += "[" + joinInts(t.Index, ",") + "]"
	case t.Select != nil:
		out += "[" + t.Select.String() + "]"
	default:
		out += "[" + t.class() + t.position() + "]"
	}
	if t.weight() != 1 {
		out = fmt.Sprintf("%g*%s", t.Weight, out)
	}
	if t.Contrast {
		out += " rather than the others"
	}
	return out
}

func (t Target) class() string {
	switch {
	case t.All:
		return "all"
	case t.Class != nil:
		return joinInts(t.Class, "/")
	case t.Rank > 0:
		return fmt.Sprintf("rank%d", t.Rank)
	}
	return "argmax"
}

func (t Target) position() string {
	switch {
	case t.Every:
		return "@:"
	case t.Position == -1 && t.Class == nil:
		return ""
	}
	return fmt.Sprintf("@%d", t.Position)
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
		return nil, diag.Errorf("LX3004", "target %s has %d indices, and %s is %s", t, len(t.Index), t.Output, v.Type).In(m.File).
			Help("a : stands for all of an axis, as in %s[:,1]", t.Output)
	case t.Every && v.Type.Rank() != 3:
		return nil, diag.Errorf("LX3004", "target %s is at every position, and %s is %s, not [batch, position, class]", t, t.Output, v.Type).In(m.File)
	case t.Contrast && (v.Type.Rank() == 0 || ClassAxis(v.Type.Shape) < 0):
		return nil, diag.Errorf("LX3004", "target %s: %s is %s, which has no axis of classes to compare", t, t.Output, v.Type).In(m.File)
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
	if err := t.Select.inside(shape); err != nil {
		return err
	}
	if t.Index == nil && t.Select == nil && !t.Seed && !t.Every && len(shape) == 3 {
		if err := inRange(shape[1], t.Position); err != nil {
			return fmt.Errorf("position: %w", err)
		}
	}
	return t.classesInside(shape)
}

// classesInside checks the classes, and that there is one or one for each row.
func (t Target) classesInside(shape []ir.Dim) error {
	if len(shape) == 0 || t.Index != nil || t.Select != nil {
		return nil
	}
	classes := shape[len(shape)-1]
	if len(shape) > 3 {
		classes = shape[1]
	}
	n, known := classes.Num()
	switch {
	case known && int64(t.Rank) > n:
		return fmt.Errorf("rank %d of %d classes", t.Rank, n)
	case known && t.Contrast && n == 1:
		return fmt.Errorf("there are no other classes to compare with")
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
	if t.Index != nil || t.Select != nil || t.Seed || t.Position >= 0 && !t.Every || v.Type.Rank() != 3 {
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
