package cli

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
)

//go:embed scorepage.html
var scorePage string

// page writes one HTML page that needs nothing else: the means, the curves, and the
// numbers of every sample.
func (s *scoreboard) page(w io.Writer) error {
	t, err := template.New("scores").Parse(scorePage)
	if err != nil {
		return err
	}
	var plot bytes.Buffer
	if err := s.plot(&plot); err != nil {
		return err
	}
	sections := []section{{"", s.means()}}
	if c := s.cascade(); c != nil {
		sections = append(sections, section{cascadeTitle, c})
	}
	return t.Execute(w, map[string]any{
		"Board": s, "Subtitle": s.subtitle(), "Conclusion": s.conclusion(), "Best": s.best(),
		"Sections": sections, "Samples": s.samples(), "Plot": template.HTML(plot.String()), // which escapes what it says
	})
}

// section is a table of a page.
type section struct {
	Title string
	grid  *table
}

// Head returns the names of the columns.
func (s section) Head() []string { return s.grid.head }

// Rows returns the cells.
func (s section) Rows() [][]string { return s.grid.rows }

// samples is a table of the gap of every method at every sample.
func (s *scoreboard) samples() section {
	methods := s.methods()
	g := &table{head: append([]string{"gap of sample", "target", s.Score}, methods...)}
	row := map[string]int{}
	for i := range s.Rows {
		r := &s.Rows[i]
		k, known := row[r.Sample]
		if !known {
			k = len(g.rows)
			row[r.Sample] = k
			g.add(r.Sample, fmt.Sprint(r.Target), fmt.Sprintf("%.4g", float64(r.Whole)))
		}
		cell := "-"
		if gap := float64(r.Gap); !math.IsNaN(gap) {
			cell = fmt.Sprintf("%.3g", gap)
		}
		g.rows[k] = append(g.rows[k], cell)
	}
	return section{"", g}
}
