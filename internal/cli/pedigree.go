package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/ir"
)

// pedigree says in the metadata of a file how its relevance was made.
type pedigree struct {
	Version string `json:"version"`
	Rules   string `json:"rules"`
	Form    string `json:"form"`
	Targets string `json:"targets"`
	Explain string `json:"explained"`
}

func pedigreeOf(w *lxtc.Rewritten) pedigree {
	return pedigree{
		Version: build(), Rules: w.Report.Rules, Form: w.Report.Form,
		Targets: strings.Join(w.Report.Targets, " + "), Explain: strings.Join(w.Report.Explained, ", "),
	}
}

// readPedigree returns what the metadata of a model say; the zero value if it
// was not rewritten.
func readPedigree(m *ir.Model) pedigree {
	var p pedigree
	for _, kv := range m.Metadata {
		for _, f := range p.fields() {
			if f.key == kv[0] {
				*f.value = kv[1]
			}
		}
	}
	return p
}

// write replaces the model's pedigree.
func (p pedigree) write(m *ir.Model) {
	m.Metadata = slices.DeleteFunc(slices.Clone(m.Metadata), func(kv [2]string) bool { return strings.HasPrefix(kv[0], "lxtc.") })
	for _, f := range p.fields() {
		m.Metadata = append(m.Metadata, [2]string{f.key, *f.value})
	}
}

type pedigreeField struct {
	key   string
	value *string
}

func (p *pedigree) fields() []pedigreeField {
	return []pedigreeField{
		{"lxtc.version", &p.Version},
		{"lxtc.rules", &p.Rules},
		{"lxtc.form", &p.Form},
		{"lxtc.targets", &p.Targets},
		{"lxtc.explained", &p.Explain},
	}
}

// String is one line for people.
func (p pedigree) String() string {
	return fmt.Sprintf("of %s, from %s by %s, %s form (lxtc %s)", cmp.Or(p.Explain, "nothing"), cmp.Or(p.Targets, "nothing"), p.Rules, p.Form, p.Version)
}
