package passes

import (
	"time"

	"github.com/lxtc/lxtc/ir"
)

// A Report is what a pipeline did.
type Report struct {
	File      string     `json:"file,omitempty"`
	Rules     string     `json:"rules"`
	Form      string     `json:"form"`
	Explained []string   `json:"explained"` // tensors whose relevance is computed
	Targets   []string   `json:"targets"`   // what it starts from
	Operators []Operator `json:"operators"` // one a node of the model, in order
	Steps     []Step     `json:"passes"`
	Warnings  []string   `json:"warnings,omitempty"`
}

// An Operator is one node of the model and what became of it.
type Operator struct {
	Node   string `json:"node"`
	Op     string `json:"op"`
	Origin string `json:"recognized,omitempty"` // the pattern that it was recognized by
	Role   string `json:"role,omitempty"`
	Scope  string `json:"scope,omitempty"`
	Class  string `json:"class,omitempty"`
	Live   bool   `json:"live"` // on the way from an explained tensor to a target
	Rule   string `json:"rule,omitempty"`
	At     string `json:"at,omitempty"`  // the line of the rule map
	Why    string `json:"why,omitempty"` // why it has no rule, or nothing flows

	// Converted says that the rule has no gradient form for the operator: relevance is
	// carried between the explicit form and gradients, R = z∘G and G = R/x.
	Converted bool `json:"converted,omitempty"`
}

// A Step is what one pass did.
type Step struct {
	Pass    string        `json:"pass"`
	Before  int           `json:"before"` // nodes
	After   int           `json:"after"`
	Time    time.Duration `json:"ns"`
	Done    []Done        `json:"done,omitempty"`
	Skipped []Skip        `json:"skipped,omitempty"`
}

// Done is one rewrite.
type Done struct {
	What string `json:"what"` // the pattern or rule
	From string `json:"from"`
	To   string `json:"to"`
}

// Skip is something left alone.
type Skip struct {
	What string `json:"what"`
	From string `json:"from"`
	Why  string `json:"why"`
}

// Unruled returns the live operators that have no rule.
func (r *Report) Unruled() []Operator {
	var ops []Operator
	for _, o := range r.Operators {
		if o.Live && o.Rule == "" {
			ops = append(ops, o)
		}
	}
	return ops
}

// convert notes that the rule of a node was converted.
func (r *Report) convert(n *ir.Node) {
	o := describe(n)
	for i := range r.Operators {
		if p := &r.Operators[i]; p.Node == o.Node && p.Op == o.Op {
			p.Converted = true
		}
	}
}
