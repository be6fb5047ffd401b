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
// element of the last axis of the default output at the last token, in every
// batch row: d tells how many there are.
func (s *subject) aims(args []string, d dims) ([]passes.Target, error) {
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

func (s *subject) aim(arg string) ([]passes.Target, error) {
	if text, ok := strings.CutPrefix(arg, "text:"); ok {
		if unquoted, err := strconv.Unquote(text); err == nil {
			text = unquoted
		}
		id, err := s.tokenOf(text)
		if err != nil {
			return nil, err
		}
		return s.class(id)
	}
	if classes, err := passes.ParseClasses(arg); err == nil {
		return s.class(classes...)
	}
	name, _, _ := strings.Cut(arg, "[")
	outputs := names(s.IR().Graph.Outputs)
	inside := strings.HasSuffix(arg, "]") && s.computes(name)
	if slices.Contains(outputs, name) || inside || arg == "argmax" || arg == "max" {
		t, err := passes.ParseTarget(arg)
		return []passes.Target{t}, err
	}
	return s.word(arg)
}

// computes reports whether the model computes floating point numbers of the
// given name.
func (s *subject) computes(name string) bool {
	v := s.IR().Graph.Find(name)
	return v != nil && v.Def != nil && v.Type.Elem.IsFloat()
}

// word finds the class, the token or else the tensor that a word means. If
// there is none, a word that looks like an element is one of an output that
// does not exist.
func (s *subject) word(arg string) ([]passes.Target, error) {
	conf, err := s.config()
	if err != nil {
		return nil, err
	}
	if n, ok := conf.class(arg); ok {
		return s.class(n)
	}
	id, err := s.tokenOf(arg)
	if err == nil {
		return s.class(id)
	}
	if s.computes(arg) {
		return []passes.Target{{Output: arg, Position: -1}}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) && len(conf.ID2Label) == 0 && !strings.HasSuffix(arg, "]") {
		return nil, err
	}
	var known []string
	for _, label := range conf.ID2Label {
		known = append(known, label)
	}
	slices.Sort(known)
	outputs := names(s.IR().Graph.Outputs)
	name, _, _ := strings.Cut(arg, "[")
	return nil, usageError(diag.Errorf("LX3004", "target %q is no output, class or token of the model%s", arg, diag.DidYouMean(name, append(known, outputs...))).
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

// class returns a class in every batch row, or one for each: elements of the last
// axis, at the last token, or of the second axis if those after it are 1.
func (s *subject) class(classes ...int64) ([]passes.Target, error) {
	v := defaultOutput(s.IR().Graph)
	if v == nil {
		return nil, usagef("the model has no floating point output to explain")
	}
	t := passes.Target{Output: v.Name, Class: classes, Position: -1}
	if v.Type.Rank() < 1 || passes.ClassAxis(v.Type.Shape) < 0 {
		return nil, usageError(diag.Errorf("LX3004", "target %d: output %s is %s, which has no axis of classes", classes[0], v.Name, v.Type).
			Help("write %s[i,j,…]", v.Name))
	}
	return []passes.Target{t}, nil
}

// warnOfSoftmax says, where no target was named, how to explain the score before
// a softmax: a probability depends on every class, and some rule maps stop at
// any softmax.
func (a *app) warnOfSoftmax(s *subject, r recipe) {
	v := defaultOutput(s.IR().Graph)
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
