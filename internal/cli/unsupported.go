package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// unsupported is a kind of operator that keeps a model from being read.
type unsupported struct {
	Op      string `json:"op"`
	Domain  string `json:"domain"`
	Version int64  `json:"version"`
	Count   int    `json:"count"`
	Live    int    `json:"live"` // on the way from what would be explained to an output
	Example string `json:"example"`
	Why     string `json:"why"`
	Code    string `json:"code"`
}

func (u unsupported) String() string {
	return fmt.Sprintf("%s version %d: %d nodes, %d of them on the way, for instance %s: %s", u.Op, u.Version, u.Count, u.Live, u.Example, u.Why)
}

// unsupportedError is an error over a model with operators that cannot be read.
type unsupportedError struct {
	error // as the importer says it
	file  string
	list  []unsupported
}

func (e *unsupportedError) Unwrap() error { return e.error }

// surveyed adds to the importer's error over operators that it cannot read
// which of them are on the way of relevance. Read reads the model again.
func surveyed(err error, file string, read func(...onnx.Option) (*ir.Model, error)) error {
	var u *onnx.UnsupportedError
	if !errors.As(err, &u) {
		return err
	}
	var list []onnx.Unsupported
	m, readErr := read(onnx.Collect(&list))
	if readErr != nil { // it has other faults, which come after this one
		return err
	}
	defer m.Close()
	all := survey(m, list)
	u.Message.In(file)
	return &unsupportedError{detailed(u.Message, all), file, all}
}

// maxListed bounds the lines of an error.
const maxListed = 40

// detailed gives the importer's error a line for each kind of operator, unless
// it says it all.
func detailed(e *diag.Error, all []unsupported) *diag.Error {
	e.Trail = nil
	if len(all) == 1 && all[0].Count == 1 && all[0].Code != "LX1010" {
		return e
	}
	for i, u := range all {
		if i == maxListed {
			return e.Detail("%d more; `lxtc inspect` lists all", len(all)-i)
		}
		e.Detail("%s", u)
	}
	return e
}

// survey says of the operators that a model has and lxtc cannot take where they
// stand.
func survey(m *ir.Model, list []onnx.Unsupported) []unsupported {
	live := livePath(m, passes.DefaultSources(m.Graph))
	out := make([]unsupported, len(list))
	for i, u := range list {
		out[i] = unsupported{
			Op: u.Op.String(), Domain: u.Op.Domain, Version: u.Version, Count: len(u.Nodes),
			Example: u.Example, Why: u.Why, Code: u.Code,
		}
		for _, n := range u.Nodes {
			if live(n) {
				out[i].Live++
			}
		}
	}
	return out
}

// livePath returns what tells which nodes are on the way from the sources to an
// output. Unlike the swap pass it takes an operator that is not known to pass
// relevance on, so that all of those on the way are found at once.
func livePath(m *ir.Model, sources []*ir.Value) func(*ir.Node) bool {
	from, to := map[*ir.Value]bool{}, map[*ir.Value]bool{}
	for _, v := range sources {
		from[v] = true
	}
	passesOn := func(n *ir.Node) bool {
		op := meaning(m, n)
		return op == nil || op.VJP != nil
	}
	anyOf := func(set map[*ir.Value]bool, vs []*ir.Value) bool {
		return slices.ContainsFunc(vs, func(v *ir.Value) bool { return v != nil && set[v] })
	}
	for n := range m.Graph.Nodes() {
		if !passesOn(n) || !anyOf(from, n.In) {
			continue
		}
		for _, v := range n.Out {
			if v != nil && (v.Type.Elem.IsFloat() || v.Type.Elem == ir.Undefined) {
				from[v] = true
			}
		}
	}
	for _, v := range m.Graph.Outputs {
		to[v] = true
	}
	for n := range m.Graph.Backward() {
		if anyOf(to, n.Out) {
			for _, v := range n.In {
				to[v] = true
			}
		}
	}
	return func(n *ir.Node) bool { return anyOf(from, n.In) && anyOf(from, n.Out) && anyOf(to, n.Out) }
}

// meaning returns what lxtc knows of n's operator, or nil.
func meaning(m *ir.Model, n *ir.Node) *ir.Op {
	if op := m.Ops.Lookup(n.Op); op != nil && !op.Opaque {
		return op
	}
	return nil
}

// reportUnsupported prints, if JSON was asked for, what err says of operators
// that cannot be read, and returns err.
func (a *app) reportUnsupported(asJSON bool, err error) error {
	var u *unsupportedError
	if !asJSON || !errors.As(err, &u) {
		return err
	}
	if jsonErr := writeJSON(a.stdout, struct {
		File        string        `json:"file"`
		Unsupported []unsupported `json:"unsupported"`
	}{u.file, u.list}); jsonErr != nil {
		return jsonErr
	}
	return err
}

// refusal is what `lxtc inspect` ends with, after it has listed them.
func refusal(m *ir.Model, list []onnx.Unsupported, all []unsupported) error {
	refused := slices.DeleteFunc(slices.Clone(list), func(u onnx.Unsupported) bool { return u.Code == "LX1010" })
	var u *onnx.UnsupportedError
	if errors.As(onnx.Refusal(refused), &u) {
		return detailed(u.Message.In(m.File), all)
	}
	var kinds []string
	for _, x := range all {
		kinds = append(kinds, x.Op)
	}
	if len(kinds) == 0 {
		return nil
	}
	return coded{exitUnsupported, fmt.Errorf("%d kinds of operators are not known: %s", len(kinds), strings.Join(kinds, ", "))}
}
