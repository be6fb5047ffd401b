package onnx

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// An Unsupported is a kind of operator that cannot be read, for one reason.
type Unsupported struct {
	Op      ir.OpName
	Version int64 // of its domain, as the file imports it
	Code    string
	Why     string     // "it has no meaning here", or what is wrong with the first node
	Help    string     // a way out; "" for none
	Example string     // the first node's name, or its first output
	Nodes   []*ir.Node // all of them, as they are carried along
}

func (u Unsupported) String() string {
	return fmt.Sprintf("%s version %d: %d nodes, for instance %s: %s", u.Op, u.Version, len(u.Nodes), u.Example, u.Why)
}

// noMeaning is why operators that no set knows are not supported.
const noMeaning = "it has no meaning here"

// An UnsupportedError lists everything that keeps a model from being read. Its
// first line is about the operators without a meaning, or else about the first
// node of the most frequent one that is refused.
type UnsupportedError struct {
	Message   *diag.Error
	Operators []Unsupported
}

// Error returns the first line and a line for each kind of operator.
func (e *UnsupportedError) Error() string { return e.Message.Error() }

// Unwrap returns the message, which has a code.
func (e *UnsupportedError) Unwrap() error { return e.Message }

// Collect carries along, besides what KeepUnknown does, operators whose
// attributes or inputs are refused, under their names in domain "refused", and
// lists all of them in the given place: for reports about models that cannot be
// used.
func Collect(into *[]Unsupported) Option {
	return func(o *options) { o.keepUnknown, o.collect = true, into }
}

// refusedOp is what an operator is called in a node that is carried along although
// its inputs or attributes are refused: nobody must take it for what it is not.
func refusedOp(op ir.OpName) ir.OpName {
	return ir.OpName{Domain: strings.TrimSuffix("refused."+op.Domain, "."), Name: op.Name}
}

// refusable reports whether err is about one operator, so that others can be
// looked at: its attributes, its inputs, or its spelling.
func refusable(err error) bool {
	var e *diag.Error
	return errors.As(err, &e) && slices.Contains([]string{"LX1011", "LX1012", "LX1013", "LX1099"}, e.Code)
}

// maxRefused bounds the reasons that are listed.
const maxRefused = 1 << 10

// refuse notes that n cannot be read. What follows from another refusal, that
// the type of an input is not known, is not noted, unless the model is one to go
// on with.
func (d *decoder) refuse(c *call, n *ir.Node, err *diag.Error) {
	untyped := func(v *ir.Value) bool { return v != nil && v.Type.Elem == ir.Undefined }
	goesOn := d.keepUnknown && d.collect == nil
	if len(d.refused) > 0 && err.Code != "LX1010" && !goesOn && slices.ContainsFunc(n.In, untyped) {
		return
	}
	for _, u := range d.refused {
		if u.Op == n.Op && u.Why == err.Msg {
			u.Nodes = append(u.Nodes, n)
			return
		}
	}
	if len(d.refused) == maxRefused {
		return
	}
	u := &Unsupported{Op: n.Op, Version: max(c.version, 1), Code: err.Code, Why: err.Msg, Help: err.Hint, Example: c.label(), Nodes: []*ir.Node{n}}
	d.refused = append(d.refused, u)
}

// label names the node of the file that c was.
func (c *call) label() string {
	switch {
	case c.name != "":
		return c.name
	case len(c.out) > 0 && c.out[0] != "":
		return c.out[0]
	}
	return "node " + fmt.Sprintf("%q", c.op.Name)
}

// refusal returns the error over all that was refused, nil if that is nothing
// or the caller collects it.
func (d *decoder) refusal() error {
	var all []Unsupported
	for _, u := range d.refused {
		if u.Code != "LX1010" || !d.keepUnknown || d.collect != nil {
			all = append(all, *u)
		}
	}
	slices.SortStableFunc(all, func(a, b Unsupported) int {
		return cmp.Or(cmp.Compare(len(b.Nodes), len(a.Nodes)), cmp.Compare(a.Op.String(), b.Op.String()))
	})
	if d.collect != nil {
		*d.collect = all
		return nil
	}
	return Refusal(all)
}

// maxListed bounds the lines of an error.
const maxListed = 40

// Refusal returns the error over operators that cannot be read; nil if there
// are none.
func Refusal(all []Unsupported) error {
	if len(all) == 0 {
		return nil
	}
	e := headline(all)
	if len(all) == 1 && len(all[0].Nodes) == 1 && e.Code != "LX1010" { // it says it all
		return &UnsupportedError{e, all}
	}
	for i, u := range all {
		if i == maxListed {
			e.Detail("%d more", len(all)-i)
			break
		}
		e.Detail("%s", strings.TrimSuffix(u.String(), ": "+noMeaning))
	}
	return &UnsupportedError{e, all}
}

// headline is the error's first line: about operators without a meaning if there
// are any, else about the first node of the most frequent operator.
func headline(all []Unsupported) *diag.Error {
	var unknown []Unsupported
	for _, u := range all {
		if u.Code == "LX1010" {
			unknown = append(unknown, u)
		}
	}
	switch first := all[0]; len(unknown) {
	case 0:
		e := diag.Errorf(first.Code, "%s", first.Why).At(first.Example, first.Op.String())
		if first.Help != "" {
			e.Help("%s", first.Help)
		}
		return e
	case 1:
		return diag.Errorf("LX1010", "operator %s has no meaning here", unknown[0].Op).Help("%s", wayOut(unknown[0].Op))
	default: // the most frequent one says what to do
		return diag.Errorf("LX1010", "%d operators have no meaning here", len(unknown)).Help("%s", wayOut(unknown[0].Op))
	}
}
