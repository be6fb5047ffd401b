// Package view draws a rewritten model as one HTML page that needs nothing
// else: the operators in their order on the left, with rails for the tensors
// between them, and what relevance does at each on the right.
package view

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
)

// A Page is a model and what its rewriting made of it.
type Page struct {
	Model     string `json:"model"`
	Map       string `json:"map"` // the rule map
	Form      string `json:"form"`
	Target    string `json:"target"`
	Explained string `json:"explained"`
	Run       bool   `json:"run"`    // the model was run: the rows have numbers
	Seeded    Number `json:"seeded"` // relevance that the run started with
	Rows      []Row  `json:"rows"`

	Formulas []string          `json:"formulas"` // bodies of relevance functions, as text
	Rules    map[string]string `json:"rules_of"` // documentation of the rules that rows have, by name
}

// A Row is one operator of the model, in the order in which they run.
type Row struct {
	Name       string `json:"name"`
	Op         string `json:"op"`
	Layer      string `json:"layer,omitempty"` // the rows of a layer fold
	Scope      string `json:"scope,omitempty"`
	Class      string `json:"class,omitempty"`
	Recognised string `json:"recognised,omitempty"`
	Live       bool   `json:"live"`
	Rule       string `json:"rule,omitempty"`
	At         string `json:"at,omitempty"`   // the place of its line in the rule map
	Line       string `json:"line,omitempty"` // the line itself
	Why        string `json:"why,omitempty"`  // why nothing flows here
	In         []Arg  `json:"in"`
	Out        []Arg  `json:"out"`

	Formula   *int       `json:"formula,omitempty"` // index of the body of its relevance function
	Relevance *Relevance `json:"relevance,omitempty"`

	Rails Rails `json:"rails"`
}

// An Arg is a tensor that an operator reads or writes.
type Arg struct {
	Name string `json:"name"`
	Type string `json:"type"`
	From int    `json:"from"` // the row that computes it; -1 for inputs and constants
}

// Relevance is what went through an operator in a run. Numbers that are not
// finite are left out of JSON, which has none.
type Relevance struct {
	In       Number            `json:"in"`
	Out      Number            `json:"out"`
	Absorbed Number            `json:"absorbed"`
	By       map[string]Number `json:"by,omitempty"` // what of that for which cause
	Weight   Number            `json:"weight"`       // Σ|R| that arrives
}

// A Number is written as null if it is not finite.
type Number float64

// MarshalJSON implements json.Marshaler.
func (x Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
		return []byte("null"), nil
	}
	return fmt.Appendf(nil, "%.9g", float64(x)), nil
}

//go:embed page.html
var page string

// Write writes the page.
func Write(w io.Writer, p Page) error {
	t, err := template.New("view").Parse(page)
	if err != nil {
		return err
	}
	layRails(p.Rows)
	return t.Execute(w, p)
}
