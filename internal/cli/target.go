package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// aims turns the arguments of --target into targets. Numbers and words mean an
// element of the last axis of the output that scores classes, at the last token, in
// every batch row: d tells how many there are. Without arguments it is the largest.
func (s *subject) aims(args []string, d dims) ([]passes.Target, error) {
	if v := s.scores(); len(args) == 0 && v != defaultOutput(s.IR().Graph) {
		return []passes.Target{{Output: v.Name, Position: -1}}, nil
	}
	var out []passes.Target
	for _, arg := range args {
		ts, err := s.aim(arg)
		if err != nil {
			return nil, err
		}
		for _, t := range ts {
			if err := s.inside(t, d); err != nil {
				return nil, err
			}
		}
		out = append(out, ts...)
	}
	return out, nil
}

// contrasted returns the targets against the other classes; none are the default one.
func (s *subject) contrasted(ts []passes.Target, d dims) ([]passes.Target, error) {
	if len(ts) == 0 {
		ts = []passes.Target{passes.Argmax}
		if v := s.scores(); v != nil {
			ts[0].Output = v.Name
		}
	}
	for i := range ts {
		ts[i].Contrast = true
		if err := s.inside(ts[i], d); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

// inside checks a target against its output's dimensions, as far as the model or
// d knows them.
func (s *subject) inside(t passes.Target, d dims) error {
	v := s.output(t.Output)
	if v == nil {
		return nil
	}
	shape := slices.Clone(v.Type.Shape)
	for i, dim := range shape {
		if n, ok := d.of(dim); ok {
			shape[i] = ir.N(n)
		}
	}
	if err := t.Inside(shape); err != nil {
		return usageError(diag.Errorf("LX3004", "target %s: %w", t, err).In(s.IR().File))
	}
	return nil
}

// aim reads one argument: a weight, if there is one, before an output, what is in one,
// or a class. A name is taken for what it says before it is taken apart.
func (s *subject) aim(arg string) ([]passes.Target, error) {
	weight, rest := passes.CutWeight(arg)
	if s.isName(arg) {
		weight, rest = 0, arg
	}
	ts, err := s.unweighted(rest)
	for i := range ts {
		ts[i].Weight = weight
	}
	return ts, err
}

func (s *subject) unweighted(arg string) ([]passes.Target, error) {
	if s.output(arg) != nil {
		return []passes.Target{{Output: arg, Position: -1}}, nil
	}
	for open := strings.LastIndexByte(arg, '['); open > 0 && strings.HasSuffix(arg, "]"); open = strings.LastIndexByte(arg[:open], '[') {
		if name := arg[:open]; s.output(name) != nil || s.computes(name) {
			return s.within(s.IR().Graph.Find(name), arg[open+1:len(arg)-1], true)
		}
	}
	v := s.scores()
	if v == nil {
		return nil, usagef("the model has no floating point output to explain")
	}
	return s.within(v, arg, false)
}

// within finds what is meant in an output: a class by number or name, a token, one of
// these for each row, the largest, the n largest, or all; "@5" behind it is a position.
// In an output that was named a number is an index, and there may be one for each axis.
func (s *subject) within(v *ir.Value, arg string, named bool) ([]passes.Target, error) {
	what, at := arg, ""
	if i := strings.LastIndexByte(arg, '@'); i >= 0 && isPosition(arg[i+1:]) && !s.isName(arg) {
		what, at = arg[:i], arg[i:]
	}
	classes, err := passes.ParseClasses(what)
	switch index := named && at == "" && !strings.Contains(what, "/"); {
	case err == nil && !index:
		return s.class(v, at, classes...)
	case s.isName(what):
		return s.words(v, what, at)
	case isWhole(what), named && isElements(what):
		return s.targetIn(v, what+at)
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(what, "top")); err == nil && strings.HasPrefix(what, "top") && n > 0 && n <= maxTop {
		ts, err := s.targetIn(v, "argmax"+at)
		if err != nil {
			return nil, err
		}
		return ts[0].Top(n), nil
	}
	return s.words(v, what, at)
}

// maxTop bounds the n largest: each is a target.
const maxTop = 1000

func isPosition(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil || s == ":"
}

// isWhole reports whether a word means one or all of an output by size.
func isWhole(s string) bool {
	rank, is := strings.CutPrefix(s, "rank")
	_, err := strconv.Atoi(rank)
	return s == "argmax" || s == "all" || is && err == nil
}

// isElements reports whether a word is an index for each axis, or several.
func isElements(s string) bool { return strings.Trim(s, "0123456789-,:| ") == "" }

// targetIn returns the target that is in an output.
func (s *subject) targetIn(v *ir.Value, inside string) ([]passes.Target, error) {
	t, err := passes.TargetIn(v.Name, inside)
	if err != nil {
		return nil, usageError(diag.Errorf("LX3004", "target %s[%s]: %w", v.Name, inside, err).Help("`lxtc help targets` lists what a target may be"))
	}
	return []passes.Target{t}, nil
}

// isName reports whether a word is an output or a class as it stands.
func (s *subject) isName(word string) bool {
	conf, err := s.config()
	if err != nil {
		return false
	}
	_, is := conf.class(word)
	return is || s.output(word) != nil
}

// computes reports whether the model computes floating point numbers of the
// given name.
func (s *subject) computes(name string) bool {
	v := s.IR().Graph.Find(name)
	return v != nil && v.Def != nil && v.Type.Elem.IsFloat()
}

// words finds the class or token that a word means, or the ones that words between
// slashes do, one for each row; or else the tensor inside that is called so.
func (s *subject) words(v *ir.Value, arg, at string) ([]passes.Target, error) {
	k, err := s.word(arg)
	if err == nil {
		return s.class(v, at, k)
	}
	if s.computes(arg) {
		return s.targetIn(s.IR().Graph.Find(arg), "argmax"+at)
	}
	var classes []int64
	for part := range strings.SplitSeq(arg, "/") {
		k, partErr := s.word(part)
		if partErr != nil {
			return nil, err
		}
		classes = append(classes, k)
	}
	return s.class(v, at, classes...)
}

// word finds the class or else the token that a word means. If there is none, a word
// that looks like an element is one of an output that does not exist.
func (s *subject) word(arg string) (int64, error) {
	conf, err := s.config()
	if err != nil {
		return 0, err
	}
	text, quoted := strings.CutPrefix(arg, "text:")
	if n, ok := conf.class(arg); ok {
		return n, nil
	}
	if unquoted, err := strconv.Unquote(text); quoted && err == nil {
		text = unquoted
	}
	id, err := s.tokenOf(text)
	if err == nil || quoted {
		return id, err
	}
	if !errors.Is(err, fs.ErrNotExist) && len(conf.ID2Label) == 0 && !strings.HasSuffix(arg, "]") {
		return 0, err
	}
	var known []string
	for _, label := range conf.ID2Label {
		known = append(known, label)
	}
	slices.Sort(known)
	outputs := names(s.IR().Graph.Outputs)
	name, _, _ := strings.Cut(arg, "[")
	return 0, usageError(diag.Errorf("LX3004", "target %q is no output, class or token of the model%s", arg, diag.DidYouMean(name, append(known, outputs...))).
		In(s.IR().File).Help("the outputs are %s; `lxtc help targets` lists what a target may be", strings.Join(outputs, ", ")))
}

// tokenOf returns the one token that a text stands for.
func (s *subject) tokenOf(text string) (int64, error) {
	tok, err := s.tokenizer()
	if err != nil {
		return 0, err
	}
	id, err := tok.Target(text)
	if err != nil {
		return 0, usageError(fmt.Errorf("target %q: %w", text, err))
	}
	return int64(id), nil
}

// class returns a class of an output in every batch row, or one for each: elements of
// the last axis, at a position of [batch, position, class], or of the second axis if
// those after it are 1.
func (s *subject) class(v *ir.Value, at string, classes ...int64) ([]passes.Target, error) {
	if v.Type.Rank() < 1 || passes.ClassAxis(v.Type.Shape) < 0 {
		return nil, usageError(diag.Errorf("LX3004", "target %d: output %s is %s, which has no axis of classes", classes[0], v.Name, v.Type).
			Help("write %s[i,j,…], where : is all of an axis", v.Name))
	}
	t := passes.Target{Output: v.Name, Class: classes, Position: -1}
	if at == "" {
		return []passes.Target{t}, nil
	}
	ts, err := s.targetIn(v, "argmax"+at)
	if err != nil {
		return nil, err
	}
	ts[0].Class = classes
	return ts, nil
}

// scores returns the output that classes and tokens are looked for in: the one with as
// many classes as config.json names, or else the default output.
func (s *subject) scores() *ir.Value {
	first := defaultOutput(s.IR().Graph)
	conf, err := s.config()
	if err != nil || first == nil || len(conf.ID2Label) == 0 {
		return first
	}
	var found []*ir.Value
	for _, v := range s.IR().Graph.Outputs {
		shape := v.Type.Shape
		if axis := passes.ClassAxis(shape); v.Type.Elem.IsFloat() && axis >= 0 && shape[axis].Is(int64(len(conf.ID2Label))) {
			found = append(found, v)
		}
	}
	if len(found) == 0 || slices.Contains(found, first) {
		return first
	}
	return found[0]
}

// warnOfSoftmax says, where no target was named, how to explain the score before
// a softmax: a probability depends on every class, and some rule maps stop at
// any softmax.
func (a *app) warnOfSoftmax(s *subject, r recipe) {
	v := s.scores()
	if len(r.targets) > 0 || v == nil {
		return
	}
	for v.Def != nil {
		switch n := v.Def; n.Op.String() {
		case "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast":
			v = n.In[0]
		case "Softmax", "LogSoftmax":
			a.warn("what is explained is a probability; --target %s explains the score before the softmax", n.In[0].Name)
			return
		default:
			return
		}
	}
}

// defaultOutput is the output that is explained if none is named.
func defaultOutput(g *ir.Graph) *ir.Value {
	var first *ir.Value
	for _, v := range g.Outputs {
		switch {
		case !v.Type.Elem.IsFloat():
		case v.Name == "logits":
			return v
		case first == nil:
			first = v
		}
	}
	return first
}
